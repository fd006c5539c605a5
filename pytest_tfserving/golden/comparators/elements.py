"""Every value by itself: within a tolerance, within units in the last place, or equal.

Arrays are read in blocks that stay in a core's cache. A pair that holds is read once; where one does not, a second
pass gathers what is to be said of all of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pytest_tfserving.golden.comparators.pair import Pair, round_up
from pytest_tfserving.golden.comparators.ulps import ulps_between
from pytest_tfserving.golden.difference import MOST_OFFENDERS, Decades, Difference, Offender, show
from pytest_tfserving.tensors import Array

_BLOCK = 1 << 16  # values: what is made of them, a few arrays of float64, stays in a core's caches


def compare_within(pair: Pair, rtol: float, atol: float, rule: str) -> Difference | None:
    """Values of any numeric dtype: |served - expected| <= atol + rtol * |expected|, as numpy.isclose."""
    expected, served = _flat(pair)
    if _all_close(expected, served, rtol, atol, pair.equal_nan):
        return None
    tally = _Tally(pair, rtol, atol)
    for start, golden, answer in _unequal_blocks(expected, served):
        tally.add(start, golden, answer, *_judge(golden, answer, rtol, atol, pair.equal_nan))
    return tally.difference(rule)


def compare_ulps(pair: Pair, ulps: int) -> Difference | None:
    """Floats that are at most `ulps` representable numbers apart; infinities equal themselves alone."""
    if not pair.is_float:
        raise pair.refuse("ulps", "rtol and atol" if pair.dtype.startswith("complex") else "exact")
    expected, served = _flat(pair)
    tally = _Tally(pair, 0.0, 0.0, in_ulps=True)
    for start, golden, answer in _unequal_blocks(expected, served):
        distance, _, both_nan = _distances(golden, answer)
        apart = ulps_between(golden, answer)
        finite = np.isfinite(golden) & np.isfinite(answer)
        wrong = np.where(finite, apart > ulps, golden != answer)
        if pair.equal_nan:
            wrong &= ~both_nan
        excess = np.where(finite, apart.astype(np.float64), np.inf)
        if wrong.any():
            tally.add(start, golden, answer, distance, wrong, excess, both_nan)
    return tally.difference(f"ulps={ulps}") if tally.differing else None


def compare_exactly(pair: Pair) -> Difference | None:
    """Values of any dtype, equal as numbers: 0.0 is -0.0."""
    if pair.is_integer or pair.is_float or pair.expected.dtype.kind == "c":
        found = compare_within(pair, 0.0, 0.0, "exact")
        return found and (replace(found, would_pass=()) if pair.is_integer else found)
    wrong = np.asarray(pair.expected != pair.served, dtype=bool)
    first = np.flatnonzero(wrong)[:MOST_OFFENDERS]
    if not first.size:
        return None
    offenders = [
        Offender(index, pair.expected[index], pair.served[index], None) for index in _indices(first, wrong.shape)
    ]
    return replace(pair.broken("exact", "values", offenders, wrong.size), differing=int(wrong.sum()))


def _flat(pair: Pair) -> tuple[Array, Array]:
    return pair.expected.reshape(-1), pair.served.reshape(-1)


def _indices(numbers: Array, shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    for number in numbers.tolist():
        yield tuple(int(i) for i in np.unravel_index(number, shape))


def _all_close(expected: Array, served: Array, rtol: float, atol: float, equal_nan: bool) -> bool:
    """Whether every value is within the tolerance; stops at the first block with one that is not."""
    integers = expected.dtype.kind in "iu"
    wide = np.dtype(np.complex128 if expected.dtype.kind == "c" else np.float64)
    room = [np.empty(min(_BLOCK, expected.size), wide) for _ in range(2)]
    sizes = [np.empty(min(_BLOCK, expected.size), np.float64) for _ in range(2)]
    with np.errstate(all="ignore"):
        for _, golden, answer in _unequal_blocks(expected, served):
            if integers and not rtol and not atol:
                return False
            if not integers and _is_near(golden, answer, rtol, atol, room, sizes):
                continue
            if _judge(golden, answer, rtol, atol, equal_nan)[1].any():
                return False
    return True


def _is_near(golden: Array, answer: Array, rtol: float, atol: float, room: list[Array], sizes: list[Array]) -> bool:
    """Whether a block is within the tolerance and has finite values alone, in arrays that are used again."""
    wide_golden, wide_answer = (array[: golden.size] for array in room)
    distance, allowed = (array[: golden.size] for array in sizes)
    np.copyto(wide_golden, golden)
    np.copyto(wide_answer, answer)
    np.subtract(wide_answer, wide_golden, out=wide_answer)
    np.abs(wide_answer, out=distance)
    np.abs(wide_golden, out=allowed)
    allowed *= rtol
    allowed += atol
    return bool((distance <= allowed).all()) and bool(distance.max() < np.inf)


def _unequal_blocks(expected: Array, served: Array) -> Iterator[tuple[int, Array, Array]]:
    """(start, expected, served) of the blocks in which some value is not equal."""
    for start in range(0, expected.size, _BLOCK):
        golden, answer = expected[start : start + _BLOCK], served[start : start + _BLOCK]
        if not (golden == answer).all():
            yield start, golden, answer


def _judge(
    golden: Array, answer: Array, rtol: float, atol: float, equal_nan: bool
) -> tuple[Array, Array, Array, Array]:
    """Of a block the distances, which values are wrong, how far these are beyond the tolerance, where both are NaN."""
    with np.errstate(all="ignore"):
        distance, size, both_nan = _distances(golden, answer)
        allowed = atol + rtol * size
        if golden.dtype.kind in "iu":
            wrong = (golden != answer) & (distance > allowed)
        else:
            # numpy.isclose's rule; its own releases disagree about complex infinities.
            finite = np.isfinite(golden) & np.isfinite(answer)
            wrong = ~np.where(finite, distance <= allowed, answer == golden)
            if equal_nan:
                wrong &= ~both_nan
        return distance, wrong, distance - allowed, both_nan


def _distances(golden: Array, answer: Array) -> tuple[Array, Array, Array]:
    """(distance, size of the golden value, where both are NaN), as float64 and truth values."""
    with np.errstate(all="ignore"):
        if golden.dtype.kind in "iu":
            return _integer_distances(golden, answer)
        wide = np.complex128 if golden.dtype.kind == "c" else np.float64
        golden, answer = golden.astype(wide), answer.astype(wide)
        distance = np.where(answer == golden, 0.0, np.abs(answer - golden))  # inf - inf is no distance
        return distance, np.abs(golden), np.isnan(golden) & np.isnan(answer)


def _integer_distances(golden: Array, answer: Array) -> tuple[Array, Array, Array]:
    """As uint64 up to the last step: int64 - int64 may not fit int64, nor may 2**63 fit a float."""
    bits: Any = np.uint64
    if golden.dtype.kind == "u":
        size = golden.astype(bits)
        first, second = size, answer.astype(bits)
    else:
        first, second = golden.astype(np.int64).view(bits), answer.astype(np.int64).view(bits)
        size = np.where(golden < 0, -first, first)
    distance = np.where(golden > answer, first - second, second - first)  # modulo 2**64, which is right
    return distance.astype(np.float64), size.astype(np.float64), np.zeros(golden.shape, bool)


@dataclass
class _Tally:
    """What is known of the values that differ, gathered block by block."""

    pair: Pair
    rtol: float
    atol: float
    in_ulps: bool = False
    differing: int = 0
    errors: list[float] = field(default_factory=list)
    relative: list[float] = field(default_factory=list)
    only_nan: bool = True
    decades: dict[int, int] = field(default_factory=dict)
    needed: dict[str, float] = field(default_factory=dict)
    worst: list[tuple[Array, Array, Array]] = field(default_factory=list)

    def add(
        self, start: int, golden: Array, answer: Array, distance: Array, wrong: Array, excess: Array, both_nan: Array
    ) -> None:
        """Counts a block that begins at `start`; of two values the worse is the one with the larger excess."""
        _count_decades(self.decades, distance)
        at = np.flatnonzero(wrong)
        if not at.size:
            return
        self.differing += at.size
        self.only_nan &= bool(both_nan[at].all())
        distance, excess = distance[at], np.nan_to_num(excess[at], nan=np.inf, posinf=np.inf)
        _, size, _ = _distances(golden[at], answer[at])
        with np.errstate(all="ignore"):
            relative = distance / size
            needs = {"ulps": excess} if self.in_ulps else {
                "rtol": (distance - self.atol) / size, "atol": distance - self.rtol * size
            }  # fmt: skip
        self.errors += _largest(distance)
        self.relative += _largest(relative)
        for name, need in needs.items():
            self.needed[name] = max(self.needed.get(name, 0.0), float(np.where(np.isnan(need), np.inf, need).max()))
        if excess.size > MOST_OFFENDERS:
            kept = np.sort(np.argpartition(-excess, MOST_OFFENDERS)[:MOST_OFFENDERS])
            at, excess, distance = at[kept], excess[kept], distance[kept]
        self.worst.append((at + start, excess, distance))
        if sum(numbers.size for numbers, _, _ in self.worst) > 4 * MOST_OFFENDERS:
            self.worst = [self._ranked()]

    def _ranked(self) -> tuple[Array, Array, Array]:
        numbers, excess, distance = (np.concatenate(parts) for parts in zip(*self.worst, strict=True))
        order = np.argsort(-excess, kind="stable")[:MOST_OFFENDERS]
        return numbers[order], excess[order], distance[order]

    def difference(self, rule: str) -> Difference:
        """What was gathered, of at least one wrong value."""
        numbers, excess, distance = self._ranked()
        errors = excess if self.in_ulps else distance
        pair = self.pair
        offenders = [
            Offender(index, pair.expected[index], pair.served[index], None if error != error else error)
            for index, error in zip(_indices(numbers, pair.expected.shape), errors.tolist(), strict=True)
        ]
        worst = offenders[0]
        lowest = min(self.decades, default=0)
        counts = tuple(self.decades.get(decade, 0) for decade in range(lowest, max(self.decades, default=-1) + 1))
        return Difference(
            pair.output,
            "values",
            show(worst.expected),
            show(worst.served),
            differing=self.differing,
            total=pair.expected.size,
            worst=worst.at,
            max_absolute=max(self.errors, default=None),
            max_relative=max(self.relative, default=None),
            only_nan=self.only_nan and not pair.is_integer,
            rule=rule,
            would_pass=self._would_pass(),
            offenders=tuple(offenders),
            decades=Decades(lowest, counts) if counts else None,
        )

    def _would_pass(self) -> tuple[str, ...]:
        if self.in_ulps:
            ulps = self.needed["ulps"]
            return (f"ulps={int(ulps)}",) if ulps < np.inf else ()
        limits = {name: round_up(need, 1e-12) for name, need in self.needed.items()}
        return tuple(f"{name}={limit:g}" for name, limit in limits.items() if limit is not None)


def _largest(values: Array) -> list[float]:
    known = values[~np.isnan(values)]
    return [float(known.max())] if known.size else []


def _count_decades(decades: dict[int, int], distance: Array) -> None:
    """Adds how many distances lie in each decade: one comparison a decade, which costs less than logarithms."""
    known = distance[(distance > 0) & (distance < np.inf)]
    if not known.size:
        return
    lowest, highest = (int(np.floor(np.log10(value))) for value in (known.min(), known.max()))
    below = 0
    for decade in range(lowest, highest + 1):
        count = int((known < 10.0 ** (decade + 1)).sum()) if decade < highest else known.size
        if count > below:
            decades[decade] = decades.get(decade, 0) + count - below
        below = count
