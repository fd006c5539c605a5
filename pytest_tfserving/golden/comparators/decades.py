"""How many errors lie in each power of ten, counted at memory speed."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

import numpy as np

from pytest_tfserving.golden.difference import Decades
from pytest_tfserving.tensors import Array

_LOWEST, _HIGHEST = -323, 308
_LIMITS = [10.0**decade for decade in range(_LOWEST, _HIGHEST + 1)]
_SHIFT: Any = np.uint64(48)
# Of so few values left it costs less to look each of them up.
_FEW = 1 << 10


def _keys(values: Array) -> Array:
    """A float64's sign, exponent and first four bits: in the order of the numbers, and a quarter as long."""
    keys: Array = (values.view(np.uint64) >> _SHIFT).astype(np.uint16)
    return keys


_LIMIT_ARRAY = np.array(_LIMITS)
_LIMIT_KEYS = _keys(_LIMIT_ARRAY).tolist()


class DecadeCounts:
    """Counts errors by decade, block by block; what it makes of a block lies in arrays that are used again."""

    def __init__(self, most: int) -> None:
        """`most` is how many errors a block may have."""
        self._counts: dict[int, int] = {}
        self._bits = np.empty(most, np.uint64)
        self._keys = np.empty(most, np.uint16)
        self._mask = np.empty(most, bool)

    def add(self, errors: Array) -> None:
        """Counts a block; not those that are zero, NaN or infinite.

        `errors` are float64, contiguous, and not negative. Powers of ten are compared with the first bits of each
        error, and with the errors themselves where these bits are equal.
        """
        highest = errors.max()
        if not highest < np.inf:
            errors = errors[errors < np.inf]
            highest = errors.max(initial=0.0)
        bits, keys, mask = (array[: errors.size] for array in (self._bits, self._keys, self._mask))
        np.right_shift(errors.view(np.uint64), _SHIFT, out=bits)
        np.copyto(keys, bits, casting="unsafe")
        left = int(np.count_nonzero(keys))
        if left < errors.size:  # the smallest numbers have a key of 0, as zero has
            left += int(np.count_nonzero(errors[np.flatnonzero(np.equal(keys, 0, out=mask))]))
        if not left:
            return
        number = bisect_right(_LIMITS, highest) - 1
        counted = 0
        while left > _FEW and number >= 0:
            as_large = int(np.count_nonzero(np.greater(keys, _LIMIT_KEYS[number], out=mask)))
            at = np.flatnonzero(np.equal(keys, _LIMIT_KEYS[number], out=mask))
            as_large += int(np.count_nonzero(errors[at] >= _LIMITS[number]))
            self._count(number, as_large - counted)
            left, counted = left - as_large + counted, as_large
            number -= 1
        if left:
            # All that has not been counted is below the limit that was looked at last.
            rest = errors[np.less(errors, _LIMITS[number + 1], out=mask)] if counted else errors
            found = np.searchsorted(_LIMIT_ARRAY, rest[rest > 0], side="right") - 1
            largest = int(found.max())
            for below, times in enumerate(np.bincount(largest - found).tolist()):
                self._count(largest - below, times)

    def _count(self, number: int, count: int) -> None:
        decade = number + _LOWEST
        if count:
            self._counts[decade] = self._counts.get(decade, 0) + count

    def made(self) -> Decades | None:
        """The counts as a value; None where there are none."""
        if not self._counts:
            return None
        lowest, highest = min(self._counts), max(self._counts)
        return Decades(lowest, tuple(self._counts.get(decade, 0) for decade in range(lowest, highest + 1)))
