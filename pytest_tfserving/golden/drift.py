"""What two servables answer to the same requests, and how far that is apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeVar

from pytest_tfserving.golden.case import Case
from pytest_tfserving.golden.compare import compare
from pytest_tfserving.golden.difference import Difference
from pytest_tfserving.golden.output_drift import OutputDrift, Side
from pytest_tfserving.golden.tolerance import Tolerance
from pytest_tfserving.schema import Signature
from pytest_tfserving.tensors import Array, name_of

SIDES: tuple[Side, Side] = ("old", "new")

_Key = TypeVar("_Key")


@dataclass
class Counted:
    """How often something was seen, and an example of it: the case, and what was said of it there."""

    times: int
    case: str
    text: str


class SpecChange(NamedTuple):
    """An output that is missing, unexpected, or of another dtype or shape, in answers of a signature."""

    signature: str
    output: str
    kind: str


class Drift:
    """What two servables answered to the same requests, added case by case.

    `answered` counts the cases that both answered, `refused` by side (or both) those that were refused, `lacking` the
    cases by signature and the side that has no such signature, `left_out` by reason the cases that were not sent.
    """

    def __init__(self, tolerance: Tolerance) -> None:
        self.tolerance = tolerance
        self.answered = 0
        self.outputs: dict[tuple[str, str], OutputDrift] = {}
        self.changes: dict[SpecChange, Counted] = {}
        self.refused: dict[Side | Literal["both"], Counted] = {}
        self.lacking: Counter[tuple[str, Side]] = Counter()
        self.left_out: Counter[str] = Counter()

    def add(self, case: Case, signature: Signature, old: Mapping[str, Array], new: Mapping[str, Array]) -> None:
        """Adds a case that both answered."""
        self.answered += 1
        values: dict[str, Difference] = {}
        changed = set()
        for difference in compare(old, new, self.tolerance).differences:
            if difference.kind == "values":
                values[difference.output] = difference
                continue
            changed.add(difference.output)
            text = f"{difference.expected} -> {difference.served}"
            _count(self.changes, SpecChange(signature.name, difference.output, difference.kind), case, text)
        for output in old:
            if output in changed:
                continue
            key = signature.name, output
            drift = self.outputs.get(key)
            if drift is None:
                drift = self.outputs[key] = OutputDrift(*key, name_of(old[output]))
            drift.add(case, signature, old[output], new[output], values.get(output), self.tolerance)

    def add_refused(self, case: Case, errors: Mapping[Side, str]) -> None:
        """Adds a case that one side refuses, or both do; `errors` is what was said."""
        side: Side | Literal["both"] = "both" if len(errors) == 2 else next(iter(errors))
        _count(self.refused, side, case, " / ".join(dict.fromkeys(errors.values())))

    def holds(self, elsewhere: Collection[str] = ()) -> bool:
        """Whether no answer is beyond the tolerance, but for the values of outputs that are judged `elsewhere`.

        A request that both refuse is no drift; one that one side refuses is.
        """
        if self.changes or self.lacking or any(side in self.refused for side in SIDES):
            return False
        return not any(one.differing for one in self.outputs.values() if one.output not in elsewhere)


def _count(counts: dict[_Key, Counted], key: _Key, case: Case, text: str) -> None:
    if key in counts:
        counts[key].times += 1
    else:
        counts[key] = Counted(1, case.where, text)
