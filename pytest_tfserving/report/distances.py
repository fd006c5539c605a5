"""How far served values are from expected ones, as plain values: errors, classes, points, the values farthest apart."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import Any
from zlib import crc32

import numpy as np

from pytest_tfserving.golden.comparators.elements import distances
from pytest_tfserving.golden.difference import Offender, show
from pytest_tfserving.golden.output_rule import OutputRule
from pytest_tfserving.report.totals import MOST_LABELS, MOST_POINTS, MOST_WORST, MOST_WORST_POINTS, larger
from pytest_tfserving.tensors import Array, name_of

_MOST_PAIRS = 1000
_BLOCK = 1 << 20


def are_alike(expected: Array, served: Array) -> bool:
    """Whether values of both can be compared one by one."""
    return name_of(expected) == name_of(served) and expected.shape == served.shape


def errors_of(expected: Array, served: Array) -> dict[str, Any]:
    """The sum of all finite errors, how many there are, how many lie in each power of ten, and the largest of all.

    A relative error is one beside a recorded value that is not 0. NaN has no error: the largest is None where no value
    has one.
    """
    total, count = 0.0, 0
    largest: float | None = None
    relative: float | None = None
    decades: Counter[int] = Counter()
    golden, answer = expected.reshape(-1), served.reshape(-1)
    for start in range(0, golden.size, _BLOCK):
        part = slice(start, start + _BLOCK)
        distance, size, _ = distances(golden[part], answer[part])
        finite = distance[np.isfinite(distance)]
        total, count = total + float(finite.sum()), count + finite.size
        with np.errstate(all="ignore"):
            shares = np.where(distance == 0, 0.0, distance / size)[size > 0]
        largest, relative = larger(largest, _largest(distance)), larger(relative, _largest(shares))
        off = finite[finite > 0]
        if off.size:
            powers, counts = np.unique(np.floor(np.log10(off)).astype(np.int64), return_counts=True)
            decades.update(dict(zip(powers.tolist(), counts.tolist(), strict=True)))
    return {
        "sum": total,
        "count": count,
        "decades": dict(sorted(decades.items())),
        "max_absolute": largest,
        "max_relative": relative,
    }


def _largest(errors: Array) -> float | None:
    known = errors[~np.isnan(errors)]
    return float(known.max()) if known.size else None


def classes_of(expected: Array, served: Array, rule: OutputRule | None) -> dict[str, Any] | None:
    """How often what was recorded came with what is served: best classes by row, or values, where these are few."""
    if not expected.size:
        return None
    if rule is not None and rule.names_classes and expected.ndim and expected.dtype.kind in "fViu":
        sides = [_best(array).tolist() for array in (expected, served)]
        most, of_values = _MOST_PAIRS, False
    elif name_of(expected) == "string" or expected.dtype.kind in "iub":
        sides = [array.reshape(-1).tolist() for array in (expected, served)]
        most, of_values = MOST_LABELS**2, True
        if len(set(sides[0]) | set(sides[1])) > MOST_LABELS:
            return {"pairs": [], "left_out": 0, "of_values": True, "too_many": True}
    else:
        return None
    pairs = Counter(zip(*sides, strict=True)).most_common()
    kept = sorted([_label(golden), _label(answer), count] for (golden, answer), count in pairs[:most])
    left_out = sum(count for _, count in pairs[most:])
    return {"pairs": kept, "left_out": left_out, "of_values": of_values, "too_many": False}


def _best(array: Array) -> Array:
    """The class of the best score, row by row; NaN is no score."""
    scores = array.reshape(-1, array.shape[-1]).astype(np.float64)
    best: Array = np.where(np.isnan(scores), -np.inf, scores).argmax(axis=-1)
    return best


def _label(value: object) -> str:
    """A value as the confusion matrix has it. What is shortened is told from its like by a checksum."""
    text = show(value)
    if isinstance(value, bytes):
        with suppress(UnicodeDecodeError):
            text = show(value.decode())
    if isinstance(value, bytes) and text.endswith("..."):
        text += f" #{crc32(value):08x}"
    return text


def points_of(expected: Array | None, served: Array | None) -> list[list[float]]:
    """Expected beside served values: those that are farthest apart, and others that are evenly spread over the rest."""
    if expected is None or served is None or not are_alike(expected, served) or expected.dtype.kind not in "fViu":
        return []
    golden, answer = expected.reshape(-1), served.reshape(-1)
    distance, size, _ = distances(golden, answer)
    known = np.flatnonzero(np.isfinite(distance) & np.isfinite(size))
    if known.size > MOST_POINTS:
        order = np.argpartition(-distance[known], MOST_WORST_POINTS)
        rest = np.sort(known[order[MOST_WORST_POINTS:]])
        spread = rest[np.linspace(0, rest.size - 1, MOST_POINTS - MOST_WORST_POINTS).astype(np.int64)]
        known = np.sort(np.concatenate([known[order[:MOST_WORST_POINTS]], spread]))
    return [[_float(golden[at]), _float(answer[at])] for at in known.tolist()]


def _float(value: Any) -> float:
    """A number in as few digits as its dtype has: 0.1, not 0.10000000149011612."""
    return float(str(value))


def farthest(expected: Array, served: Array, rule: OutputRule) -> list[Offender]:
    """The rows whose best class is another one, of a rule about classes; else the values that are farthest apart."""
    if not are_alike(expected, served) or not expected.size:
        return []
    golden, answer = expected.reshape(-1), served.reshape(-1)
    if rule.names_classes and expected.ndim and expected.dtype.kind in "fViu":
        best = _best(expected), _best(served)
        rows = [array.reshape(-1, expected.shape[-1]) for array in (expected, served)]
        offenders = []
        for row in np.flatnonzero(best[0] != best[1])[:MOST_WORST].tolist():
            before, now = (f"{of[row]} ({show(scores[row, of[row]])})" for of, scores in zip(best, rows, strict=True))
            offenders.append(Offender(_index(row, expected.shape[:-1]), before, now, None, 1.0))
        return offenders
    if expected.dtype.kind in "fVciu":
        distance, _, both_nan = distances(golden, answer)
        distance[both_nan] = 0.0
        badness = np.nan_to_num(distance, nan=np.inf, posinf=np.inf)
    else:
        badness = np.asarray(golden != answer, dtype=bool).astype(np.float64)
        distance = np.full(golden.shape, np.nan)
    ranked = np.argsort(-badness, kind="stable")[:MOST_WORST].tolist()
    return [
        Offender(_index(at, expected.shape), golden[at], answer[at], float(distance[at]), float(badness[at]))
        for at in ranked
        if badness[at]
    ]


def _index(number: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(number, shape))
