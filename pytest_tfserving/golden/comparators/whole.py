"""The output as a whole, or its entries along the first axis: images, a mean, a function of one's own."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from pytest_tfserving.errors import SpecError
from pytest_tfserving.golden.comparators.pair import Pair, round_up
from pytest_tfserving.golden.difference import Difference, Offender
from pytest_tfserving.tensors import Array

_BLOCK = 1 << 18  # values


def compare_psnr(pair: Pair, least: float, peak: float | None) -> Difference | None:
    """Each entry along the first axis has a peak signal-to-noise ratio of at least `least` dB.

    That is 10 log10(peak**2 / mean((served - expected)**2)). Without a peak an integer dtype's range is taken. Entries
    that are equal have infinity; NaN makes an entry wrong, unless `equal_nan` and both have it in the same places.
    """
    if not (pair.is_float or pair.is_integer):
        raise pair.refuse("psnr", "rtol and atol" if pair.dtype.startswith("complex") else "exact")
    if peak is None:
        if not pair.is_integer:
            raise SpecError(
                f"psnr of output {pair.output!r}, which is {pair.dtype}, needs a peak: the largest value that a pixel "
                f"can have, such as 'peak': 1.0"
            )
        limits = np.iinfo(pair.expected.dtype)
        peak = float(int(limits.max) - int(limits.min))
    many = pair.expected.ndim > 1
    count = pair.expected.shape[0] if many else 1
    size = math.prod(pair.expected.shape[1:]) if many else pair.expected.size
    expected, served = pair.expected.reshape(count, size), pair.served.reshape(count, size)
    ratios = _ratios(expected, served, peak, pair.equal_nan)
    wrong = ~(ratios >= least)

    def say(entry: int) -> Offender:
        return Offender((), f">= {least:g} dB", f"{ratios[entry]:.4g} dB", None)

    badness = np.where(np.isnan(ratios), np.inf, -ratios)
    shape = pair.expected.shape[:1] if many else ()
    found = pair.broken_rows(f"psnr={least:g}", wrong, badness, shape, "entries" if many else "answer", say)
    lowest = float(ratios.min()) if found else math.nan
    return found and (replace(found, would_pass=(f"psnr={math.floor(lowest)}",)) if math.isfinite(lowest) else found)


def _ratios(expected: Array, served: Array, peak: float, equal_nan: bool) -> Array:
    """The ratio of each row in dB; small rows are taken many at once, large ones in parts."""
    count, size = expected.shape
    squares, values = np.zeros(count), np.full(count, float(size))
    step = max(1, _BLOCK // size)
    with np.errstate(all="ignore"):
        for first in range(0, count, step):
            rows = slice(first, first + step)
            for start in range(0, size, _BLOCK):
                part = rows, slice(start, start + _BLOCK)
                distance, left_out = _signed(expected[part], served[part], equal_nan)
                squares[rows] += np.einsum("ij,ij->i", distance, distance)
                values[rows] -= left_out
        ratios: Array = np.where(squares == 0, np.inf, 10 * np.log10(peak**2 / (squares / values)))
    return ratios


def compare_mean(pair: Pair, most: float) -> Difference | None:
    """The mean of |served - expected| is at most `most`; NaN beside NaN is left out with `equal_nan`."""
    total, count = sum_errors(pair)
    mean = total / count if count else 0.0
    return None if mean <= most else broken_mean(pair.output, most, mean)


def broken_mean(output: str, most: float, mean: float) -> Difference:
    """The difference of a mean that is larger than `most`."""
    limit = round_up(mean)
    said, found = f"mean error <= {most:g}", f"{mean:.4g}"
    return Difference(
        output,
        "values",
        said,
        found,
        differing=1,
        total=1,
        unit="answer",
        rule=f"mean_absolute={most:g}",
        would_pass=() if limit is None else (f"mean_absolute={limit:g}",),
        offenders=(Offender((), said, found, mean),),
    )


def sum_errors(pair: Pair) -> tuple[float, int]:
    """(the sum of |served - expected|, of how many values); NaN beside NaN is left out with `equal_nan`."""
    if not (pair.is_float or pair.is_integer or pair.expected.dtype.kind == "c"):
        raise pair.refuse("mean_absolute", "exact")
    total, count = 0.0, 0
    for golden, answer in _blocks(pair.expected.reshape(-1), pair.served.reshape(-1)):
        distance, left_out = _signed(golden, answer, pair.equal_nan)
        with np.errstate(all="ignore"):
            total += float(np.abs(distance).sum())
        count += distance.size - int(left_out)
    return total, count


def _blocks(expected: Array, served: Array) -> list[tuple[Array, Array]]:
    return [(expected[at : at + _BLOCK], served[at : at + _BLOCK]) for at in range(0, expected.size, _BLOCK)]


def _signed(golden: Array, answer: Array, equal_nan: bool) -> tuple[Array, Array]:
    """(served - expected as float64 or complex128, how many along the last axis are left out, both being NaN)."""
    with np.errstate(all="ignore"):
        wide = np.complex128 if golden.dtype.kind == "c" else np.float64
        golden, answer = golden.astype(wide), answer.astype(wide)
        distance = np.where(golden == answer, 0.0, answer - golden)  # inf - inf is no distance
        both = np.isnan(golden) & np.isnan(answer) if equal_nan else np.zeros(golden.shape, bool)
        distance[both] = 0.0
        return distance, both.sum(axis=-1)
