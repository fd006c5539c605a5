"""Watches which goldens a run of pytest uses, and whether it was whole: only then are others unused."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from glob import glob
from pathlib import Path
from typing import Any

import pytest

from pytest_tfserving.contracts import SUFFIX
from pytest_tfserving.errors import TFServingError
from pytest_tfserving.session import Session

# Options with which pytest collects or runs less than there is.
_RESTRICTING = ("--lf", "--stepwise", "--collect-only", "--setup-only", "--ignore", "--ignore-glob")
_NAMING = ("tfserving_golden", "tfserving_properties")


class GoldenUses:
    """A plugin of each process of a run, which fills in `session.uses`."""

    def __init__(self, session: Session) -> None:
        self._uses = session.uses
        self._contracts: list[Path] = []

    def pytest_collect_file(self, file_path: Path) -> None:
        if file_path.name.endswith(SUFFIX):
            self._contracts.append(file_path)

    @pytest.hookimpl(wrapper=True)
    def pytest_ignore_collect(
        self, collection_path: Path, config: pytest.Config
    ) -> Generator[None, bool | None, bool | None]:
        is_ignored = yield
        if is_ignored and _may_hold_tests(collection_path, config):
            self._uses.note_partial(f"{collection_path.name} was ignored")
        return is_ignored

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if not report.passed:
            self._uses.note_partial(f"{report.nodeid or 'a directory'} was not collected")

    @pytest.hookimpl(wrapper=True, tryfirst=True)  # plugins that split a suite do not always call pytest_deselected
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None, None, None]:
        collected = len(items)
        yield
        if len(items) < collected:
            self._uses.note_partial("tests were deselected")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        self._uses.setup_failed |= report.when == "setup" and report.failed
        if not report.passed and "tfserving_golden" in getattr(item, "fixturenames", ()):
            self._uses.bodies_uncertain = True
        return report

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        if "tfserving" not in getattr(node, "workeroutput", {}):
            self._uses.note_partial("a worker crashed")

    @pytest.hookimpl(tryfirst=True)  # and registered after plugin.py, whose hook is tryfirst too and asks for the uses
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        self._uses.note_partial(_why_partial(session, exitstatus))
        # All workers of pytest-xdist collect the same.
        if getattr(session.config, "workerinput", {}).get("workerid", "gw0") == "gw0" and not self._uses.partial:
            # Each test with one of our markers has this fixture; without any, nothing is loaded.
            items = [i for i in getattr(session, "items", ()) if "tfserving" in getattr(i, "fixturenames", ())]
            try:
                self._uses.asked |= set(_of_contracts(self._contracts)) if self._contracts else set()
                self._uses.asked |= set(_of_markers(items)) if items else set()
            except TFServingError:
                self._uses.note_partial("a marker cannot be read")


def _may_hold_tests(path: Path, config: pytest.Config) -> bool:
    """Whether an ignored path may be one of tests, which a conftest.py's `collect_ignore` has left out for now."""
    if not path.is_dir():
        return any(map(path.match, (f"*{SUFFIX}", *config.getini("python_files"))))
    is_environment = (path / "pyvenv.cfg").exists() or (path / "conda-meta").exists()
    return not is_environment and not any(map(path.match, ("__pycache__", *config.getini("norecursedirs"))))


def _why_partial(session: pytest.Session, exitstatus: int) -> str:
    """Why a run may have left out tests that there are; "" of one that was whole."""
    config = session.config
    if exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        return "the run did not come to its end"
    if session.shouldstop or session.shouldfail:
        return f"the run did not come to its end ({session.shouldstop or session.shouldfail})"
    given = [name for name in _RESTRICTING if config.getoption(name, None)]
    if given:
        return f"{given[0]} may leave out tests"
    if not hasattr(config, "workerinput") and not _is_everything_collected(config):
        return "the run was of some of the tests"
    return ""


def _is_everything_collected(config: pytest.Config) -> bool:
    """Whether the paths that were collected have the project's testpaths below them, or its root directory."""
    root = config.rootpath
    names = config.getini("testpaths") if config.inipath else []
    wanted = [Path(path) for name in names for path in glob(str(root / name), recursive=True)] or [root]  # noqa: PTH207
    if config.inipath is None:
        wanted.append(config.invocation_params.dir)  # the root is but what the arguments have in common
    collected = [(config.invocation_params.dir / argument).resolve() for argument in config.args]
    return all(any(path.resolve().is_relative_to(above) for above in collected) for path in wanted)


def _of_contracts(files: Iterable[Path]) -> Iterable[tuple[str, str]]:
    from pytest_tfserving.contracts.file import read_contract

    for file in files:
        for model in read_contract(file).models:
            for golden in model.goldens:
                yield golden.files.pattern, str(golden.files.base)
            for properties in model.properties.values():
                for named in properties.requests:
                    yield named.pattern, str(named.base)


def _of_markers(items: Iterable[pytest.Item]) -> Iterable[tuple[str, str]]:
    from pytest_tfserving.markers import checks_of, golden_request
    from pytest_tfserving.usage import USAGE

    seen = set()
    for item in items:
        marks = [mark for mark in item.iter_markers() if mark.name in USAGE]
        which = (item.path.parent, *map(id, marks))  # of the tests of one function they are the same objects
        if item.path.name.endswith(SUFFIX) or which in seen or not any(mark.name in _NAMING for mark in marks):
            continue
        seen.add(which)
        for mark in marks:
            if mark.name == "tfserving_golden":
                files = golden_request(mark, item.path.parent).files
                yield files.pattern, str(files.base)
        for check in checks_of(marks, item.path.parent):
            for named in getattr(check, "requests", ()):
                yield named.pattern, str(named.base)
