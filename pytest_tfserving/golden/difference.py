"""What of an answer differs from its golden, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from pytest_tfserving.golden.tolerance import Tolerance

# Of more values or rows that differ, as many are kept, the worst ones.
MOST_OFFENDERS = 1000

# Limits of which a smaller one lets more pass; of the others a larger one does.
_FLOORS = ("cosine", "psnr")

Limit = TypeVar("Limit", float, str)


class Offender(NamedTuple):
    """One value or row that is wrong. `error` is in the unit of its rule; None where values have no distance.

    `expected` and `served` are the values, or text that says what of a row is wrong. Of two offenders the one with the
    larger `badness` is worse. `case` is the golden case, where many are compared together.
    """

    at: tuple[int, ...]
    expected: object
    served: object
    error: float | None
    badness: float = 0.0
    case: str = ""


@dataclass(frozen=True)
class Decades:
    """How many values are off by how much: `counts[i]` by at least 10**(lowest + i), and less than ten times that.

    All that are not equal are counted, within the tolerance or not; not those without a distance.
    """

    lowest: int
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Difference:
    """One output that differs. `kind` is missing, unexpected, dtype, shape or values.

    `expected` and `served` are the specs where the kind is not `values`; otherwise the two values at `worst`, the
    index of the worst offender. `rule` says what was asked, as its key is written: `cosine=0.999`. `unit` says what
    `differing` and `total` count: values, rows, entries (along the first axis), or answer: the output as a whole.
    `allowed` is the share of them that may be wrong, `cases` how many golden cases they are of. The errors are the
    largest over all that are wrong; None where there is no distance. `would_pass` has the nearest limits that would
    have let the answer pass, each a way.
    """

    output: str
    kind: str
    expected: str
    served: str
    differing: int = 0
    total: int = 0
    worst: tuple[int, ...] = ()
    max_absolute: float | None = None
    max_relative: float | None = None
    only_nan: bool = False
    unit: str = "values"
    allowed: float = 0.0
    cases: int = 1
    rule: str = field(default="", compare=False)
    would_pass: tuple[str, ...] = field(default=(), compare=False)
    offenders: tuple[Offender, ...] = field(default=(), compare=False, repr=False)
    decades: Decades | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Comparison:
    """All outputs that differ, in order; none where the golden holds. One output may break several rules."""

    differences: tuple[Difference, ...]
    tolerance: Tolerance

    @property
    def holds(self) -> bool:
        """Whether nothing differs."""
        return not self.differences


def looser(key: str, first: Limit, second: Limit) -> Limit:
    """Of two limits that an output's rule may have under `key`, numbers or their texts, the one that lets more pass."""
    return (min if key in _FLOORS else max)(first, second, key=float)


def show(value: object) -> str:
    """A value of a tensor in few characters."""
    text = repr(value) if isinstance(value, bytes) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
