"""What became of a run's golden files, as its summary says it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_tfserving.golden.recorder import Written

# Lines of files that no test uses: more are for -v.
_MOST_UNUSED = 10

# A line and its colour, "" for none.
Line = tuple[str, str]


def recorded_lines(written: Written | None, why_none: str) -> Iterator[Line]:
    """What was recorded; `why_none` says why what there was is not written."""
    if why_none:
        yield f"no golden was written: {why_none}", "yellow"
    if written is None:
        return
    for file, count in written.files.items():
        yield f"recorded {file}: {count}", ""
    for file, cases in written.unchanged.items():
        yield f"unchanged {file} ({cases} case{'s' if cases > 1 else ''})", ""
    for reason in written.refused:
        yield f"not recorded {reason}", "red"


def unused_lines(files: Sequence[str], verbosity: int) -> Iterator[Line]:
    """The goldens that no test uses, a few unless pytest is verbose."""
    if not files:
        return
    nouns, them = ("goldens", "them") if len(files) > 1 else ("golden", "it")
    yield f"{len(files)} {nouns} that no test uses (--tfserving-remove-unused removes {them}):", "yellow"
    shown = files if verbosity > 0 else files[:_MOST_UNUSED]
    yield from ((f"  {file}", "yellow") for file in shown)
    if len(files) > len(shown):
        yield f"  ... and {len(files) - len(shown)} more (-v)", "yellow"


def removed_lines(removed: Sequence[str], problems: Sequence[str], why_none: str) -> Iterator[Line]:
    """What --tfserving-remove-unused did: `why_none` says why it left everything as it was."""
    yield from ((f"removed {file}", "") for file in removed)
    yield from ((problem, "red") for problem in problems)
    if why_none:
        yield f"no unused golden was removed: {why_none}", "yellow"
