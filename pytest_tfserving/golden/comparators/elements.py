"""Every value by itself: within a tolerance, within units in the last place, or equal.

Arrays are read in blocks that stay in a core's cache. A pair that holds is read once; where one does not, a second
pass gathers what is to be said of all of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from pytest_tfserving.golden.comparators.pair import Pair
from pytest_tfserving.golden.comparators.tally import Tally, indices
from pytest_tfserving.golden.comparators.ulps import ulps_between
from pytest_tfserving.golden.difference import MOST_OFFENDERS, Difference, Offender
from pytest_tfserving.tensors import Array

_BLOCK = 1 << 16  # values: what is made of them, a few arrays of float64, stays in a core's caches


def compare_within(pair: Pair, rtol: float, atol: float, rule: str) -> Difference | None:
    """Values of any numeric dtype: |served - expected| <= atol + rtol * |expected|, as numpy.isclose."""
    expected, served = _flat(pair)
    if _all_close(expected, served, rtol, atol, pair.equal_nan):
        return None
    tally = Tally(pair, rtol, atol, _BLOCK)
    room = _room(expected)
    for start, golden, answer in _unequal_blocks(expected, served):
        near = None if golden.dtype.kind in "iu" else _distances_in(room, golden, answer, rtol, atol)
        if near is None:
            distance, size, excess, wrong, both_nan = _judge(golden, answer, rtol, atol, pair.equal_nan)
            tally.add(start, distance, size, excess, wrong, both_nan)
        else:
            distance, size, allowed = near
            excess = np.subtract(distance, allowed, out=allowed)
            tally.add(start, distance, size, excess, excess > 0)
    return tally.difference(rule)


def compare_ulps(pair: Pair, ulps: int) -> Difference | None:
    """Floats that are at most `ulps` representable numbers apart; infinities equal themselves alone."""
    if not pair.is_float:
        raise pair.refuse("ulps", "rtol and atol" if pair.dtype.startswith("complex") else "exact")
    expected, served = _flat(pair)
    tally = Tally(pair, 0.0, 0.0, _BLOCK, in_ulps=True)
    for start, golden, answer in _unequal_blocks(expected, served):
        distance, size, both_nan = distances(golden, answer)
        apart = ulps_between(golden, answer)
        finite = np.isfinite(golden) & np.isfinite(answer)
        wrong = np.where(finite, apart > ulps, golden != answer)
        if pair.equal_nan:
            wrong &= ~both_nan
        excess = np.where(finite, apart.astype(np.float64), np.inf)
        if wrong.any():
            tally.add(start, distance, size, excess, wrong, both_nan)
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
        Offender(index, pair.expected[index], pair.served[index], None) for index in indices(first, wrong.shape)
    ]
    return replace(pair.broken("exact", "values", offenders, wrong.size), differing=int(wrong.sum()))


def _flat(pair: Pair) -> tuple[Array, Array]:
    return pair.expected.reshape(-1), pair.served.reshape(-1)


def _all_close(expected: Array, served: Array, rtol: float, atol: float, equal_nan: bool) -> bool:
    """Whether every value is within the tolerance; stops at the first block with one that is not."""
    integers = expected.dtype.kind in "iu"
    room = _room(expected)
    with np.errstate(all="ignore"):
        for _, golden, answer in _unequal_blocks(expected, served):
            if integers and not rtol and not atol:
                return False
            near = None if integers else _distances_in(room, golden, answer, rtol, atol)
            if near is None:
                if _judge(golden, answer, rtol, atol, equal_nan)[3].any():
                    return False
            elif not (near[0] <= near[2]).all():
                return False
    return True


def _room(values: Array) -> list[Array]:
    """Arrays that are used again for each block: two of the values, three of sizes."""
    most = min(_BLOCK, values.size)
    wide = np.complex128 if values.dtype.kind == "c" else np.float64
    return [*(np.empty(most, wide) for _ in range(2)), *(np.empty(most, np.float64) for _ in range(3))]


def _distances_in(
    room: list[Array], golden: Array, answer: Array, rtol: float, atol: float
) -> tuple[Array, Array, Array] | None:
    """(distance, size of the golden value, what is allowed) of a block of floats, in arrays that are used again.

    None where a value is NaN or infinite.
    """
    wide_golden, wide_answer, distance, size, allowed = (array[: golden.size] for array in room)
    with np.errstate(all="ignore"):
        np.copyto(wide_golden, golden)
        np.copyto(wide_answer, answer)
        np.subtract(wide_answer, wide_golden, out=wide_answer)
        np.abs(wide_answer, out=distance)
        if not distance.max() < np.inf:
            return None
        np.abs(wide_golden, out=size)
        np.multiply(size, rtol, out=allowed)
        allowed += atol
    return distance, size, allowed


def _unequal_blocks(expected: Array, served: Array) -> Iterator[tuple[int, Array, Array]]:
    """(start, expected, served) of the blocks in which some value is not equal."""
    for start in range(0, expected.size, _BLOCK):
        golden, answer = expected[start : start + _BLOCK], served[start : start + _BLOCK]
        if not (golden == answer).all():
            yield start, golden, answer


def _judge(
    golden: Array, answer: Array, rtol: float, atol: float, equal_nan: bool
) -> tuple[Array, Array, Array, Array, Array]:
    """Of a block the distances, the golden values' sizes, how far distances are beyond what is allowed, which values
    are wrong, and where both are NaN."""
    with np.errstate(all="ignore"):
        distance, size, both_nan = distances(golden, answer)
        allowed = atol + rtol * size
        if golden.dtype.kind in "iu":
            wrong = (golden != answer) & (distance > allowed)
        else:
            # numpy.isclose's rule; its own releases disagree about complex infinities.
            finite = np.isfinite(golden) & np.isfinite(answer)
            wrong = ~np.where(finite, distance <= allowed, answer == golden)
            if equal_nan:
                wrong &= ~both_nan
        return distance, size, distance - allowed, wrong, both_nan


def distances(golden: Array, answer: Array) -> tuple[Array, Array, Array]:
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
