"""One process's session: its settings, its servers, what it recorded and what it counted."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_tfserving.files import shown
from pytest_tfserving.golden.uses import Uses
from pytest_tfserving.options import Settings

if TYPE_CHECKING:  # a session costs nothing until a test needs a server
    from pytest_tfserving.backends.run import Run
    from pytest_tfserving.golden.recorder import Recorder, Written
    from pytest_tfserving.reference.process import Reference
    from pytest_tfserving.serving import Serving


class Session:
    """What the plugin keeps for a pytest session.

    `run_directory` is where pytest-xdist's controller has begun the run, in a worker; None elsewhere. `verbosity` is
    pytest's, by which failures are as long as is wanted.
    """

    def __init__(
        self, settings: Settings, say: Callable[[str], None], run_directory: Path | None = None, verbosity: int = 0
    ) -> None:
        self.settings = settings
        self.verbosity = verbosity
        self.tally = Tally()
        self.written: Written | None = None
        self.worker_crashed = False
        self.uses = Uses()
        self.unused: list[str] = []
        self.removed: list[str] = []
        self.not_removed: list[str] = []
        self.report_lines: list[tuple[str, str]] = []
        self.say = say
        self._run_directory = run_directory
        self._run: Run | None = None
        self._serving: Serving | None = None
        self._recorder: Recorder | None = None
        self._references: dict[tuple[Path, tuple[str, ...]], Reference] = {}

    @property
    def wants_results(self) -> bool:
        """Whether anything of this run is written that tells what each check came to."""
        return bool(self.settings.report or self.settings.json or os.environ.get("GITHUB_STEP_SUMMARY"))

    @property
    def is_worker(self) -> bool:
        """Whether this is a worker of pytest-xdist, whose run others share."""
        return self._run_directory is not None

    @property
    def run(self) -> Run:
        """The run, begun or joined when it is first needed."""
        if self._run is None:
            from pytest_tfserving.backends.run import Run

            self._run = Run.join(self._run_directory) if self._run_directory else Run.begin()
        return self._run

    @property
    def serving(self) -> Serving:
        """What serves models to this process."""
        if self._serving is None:
            from pytest_tfserving.serving import Serving

            self._serving = Serving(self.settings, lambda: self.run, self.say)
        return self._serving

    @property
    def recorder(self) -> Recorder:
        """What collects the goldens to be written."""
        if self._recorder is None:
            from pytest_tfserving.golden.recorder import Recorder

            self._recorder = Recorder()
        return self._recorder

    def reference(self, export: Path, tags: tuple[str, ...]) -> Reference:
        """What runs a SavedModel as Python does; started when it is first asked."""
        from pytest_tfserving.reference.process import Reference

        if (export, tags) not in self._references:
            self._references[export, tags] = Reference(
                export,
                tags,
                startup_timeout=self.settings.startup_timeout,
                request_timeout=self.settings.request_timeout,
            )
        return self._references[export, tags]

    def to_plain(self) -> dict[str, Any]:
        """What a worker of pytest-xdist hands to its controller, as plain values."""
        self.tally.note_servers(self._serving)
        recordings = self._recorder.to_plain() if self._recorder else []
        return {"tally": self.tally.to_plain(), "recordings": recordings, "uses": self.uses.to_plain()}

    def merge(self, plain: Mapping[str, Any]) -> None:
        """Takes in what a worker handed over."""
        self.tally.merge(plain["tally"])
        self.uses.merge(plain["uses"])
        if plain["recordings"]:
            self.recorder.merge(plain["recordings"])

    def finish(self, *, write: bool, root: Path, passed_over: Sequence[str] = ()) -> None:
        """Counts the servers and, where the run came to its end, writes the recorded goldens and finds unused ones.

        A worker that crashed may have had the answer of a case over the other transport: nothing is written then.
        These are looked for in `root`, and not in directories whose names match `passed_over`.
        """
        self.tally.note_servers(self._serving)
        if self._recorder and write and not self.worker_crashed:
            self.written = self._recorder.write()
        if not self.uses.partial and (self.uses.asked or self.uses.bodies):
            self._find_unused(root, passed_over)

    def _find_unused(self, root: Path, passed_over: Sequence[str]) -> None:
        from pytest_tfserving.golden.unused import find_unused, remove, used_files

        found = find_unused(used_files(self.uses), root, passed_over, bodies=not self.uses.bodies_uncertain)
        if self.settings.remove_unused and not self.why_none_removed:
            removed, self.not_removed = remove(found)
            self.removed = [shown(file) for file in removed]
        else:
            self.unused = [shown(golden.file) for golden in found]

    @property
    def why_none_removed(self) -> str:
        """Why goldens that no test has used may be used all the same; "" where they are not."""
        return self.uses.partial or ("a test's setup failed" if self.uses.setup_failed else "")

    @property
    def unused_candidates(self) -> list[str]:
        """The NAMEs of --tfserving-model that no test of this run asked for, though others were asked for.

        A gate that misspells a name would otherwise test the old export and pass.
        """
        names = [name for name, _ in self.settings.candidates if name is not None]
        return [name for name in names if self.tally.models and name not in self.tally.models]

    @property
    def goldens(self) -> dict[str, Any]:
        """What became of golden files, as reports have it."""
        written = self.written
        if written is None:
            return {"unused": list(self.unused)}
        return {
            "recorded": {file: count._asdict() for file, count in written.files.items()},
            "unchanged": dict(written.unchanged),
            "refused": list(written.refused),
            "unused": list(self.unused),
        }

    @property
    def why_none_recorded(self) -> str:
        """Why nothing of what was recorded was written; "" where it was, or nothing was recorded."""
        if self.settings.update and self.worker_crashed:
            return "a worker crashed"
        return "the run did not come to its end" if self._recorder and self.written is None else ""

    def close(self) -> None:
        """Closes the clients and leaves the run; its servers end with the last process that leaves."""
        for reference in self._references.values():
            reference.close()
        if self._serving:
            self._serving.close()
        if self._run:
            self._run.close()


class Tally:
    """What was checked, by model, and on what: counts that travel between processes.

    `backends` has by backend the software behind it, `environment` what a golden recorded now would be made by.
    """

    def __init__(self) -> None:
        self.checked: Counter[tuple[str, str]] = Counter()
        self.failed: Counter[tuple[str, str]] = Counter()
        self.backends: dict[str, str] = {}
        self.environment: dict[str, str] = {}
        self.models: set[str] = set()
        self.measured: list[str] = []

    def note(self, model: str, what: str, *, held: bool) -> None:
        """Counts one check: `what` is a kind of _NOUNS with what it was about, such as `signature serving_default`."""
        self.checked[model, what] += 1
        if not held:
            self.failed[model, what] += 1

    def note_servers(self, serving: Serving | None) -> None:
        """Notes what served, as the summary prints it."""
        if serving is None:
            return
        from pytest_tfserving.golden.provenance import describe_run

        self.models |= serving.requested
        for served in serving.everything_served():
            software = ", ".join(f"{key} {value}" for key, value in served.provenance.items() if key != "backend")
            reused = f" ({served.reused})" if served.reused else ""
            self.backends[str(serving.choice)] = (software or str(served.endpoint)) + reused
            self.environment.update(describe_run(served.provenance))

    def to_plain(self) -> dict[str, Any]:
        """The counts as plain values."""
        return {
            "checked": [(*key, count) for key, count in self.checked.items()],
            "failed": [(*key, count) for key, count in self.failed.items()],
            "backends": self.backends,
            "environment": self.environment,
            "models": sorted(self.models),
            "measured": self.measured,
        }

    def merge(self, plain: Mapping[str, Any]) -> None:
        """Adds another process's counts."""
        for counter, counts in ((self.checked, plain["checked"]), (self.failed, plain["failed"])):
            for model, what, count in counts:
                counter[model, what] += count
        self.backends.update(plain["backends"])
        self.environment.update(plain["environment"])
        self.models.update(plain["models"])
        self.measured += plain["measured"]

    def by_model(self) -> dict[str, list[str]]:
        """For each model what was checked, in words: `2 signatures`, `3 golden cases over rest`, `1 lint`.

        What is checked twice, such as a signature that many tests expect, counts once; golden cases and measurements
        count each time.
        """
        checked: Counter[tuple[str, str]] = Counter()
        failed: Counter[tuple[str, str]] = Counter()
        for key in sorted(self.checked):
            model, what = key
            kind = what.partition(" ")[0]
            counts_each = kind in ("golden", "latency")
            group = (model, what if counts_each else kind)
            checked[group] += self.checked[key] if counts_each else 1
            failed[group] += self.failed[key] if counts_each else min(self.failed[key], 1)
        words: dict[str, list[str]] = {}
        for (model, counted), count in checked.items():
            kind, _, transport = counted.partition(" ")
            text = f"{count} {_NOUNS[kind][count > 1]}" + (f" over {transport}" if transport else "")
            text += f" ({failed[model, counted]} failed)" if failed[model, counted] else ""
            words.setdefault(model, []).append(text)
        return words


# One and several of each kind of check.
_NOUNS = {
    "compatible": ("baseline", "baselines"),
    "generated": ("signature's generated requests", "signatures' generated requests"),
    "golden": ("golden case", "golden cases"),
    "latency": ("latency budget", "latency budgets"),
    "lint": ("lint", "lints"),
    "overall": ("output over all cases", "outputs over all cases"),
    "properties": ("signature's properties", "signatures' properties"),
    "signature": ("signature", "signatures"),
}
