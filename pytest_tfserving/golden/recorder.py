"""Collects what a run records and writes it at its end, by one process, each file in one step.

Under pytest-xdist the two transports of a case may run in different processes. So a worker only collects; its
recordings travel to the controller as plain values, and are merged there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_tfserving.errors import GoldenError
from pytest_tfserving.golden.provenance import dated
from pytest_tfserving.golden.tolerance import Tolerance

if TYPE_CHECKING:
    from pytest_tfserving.tensors import Array


@dataclass(frozen=True)
class Recording:
    """The answer of one case over one transport, in plain values; outputs of None mean that the case failed there.

    `mark` is that of its request (Case.mark).
    """

    file: str
    key: str | None
    transport: str
    outputs: dict[str, Any] | None
    provenance: dict[str, str]
    tolerance: dict[str, Any]
    mark: str = ""


class Count(NamedTuple):
    """How many cases of a file had no answer and got one, and how many had another."""

    new: int
    changed: int

    def __str__(self) -> str:
        return ", ".join(f"{count} {name}" for name, count in self._asdict().items() if count)


@dataclass(frozen=True)
class Written:
    """What the end of the run wrote, by file; and why the others were not written.

    `unchanged` counts by file what was there already, to the last bit.
    """

    files: dict[str, Count]
    refused: tuple[str, ...]
    unchanged: dict[str, int] = field(default_factory=dict)


class Recorder:
    """The recordings of one process, or of all after they were merged."""

    def __init__(self) -> None:
        self._recordings: list[Recording] = []

    def add(
        self,
        file: Path,
        key: str | None,
        transport: str,
        outputs: Mapping[str, Array] | None,
        provenance: Mapping[str, str],
        tolerance: Tolerance,
        mark: str = "",
    ) -> None:
        """Keeps one answer to be written.

        Tests of several directories name a file by different paths (`a/../goldens/x.json`): it is one file, whose
        answers must agree. A link keeps its own name: what belongs to it may lie beside it.
        """
        from pytest_tfserving.golden.formats.npz import plain_tensor

        tensors = None if outputs is None else {name: plain_tensor(outputs[name]) for name in sorted(outputs)}
        file = file.parent.resolve() / file.name
        self._recordings.append(
            Recording(str(file), key, transport, tensors, dict(provenance), asdict(tolerance), mark)
        )

    def to_plain(self) -> list[dict[str, Any]]:
        """The recordings as values that travel between processes."""
        return [asdict(recording) for recording in self._recordings]

    def merge(self, plain: Iterable[dict[str, Any]]) -> None:
        """Adds another process's recordings."""
        self._recordings += [Recording(**recording) for recording in plain]

    def write(self) -> Written:
        """Writes every case whose transports agree, file by file."""
        from pytest_tfserving.golden.store import where, write_answers

        by_case: dict[tuple[str, str | None], list[Recording]] = {}
        for recording in self._recordings:
            by_case.setdefault((recording.file, recording.key), []).append(recording)
        # A file's cases are written together, those that were made in the same environment.
        groups: dict[tuple[str, tuple[tuple[str, str], ...]], dict[str | None, dict[str, Any]]] = {}
        asked: dict[str, dict[str, str]] = {}
        refused = []
        for (file, key), recordings in sorted(by_case.items(), key=lambda item: (item[0][0], item[0][1] or "")):
            reason = _why_not(recordings)
            if reason:
                refused.append(f"{where(Path(file), key)}: {reason}")
                continue
            # gRPC carries every bit of every dtype; REST's printer rounds subnormal numbers to zero.
            best = min(recordings, key=lambda recording: recording.transport != "grpc")
            assert best.outputs is not None
            groups.setdefault((file, tuple(best.provenance.items())), {})[key] = best.outputs
            if key is not None and best.mark:
                asked.setdefault(file, {})[key] = best.mark
        written: dict[str, Count] = {}
        unchanged: Counter[str] = Counter()
        for (file, made), answers in groups.items():
            try:
                done = write_answers(Path(file), answers, dated(dict(made)), asked.get(file, {}))
            except (GoldenError, OSError) as error:
                # The other files are written all the same: each is whole, and so is this one, as it was.
                if isinstance(error, OSError):
                    refused.append(f"{where(Path(file))}: {error.strerror or error}; it is as it was")
                else:
                    refused.append(str(error))
                continue
            place, recorded = where(done.file), done.new + done.changed
            if recorded:
                before = written.get(place, Count(0, 0))
                written[place] = Count(before.new + done.new, before.changed + done.changed)
            if recorded < len(answers):
                unchanged[place] += len(answers) - recorded
        return Written(written, tuple(refused), dict(unchanged))


def _why_not(recordings: list[Recording]) -> str | None:
    from pytest_tfserving.golden.compare import compare
    from pytest_tfserving.golden.formats.npz import from_plain

    for recording in recordings:
        if recording.outputs is None:
            return f"it failed over {recording.transport}"
    first, *others = recordings
    for other in others:
        answers = [
            {name: from_plain(value, name) for name, value in (recording.outputs or {}).items()}
            for recording in (first, other)
        ]
        tolerance = replace(Tolerance.from_plain(first.tolerance), equal_nan=True)
        comparison = compare(answers[0], answers[1], tolerance)
        if not comparison.holds:
            names = ", ".join(difference.output for difference in comparison.differences)
            if other.transport == first.transport:
                return f"tests that use it were given other answers over {first.transport}, in {names}"
            return f"{first.transport} and {other.transport} disagree in {names}"
    return None
