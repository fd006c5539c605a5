"""What latencies say: percentiles, their distribution, and how many times another's they are.

Percentiles are exact, the smallest latency that so many of a hundred do not exceed (nearest rank): a million requests
are 8 MB, and the ones that matter are rare.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Latencies = NDArray[np.int64]

# The interval of a ratio holds the true one in so many of a hundred runs: a gate that is wrong more often is switched
# off by the people behind it.
CONFIDENCE = 99

_RESAMPLES = 2000
_MOST_VALUES = 2000
_STRETCHES = 25
_EDGES_PER_DECADE = 10


@dataclass(frozen=True)
class Ratio:
    """A percentile's ratio to the baseline's, and the interval in which it may well be."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Histogram:
    """How many latencies are from `edges[i]` on below `edges[i + 1]`, in `unit`; ten columns a power of ten."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    unit: str = "us"


def percentile(latencies: Latencies, percent: float) -> int:
    """The smallest of at least one latency that `percent` of a hundred do not exceed."""
    rank = max(math.ceil(percent * len(latencies) / 100), 1)
    return int(np.partition(latencies, rank - 1)[rank - 1])


def histogram(latencies: Latencies) -> Histogram:
    """The distribution of at least one latency."""
    microseconds = np.maximum(latencies / 1e3, 1e-3)
    lowest, highest = np.floor(np.log10([microseconds.min(), microseconds.max()]) * _EDGES_PER_DECADE).astype(int)
    edges = [float(f"{10 ** (column / _EDGES_PER_DECADE):.3g}") for column in range(lowest - 1, highest + 3)]
    counts, _ = np.histogram(microseconds, edges)
    used = np.flatnonzero(counts)
    first, last = int(used[0]), int(used[-1])
    return Histogram(tuple(edges[first : last + 2]), tuple(counts[first : last + 1].tolist()))


def ratio(new: Sequence[Latencies], old: Sequence[Latencies], percent: float) -> Ratio:
    """How many times the old latencies' percentile the new ones' is.

    Both come in as many rounds, whose neighbours ran one after the other, so that what disturbs the machine for a while
    disturbs both. The interval is that of a bootstrap over stretches of the run: requests next to each other are slow
    together, and are not as good as independent ones.
    """
    value = percentile(np.concatenate(new), percent) / percentile(np.concatenate(old), percent)
    new, old = _stretches(new), _stretches(old)
    # The seed is fixed, so that equal samples are judged alike.
    drawn = np.random.default_rng(0).multinomial(len(new), [1 / len(new)] * len(new), size=_RESAMPLES)
    ratios = _resampled(new, drawn, percent) / _resampled(old, drawn, percent)
    outside = (100 - CONFIDENCE) / 2
    low, high = np.percentile(ratios, [outside, 100 - outside])
    return Ratio(float(value), min(float(low), float(value)), max(float(high), float(value)))


def _stretches(rounds: Sequence[Latencies]) -> list[Latencies]:
    """The rounds as at most 25 stretches of time, each of as many rounds as can be."""
    limits = np.linspace(0, len(rounds), min(len(rounds), _STRETCHES) + 1).round().astype(int)
    return [np.concatenate(rounds[begin:end]) for begin, end in pairwise(limits)]


def _resampled(rounds: Sequence[Latencies], drawn: NDArray[np.int64], percent: float) -> NDArray[np.int64]:
    """The percentile of each resample, of which `drawn` says how often each round is in it.

    Of more than 2000 latencies evenly spread ones stand for all, which is finer than any interval.
    """
    values = np.sort(np.concatenate(rounds))
    if len(values) > _MOST_VALUES:
        values = values[np.linspace(0, len(values) - 1, _MOST_VALUES).round().astype(int)]
    not_above = np.stack([np.searchsorted(np.sort(latencies), values, side="right") for latencies in rounds])
    counts = drawn.astype(float) @ not_above.astype(float)  # of integers numpy's product takes ten times as long
    ranks = np.ceil(counts[:, -1] * percent / 100)
    found: NDArray[np.int64] = values[np.argmax(counts >= ranks[:, None], axis=1)]
    return found
