"""How far two servables' answers are apart in one output, as statistics over any number of requests.

Memory does not grow with the requests: errors are counted (spread.py), and few cases are kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np

from pytest_tfserving.golden.case import Case
from pytest_tfserving.golden.comparators.rows import compare_best, compare_cosine
from pytest_tfserving.golden.compare import pair_of
from pytest_tfserving.golden.difference import Difference, show
from pytest_tfserving.golden.spread import Spread
from pytest_tfserving.golden.tolerance import Tolerance
from pytest_tfserving.schema import Signature, TensorSpec
from pytest_tfserving.tensors import Array

Side = Literal["old", "new"]

# Of each output as many cases are kept, the worst ones.
MOST_WORST = 5

_BLOCK = 1 << 16  # values: what is made of them stays in a core's caches


class Worst(NamedTuple):
    """The value of a case that is furthest off: its index, both values, and the error; None of what has no distance.

    `badness` is larger where a case is worse: its largest error, infinity where only one side is finite, of values
    without distances the number of those that differ.
    """

    case: Case
    signature: Signature
    at: tuple[int, ...]
    old: str
    new: str
    error: float | None
    badness: float


@dataclass
class OutputDrift:
    """One output over all cases. Sums are of values that have a distance: not of NaN, nor of infinity beside another.

    `differing` counts the values beyond the tolerance. `rows` and `reclassed` are of floats with a last axis of at
    least 2, which is not that of the batch: rows along it, and those whose highest value is another's, ties within the
    tolerance aside; `cosine` is the least similarity of two such rows, NaN where one has none. `not_finite` counts
    (NaN, infinities) by side.
    """

    signature: str
    output: str
    dtype: str
    cases: int = 0
    values: int = 0
    differing: int = 0
    spread: Spread = field(default_factory=Spread)
    absolute_sum: float = 0.0
    square_sum: float = 0.0
    max_absolute: float | None = None
    max_relative: float | None = None
    rows: int = 0
    reclassed: int = 0
    cosine: float | None = None
    not_finite: dict[Side, tuple[int, int]] = field(default_factory=lambda: {"old": (0, 0), "new": (0, 0)})
    worst: list[Worst] = field(default_factory=list)

    @property
    def is_numeric(self) -> bool:
        """Whether its values have distances."""
        return self.dtype not in ("string", "bool")

    @property
    def mean_absolute(self) -> float | None:
        """The mean of |new - old|."""
        return self.absolute_sum / self.spread.total if self.spread.total else None

    @property
    def root_mean_square(self) -> float | None:
        """The root of the mean of (new - old)**2."""
        return math.sqrt(self.square_sum / self.spread.total) if self.spread.total else None

    def add(
        self, case: Case, signature: Signature, old: Array, new: Array, difference: Difference | None, like: Tolerance
    ) -> None:
        """Adds the answers to a case, of one dtype and shape; `difference` is what of them is beyond the tolerance."""
        self.cases += 1
        self.values += old.size
        self.differing += difference.differing if difference else 0
        if not old.size:
            return
        if self.is_numeric:
            worst = self._measure(case, signature, old, new, like.equal_nan)
        else:
            worst = _worst_of(case, signature, difference)
        if old.dtype.kind in "fV" and _has_rows(old, signature.outputs.get(self.output)):
            self._add_rows(old, new, like)
        if worst is not None:
            self.worst = sorted([*self.worst, worst], key=lambda one: -one.badness)[:MOST_WORST]

    def _add_rows(self, old: Array, new: Array, like: Tolerance) -> None:
        pair = pair_of(self.output, old, new, like)
        self.rows += math.prod(old.shape[:-1])
        found = compare_best(pair, 1, "argmax")
        self.reclassed += found.differing if found else 0
        found = compare_cosine(pair, 1.0)
        error = found.offenders[0].error if found else 0.0
        least = math.nan if error is None else 1 - error
        if self.cosine is None or not self.cosine <= least:
            self.cosine = self.cosine if self.cosine is not None and math.isnan(self.cosine) else least

    def _measure(self, case: Case, signature: Signature, old: Array, new: Array, equal_nan: bool) -> Worst | None:
        """Adds every value; the one that is furthest off, None where all are equal."""
        first, second = old.reshape(-1), new.reshape(-1)
        worst_at, badness = -1, 0.0
        for start in range(0, first.size, _BLOCK):
            one, other = first[start : start + _BLOCK], second[start : start + _BLOCK]
            self._count_not_finite("old", one)
            self._count_not_finite("new", other)
            if (one == other).all():
                self.spread.add_zeros(one.size)
                self.max_absolute, self.max_relative = self.max_absolute or 0.0, self.max_relative or 0.0
                continue
            distance = _distances(one, other, equal_nan)
            with np.errstate(all="ignore"):
                badnesses = np.where(np.isfinite(distance), distance, np.inf)
                at = int(badnesses.argmax())
                if badnesses[at] > badness:
                    worst_at, badness = start + at, float(badnesses[at])
                self._add_errors(one, distance)
        if worst_at < 0:
            return None
        index = tuple(int(i) for i in np.unravel_index(worst_at, old.shape))
        error = badness if math.isfinite(badness) else None
        return Worst(case, signature, index, show(first[worst_at]), show(second[worst_at]), error, badness)

    def _add_errors(self, old: Array, distance: Array) -> None:
        known = np.isfinite(distance)
        errors = distance[known]
        if not errors.size:
            return
        self.spread.add(errors)
        self.absolute_sum += float(errors.sum())
        self.square_sum += float(np.square(errors).sum())
        self.max_absolute = max(self.max_absolute or 0.0, float(errors.max()))
        sizes = np.abs(old[known].astype(np.complex128 if old.dtype.kind == "c" else np.float64))
        relative = errors[sizes > 0] / sizes[sizes > 0]
        if relative.size:
            self.max_relative = max(self.max_relative or 0.0, float(relative.max()))

    def _count_not_finite(self, side: Side, values: Array) -> None:
        if values.dtype.kind in "iu":
            return
        if values.dtype.kind == "V":  # numpy's sums know no bfloat16
            values = values.astype(np.float32)
        if np.isfinite(values).all():
            return
        nan, infinite = self.not_finite[side]
        self.not_finite[side] = nan + int(np.isnan(values).sum()), infinite + int(np.isinf(values).sum())


def _has_rows(array: Array, spec: TensorSpec | None) -> bool:
    """Whether the last axis is of scores or a vector: of one axis alone, where its size is promised."""
    if array.ndim == 1 and (spec is None or not spec.shape or not isinstance(spec.shape[-1], int)):
        return False
    return array.ndim > 0 and array.shape[-1] > 1


def _distances(old: Array, new: Array, equal_nan: bool) -> Array:
    """|new - old| as float64: 0 of what is equal, NaN or infinity where there is no distance."""
    if old.dtype.kind in "iu":
        # Modulo 2**64, which is right: int64 - int64 may not fit int64, nor uint64 an int64.
        bits = np.int64 if old.dtype.kind == "i" else np.uint64
        first, second = old.astype(bits).view(np.uint64), new.astype(bits).view(np.uint64)
        apart: Array = np.where(old > new, first - second, second - first).astype(np.float64)
        return apart
    wide = np.complex128 if old.dtype.kind == "c" else np.float64
    with np.errstate(all="ignore"):
        first, second = old.astype(wide), new.astype(wide)
        distance: Array = np.where(first == second, 0.0, np.abs(second - first))
        if equal_nan:
            distance[np.isnan(first) & np.isnan(second)] = 0.0
        return distance


def _worst_of(case: Case, signature: Signature, difference: Difference | None) -> Worst | None:
    """The first of the values that differ and have no distance."""
    if difference is None:
        return None
    return Worst(
        case, signature, difference.worst, difference.expected, difference.served, None, float(difference.differing)
    )
