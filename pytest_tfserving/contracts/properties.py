"""Promises of values beside one answer: what is not finite, out of range, sums to something else, is another value.

Findings are values; report/promises.py renders them.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pytest_tfserving.contracts.promises import Promises, Values, require_suitable
from pytest_tfserving.golden.tolerance import Tolerance
from pytest_tfserving.tensors import Array, as_array, name_of


@dataclass(frozen=True)
class BrokenPromise:
    """One promise of one output that its values break.

    `promise` is a name of Values' (`min`), or `missing` where the answer has no such output. `promised` is the limit,
    the sum or the set. `value` at `index` is the first that breaks it; of `min` and `max` the one that is farthest
    off, of `sums_to` a row's sum and the row's index. `broken` of `total` values (rows) break it.
    """

    output: str
    promise: str
    promised: object
    index: tuple[int, ...] = ()
    value: object = None
    broken: int = 0
    total: int = 0


def find_broken_values(
    promises: Promises, outputs: Mapping[str, Array], tolerance: Tolerance | None = None
) -> list[BrokenPromise]:
    """The promises that an answer's values break, in the promises' order; none where all hold.

    Limits and sets are exact: of a float output as its dtype holds them (0.1 is float32's 0.1), of an integer one
    beyond 2**53 too. NaN is in no range, and in a set that names it. `sums_to` allows the tolerance of the dtype,
    relative to the sum of the row's magnitudes, since that is what rounding grows with.
    Raises PromiseError where a promise says nothing of the output's dtype, such as `min` of text.
    """
    broken: list[BrokenPromise] = []
    for name, values in promises.outputs.items():
        if name in outputs:
            require_suitable(values, name_of(outputs[name]), promises.signature, ("outputs", name))
            broken += _find_broken(name, values, outputs[name], tolerance or Tolerance())
        else:
            broken.append(BrokenPromise(name, "missing", None))
    return broken


def plain(value: Any) -> object:
    """A scalar of numpy's as Python's own; a float as the shortest decimal that its dtype reads back: float32's 0.1."""
    if not isinstance(value, np.generic):
        return value
    return float(str(value)) if value.dtype.kind in "fV" else value.item()


def _find_broken(output: str, values: Values, array: Array, tolerance: Tolerance) -> Iterator[BrokenPromise]:
    def broken(promise: str, wrong: Array, found: Array, shown: int | None = None) -> Iterator[BrokenPromise]:
        if wrong.any():
            first = int(np.argmax(wrong)) if shown is None else shown
            at = tuple(int(i) for i in np.unravel_index(first, wrong.shape))
            count = int(np.count_nonzero(wrong))
            yield BrokenPromise(output, promise, getattr(values, promise), at, plain(found[at]), count, wrong.size)

    if values.finite and array.dtype.kind in "fcV":
        yield from broken("finite", np.asarray(~np.isfinite(array)), array)
    if values.min is not None:
        wrong = _beyond(array, values.min, operator.lt)
        yield from broken("min", wrong, array, _extreme(array, wrong, np.argmin))
    if values.max is not None:
        wrong = _beyond(array, values.max, operator.gt)
        yield from broken("max", wrong, array, _extreme(array, wrong, np.argmax))
    if values.sums_to is not None:
        sums, wrong = _sums(array, values.sums_to, tolerance)
        yield from broken("sums_to", wrong, sums)
    if values.one_of is not None:
        yield from broken("one_of", ~_among(array, values.one_of), array)


def _beyond(array: Array, limit: float, is_beyond: Callable[[Any, Any], Any]) -> Array:
    """Where a value is below (operator.lt) or above (operator.gt) the limit, or is NaN."""
    if array.dtype.kind in "iu":
        whole = math.ceil(limit) if is_beyond is operator.lt else math.floor(limit)
        bounds = np.iinfo(array.dtype)
        if not bounds.min <= whole <= bounds.max:  # all values are on one side of it, 0 among them
            return np.full(array.shape, is_beyond(0, whole))
        return np.asarray(is_beyond(array, array.dtype.type(whole)))
    with np.errstate(over="ignore", invalid="ignore"):  # ml_dtypes' comparisons warn of NaN
        held = np.asarray(float(limit), array.dtype)  # it takes no integer beyond int64 either
        if np.isfinite(held):
            return np.asarray(np.isnan(array) | is_beyond(array, held))
        # A limit that the dtype cannot hold excludes infinity alone.
        return np.asarray(np.isnan(array) | is_beyond(array.astype(np.float64), float(limit)))


def _extreme(array: Array, wrong: Array, pick: Callable[[Array], Any]) -> int:
    """The flat index of the farthest of the wrong values, of a NaN only where they all are; 0 where none is wrong."""
    values = array[wrong]
    if not values.size:
        return 0
    if array.dtype.kind in "fV":
        values = values.astype(np.float64)
        values[np.isnan(values)] = np.inf if pick is np.argmin else -np.inf
    return int(np.flatnonzero(wrong)[pick(values)])


def _sums(array: Array, promised: float, tolerance: Tolerance) -> tuple[Array, Array]:
    """The sums along the last axis (a scalar is a row of its own), and which are not what is promised."""
    rows = np.atleast_1d(array)
    if array.dtype.kind in "iu":
        most = max((abs(int(edge)) for edge in (rows.min(), rows.max())), default=0) if rows.size else 0
        fits = most * rows.shape[-1] < 2**63
        sums = np.asarray(rows.sum(axis=-1, dtype=np.int64) if fits else rows.astype(object).sum(axis=-1))
        if promised != promised // 1 or (fits and abs(promised) >= 2**63):
            return sums, np.ones(sums.shape, bool)
        return sums, np.asarray(sums != int(promised), dtype=bool)
    wide = rows.astype(np.complex128 if array.dtype.kind == "c" else np.float64)
    rtol, atol = tolerance.of(name_of(array))
    with np.errstate(invalid="ignore", over="ignore"):
        sums = np.asarray(wide.sum(axis=-1))
        allowed = atol + rtol * np.maximum(np.abs(wide).sum(axis=-1), abs(promised))
        close = np.isfinite(sums) & (np.abs(sums - promised) <= allowed)
    return sums, np.asarray(~close)


def _among(array: Array, choices: tuple[Any, ...]) -> Array:
    """Where a value is one of the choices, each taken as the dtype holds it."""
    kind = array.dtype.kind
    if name_of(array) == "string":
        allowed = {choice.encode() if isinstance(choice, str) else choice for choice in choices}
        strings = as_array(array, "string").ravel().tolist()
        return np.fromiter((item in allowed for item in strings), bool, len(strings)).reshape(array.shape)
    if kind in "iu":
        bounds = np.iinfo(array.dtype)
        fitting = [int(c) for c in choices if c == c // 1 and bounds.min <= c <= bounds.max]
        return np.isin(array, np.array(fitting, array.dtype))
    if kind == "b":
        return np.isin(array, np.array(choices, bool))
    with np.errstate(over="ignore"):
        held = np.array([float(choice) for choice in choices], array.dtype)
    wide = np.complex128 if kind == "c" else np.float64  # numpy cannot sort ml_dtypes' numbers
    among = np.isin(array.astype(wide), held.astype(wide))
    return np.asarray(among | np.isnan(array)) if np.isnan(held).any() else among
