"""How errors are distributed, in memory that does not grow with them: counts in bins of a fixed relative width."""

from __future__ import annotations

import math

import numpy as np

from pytest_tfserving.golden.difference import Decades
from pytest_tfserving.tensors import Array

_BINS = 250  # a power of ten: the middle of a bin is within half a percent of all that lies in it


class Spread:
    """The distribution of errors that are not negative: exact counts of zeros, the others in bins."""

    def __init__(self) -> None:
        self.total = 0
        self._zeros = 0
        self._largest = 0.0
        self._lowest = 0  # the number of the first bin
        self._counts = np.zeros(0, np.int64)

    def add(self, errors: Array) -> None:
        """Adds finite errors."""
        self.total += errors.size
        errors = errors[errors > 0]
        if not errors.size:
            return
        self._largest = max(self._largest, float(errors.max()))
        bins = np.floor(np.log10(errors) * _BINS).astype(np.int64)
        first, last = int(bins.min()), int(bins.max())
        self._make_room(first, last)
        self._counts[first - self._lowest : last + 1 - self._lowest] += np.bincount(bins - first)

    def add_zeros(self, count: int) -> None:
        """Adds errors of 0."""
        self.total += count

    def percentile(self, share: float) -> float | None:
        """An error that at least this share of all does not exceed, to within half a percent of it; None of none."""
        if not self.total:
            return None
        rank = max(1, math.ceil(share * self.total))
        below = self.total - int(self._counts.sum())
        if rank <= below:
            return 0.0
        at = int(np.searchsorted(np.cumsum(self._counts), rank - below))
        return min(float(10.0 ** ((self._lowest + at + 0.5) / _BINS)), self._largest)

    @property
    def decades(self) -> Decades | None:
        """The same by powers of ten; None where every error is 0."""
        if not self._counts.size:
            return None
        lowest, last = self._lowest // _BINS, (self._lowest + self._counts.size - 1) // _BINS
        counts = [0] * (last + 1 - lowest)
        for at in np.flatnonzero(self._counts).tolist():
            counts[(self._lowest + at) // _BINS - lowest] += int(self._counts[at])
        return Decades(lowest, tuple(counts))

    def _make_room(self, first: int, last: int) -> None:
        if not self._counts.size:
            self._lowest, self._counts = first, np.zeros(last + 1 - first, np.int64)
            return
        before = max(0, self._lowest - first)
        behind = max(0, last - (self._lowest + self._counts.size - 1))
        self._lowest -= before
        self._counts = np.pad(self._counts, (before, behind))
