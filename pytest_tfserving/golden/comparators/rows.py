"""Rows along the last axis: the direction of vectors, the best classes, values in any order."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal

import numpy as np

from pytest_tfserving.errors import SpecError
from pytest_tfserving.golden.comparators.pair import Pair, round_up
from pytest_tfserving.golden.difference import Difference, Offender, show
from pytest_tfserving.tensors import Array

_BLOCK = 1 << 18  # values


def compare_cosine(pair: Pair, least: float) -> Difference | None:
    """Each row's cosine similarity with the recorded one is at least `least`.

    Rows that are equal have 1, a row of zeros beside another 0. NaN and infinity make a row wrong, unless both have
    them in the same places: infinity equal to itself, NaN only where `equal_nan` says so.
    """
    if not (pair.is_float or pair.is_integer):
        raise pair.refuse("cosine", "rtol and atol" if pair.dtype.startswith("complex") else "exact or unordered")
    expected, served = pair.rows("cosine")
    count, width = expected.shape
    similarity = np.ones(count)
    step = max(1, _BLOCK // max(width, 1))
    for start in range(0, count, step):
        rows = slice(start, start + step)
        if not (expected[rows] == served[rows]).all():
            similarity[rows] = _similarity(expected[rows], served[rows], pair.equal_nan)
    wrong = ~(similarity >= least)
    badness = np.where(np.isnan(similarity), np.inf, -similarity)

    def say(row: int) -> Offender:
        return Offender((), f">= {least:g}", f"{similarity[row]:.6g}", float(1 - similarity[row]))

    found = pair.broken_rows(f"cosine={least:g}", wrong, badness, pair.expected.shape[:-1], "rows", say)
    distance = round_up(float(1 - similarity.min())) if found else None
    if found is None or distance is None or distance > 1:  # worse than at right angles: no limit means anything
        return found
    return replace(found, would_pass=(f"cosine={(1 - Decimal(repr(distance))).normalize():f}",))


def _similarity(expected: Array, served: Array, equal_nan: bool) -> Array:
    with np.errstate(all="ignore"):
        golden, answer = expected.astype(np.float64), served.astype(np.float64)
        same = golden == answer
        if equal_nan:
            same |= np.isnan(golden) & np.isnan(answer)
        equal = same.all(axis=-1)
        skipped = same & ~np.isfinite(golden)
        golden[skipped] = answer[skipped] = 0.0
        for array in (golden, answer):  # squares of large numbers would overflow
            largest = np.abs(array).max(axis=-1, keepdims=True, initial=0.0)
            np.divide(array, largest, out=array, where=largest != 0)
        dots = np.einsum("ij,ij->i", golden, answer)
        lengths = np.sqrt(np.einsum("ij,ij->i", golden, golden) * np.einsum("ij,ij->i", answer, answer))
        similarity = np.where(lengths == 0, 0.0, dots / lengths)
        result: Array = np.where(equal, 1.0, np.clip(similarity, -1.0, 1.0))
        return result


def compare_best(pair: Pair, k: int, rule: str) -> Difference | None:
    """The `k` classes of the highest scores of each row are the same set, ties of the golden's scores aside.

    A row holds where each of the served best has a golden score as high as the golden's k-th best, less the tolerance.
    Of equal served scores the first ones count, as tf.argmax and tf.math.top_k have it: were these ties too, a model
    that answers the same for every class would be right. A row with NaN is wrong; with `equal_nan` NaN in the same
    places is left out.
    """
    if not (pair.is_float or pair.is_integer):
        raise pair.refuse(rule.partition("=")[0], "exact")
    expected, served = pair.rows(rule.partition("=")[0])
    count, classes = expected.shape
    if k > classes:
        raise SpecError(
            f"{rule} says nothing of output {pair.output!r}, whose rows have {classes} "
            f"{'class' if classes == 1 else 'classes'}; use a smaller number"
        )
    wrong = np.zeros(count, bool)
    step = max(1, _BLOCK // classes)
    for start in range(0, count, step):
        rows = slice(start, start + step)
        if not (expected[rows] == served[rows]).all():
            wrong[rows] = _other_best(pair, expected[rows], served[rows], k)

    def say(row: int) -> Offender:
        texts = []
        for scores in (expected[row], served[row]):
            best = np.argsort(-scores.astype(np.float64), kind="stable")[:k]
            texts.append(", ".join(f"{n} ({show(scores[n])})" for n in best[:5]) + (", ..." if k > 5 else ""))
        return Offender((), texts[0], texts[1], None)

    return pair.broken_rows(rule, wrong, np.zeros(count), pair.expected.shape[:-1], "rows", say)


def _other_best(pair: Pair, expected: Array, served: Array, k: int) -> Array:
    golden, answer = expected.astype(np.float64), served.astype(np.float64)
    nan = np.isnan(golden), np.isnan(answer)
    refused = (nan[0] != nan[1]).any(axis=-1) if pair.equal_nan else (nan[0] | nan[1]).any(axis=-1)
    golden[nan[0]] = answer[nan[1]] = -np.inf
    classes = golden.shape[-1]
    threshold = np.partition(golden, classes - k, axis=-1)[:, classes - k]
    best = answer.argmax(axis=-1)[:, np.newaxis] if k == 1 else np.argsort(-answer, axis=-1, kind="stable")[:, :k]
    lowest = np.take_along_axis(golden, best, axis=-1).min(axis=-1)
    with np.errstate(invalid="ignore", over="ignore"):
        allowed = np.where(np.isfinite(threshold), pair.atol + pair.rtol * np.abs(threshold), 0.0)
        wrong: Array = refused | ~(lowest >= threshold - allowed)
    return wrong


def compare_unordered(pair: Pair) -> Difference | None:
    """Each row has the same values as often, in any order: of strings, integers and booleans."""
    if not (pair.is_integer or pair.dtype in ("string", "bool")):
        raise pair.refuse("unordered", "rtol and atol, or custom")
    expected, served = pair.rows("unordered")
    differing = np.asarray(expected != served, dtype=bool).any(axis=-1)
    wrong = np.zeros(len(expected), bool)
    moved = np.sort(expected[differing], axis=-1) != np.sort(served[differing], axis=-1)
    wrong[differing] = np.asarray(moved, dtype=bool).any(axis=-1)

    def say(row: int) -> Offender:
        golden, answer = Counter(expected[row].tolist()), Counter(served[row].tolist())
        return Offender((), f"lacks {_some(golden - answer)}", f"has {_some(answer - golden)}", None)

    return pair.broken_rows("unordered", wrong, np.zeros(len(expected)), pair.expected.shape[:-1], "rows", say)


def _some(values: Counter[object]) -> str:
    shown = [show(value) for value in list(values.elements())[:3]]
    return ", ".join(shown) + (", ..." if values.total() > 3 else "")
