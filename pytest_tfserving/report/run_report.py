"""What became of a run's tests, gathered one by one, then written for people and machines."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from pytest_tfserving.errors import SpecError
from pytest_tfserving.files import shown
from pytest_tfserving.report.document import build_document, write_file, write_json
from pytest_tfserving.report.moved import MovedOutputs
from pytest_tfserving.report.results import ItemResult
from pytest_tfserving.report.step_summary import append_step_summary

# What the extra `report` installs, by the modules that make the page.
_PAGE_NEEDS = {"jinja2": "jinja2", "matplotlib": "matplotlib", "PIL": "pillow"}


class Targets(NamedTuple):
    """The files that are written; None for what is not wanted."""

    page: Path | None
    json: Path | None
    step_summary: Path | None

    @classmethod
    def of(cls, page: str | None, json: str | None, step_summary: str | None, base: Path) -> Targets:
        """The targets of --tfserving-report and --tfserving-json, seen from `base`, and of GITHUB_STEP_SUMMARY.

        Raises SpecError for what can be seen to fail before an hour of tests: a place where no file can be, one file
        for both, and a page where what makes it is not installed.
        """
        given = {"--tfserving-report": page, "--tfserving-json": json}
        files = {flag: _target(flag, base, name) for flag, name in given.items() if name}
        if len({os.path.realpath(file) for file in files.values()}) < len(files):
            raise SpecError("--tfserving-report and --tfserving-json name the same file")
        missing = [name for module, name in _PAGE_NEEDS.items() if page and find_spec(module) is None]
        if missing:
            raise SpecError(f'--tfserving-report needs {" and ".join(missing)}: pip install "pytest-tfserving[report]"')
        summary = Path(step_summary) if step_summary else None
        return cls(files.get("--tfserving-report"), files.get("--tfserving-json"), summary)


def _target(flag: str, base: Path, name: str) -> Path:
    """The file that a flag names. Raises SpecError where a file cannot be written there, or would replace a device."""
    try:
        file = (base / Path(name).expanduser()).absolute()
        if file.is_dir():
            raise SpecError(f"{flag}: {file} is a directory; give a file in it, such as {file / 'tfserving.html'}")
        if file.exists() and not file.is_file():
            raise SpecError(f"{flag}: {file} is no regular file; a report takes the place of what it is written to")
        above = next(directory for directory in file.parents if directory.exists())
    except (OSError, RuntimeError) as error:  # a name that is too long, a directory without rights, an unknown ~user
        raise SpecError(f"{flag}: {name} cannot be written: {getattr(error, 'strerror', None) or error}") from None
    if not above.is_dir():
        raise SpecError(f"{flag}: {file} cannot be written: {above} is a file, not a directory")
    if not os.access(above, os.W_OK | os.X_OK):
        raise SpecError(f"{flag}: {file} cannot be written: no right to write in {above}")
    return file


class Line(NamedTuple):
    """A line of the run's summary; `failed` of a report that was asked for and is not there."""

    text: str
    colour: str = ""

    @property
    def failed(self) -> bool:
        return self.colour == "red"


class RunReport:
    """What is known of a run's tests so far."""

    def __init__(self, targets: Targets, command: str) -> None:
        self._targets = targets
        self._command = command
        self._started = time.time()
        self._items: dict[str, tuple[int, ItemResult]] = {}
        self._moved = MovedOutputs()
        self._has_tests = False

    def add(self, item: ItemResult, number: int | None) -> None:
        """Adds what became of a test; `number` is its place among all, where that is known.

        Of a test that failed once more when it was torn down, the second result is added to the first.
        """
        known = self._items.get(item.id)
        self._has_tests = True
        if known is not None:
            place, before = known
            text = "\n\n".join(text for text in (before.text, item.text) if text)
            outcome = before.outcome if before.outcome == "failed" else item.outcome
            self._items[item.id] = place, before._replace(outcome=outcome, text=text)
            return
        place = len(self._items) if number is None else number
        for check in item.checks:
            self._moved.add(item.id, place, check.model, check.evidence)
        checks = tuple(check._replace(evidence=()) for check in item.checks)  # it is summed up in what moved
        self._items[item.id] = place, item._replace(checks=checks)

    def add_error(self, where: str, text: str) -> None:
        """Adds what is no test: a file that could not be collected, a worker that crashed."""
        self._items.setdefault(where, (-1, ItemResult(where, "error", 0.0, text, ())))

    def write(
        self,
        exit_status: int,
        backends: Mapping[str, str],
        environment: Mapping[str, str],
        goldens: Mapping[str, Any],
    ) -> list[Line]:
        """Writes all that is wanted, and says what was written and what could not be: each for itself."""
        run = {
            "started": datetime.fromtimestamp(self._started, timezone.utc).isoformat(timespec="seconds"),
            "seconds": round(time.time() - self._started, 3),
            "command": self._command,
            "exit_status": exit_status,
            "plugin": _plugin_version(),
            "backends": dict(backends),
            "environment": dict(environment),
        }
        items = [item for _, item in sorted(self._items.values(), key=lambda known: (known[0], known[1].id))]
        document = cache(lambda: build_document(items, self._moved.to_plain(), run, goldens))
        lines = []
        if file := self._targets.json:
            lines.append(_attempt(file, lambda file: write_json(document(), file)))
        if file := self._targets.page:
            lines.append(_attempt(file, lambda file: _write_page(document(), file)))
        # A run that has nothing to do with models leaves the summary of its step alone.
        if (file := self._targets.step_summary) and self._has_tests:
            line = _attempt(file, lambda file: append_step_summary(document(), file))
            # What GitHub shows beside the job is no artefact that anybody waits for: where it fails, the run does not.
            lines += [Line(f"no summary of this step: {line.text}", "yellow")] if line.failed else []
        return lines


def _attempt(file: Path, write: Callable[[Path], None]) -> Line:
    try:
        write(file)
    except OSError as error:
        return Line(f"could not write {shown(file)}: {error.strerror or error}", "red")
    except Exception as error:  # a fault in a report must not take the run's verdict and its goldens with it
        return Line(f"could not make {shown(file)}: {type(error).__name__}: {error}", "red")
    return Line(f"wrote {shown(file)}")


def _write_page(document: dict[str, Any], file: Path) -> None:
    from pytest_tfserving.report.page.html import render

    write_file(file, render(document))


def _plugin_version() -> str:
    try:
        return version("pytest-tfserving")
    except PackageNotFoundError:  # run from a source tree
        return ""
