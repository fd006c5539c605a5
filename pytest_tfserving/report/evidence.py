"""What was compared for one golden outcome, as plain values: arrays stay where they were, and a report gets these.

They travel with a test's report, from pytest-xdist's workers too, so there is nothing in them but None, truth values,
numbers, text, lists and dicts. What can be summed is a `total` an output (totals.py); what cannot, a bounded `detail`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any
from zlib import crc32

import numpy as np

from pytest_tfserving.golden.check import Outcome
from pytest_tfserving.golden.difference import Difference, Offender, show
from pytest_tfserving.golden.output_rule import OutputRule
from pytest_tfserving.golden.provenance import find_changes
from pytest_tfserving.golden.tolerance import Tolerance
from pytest_tfserving.report.totals import (
    MOST_LABELS,
    MOST_POINTS,
    MOST_WORST,
    MOST_WORST_POINTS,
    rule_of,
)
from pytest_tfserving.report.worst_values import worst_values
from pytest_tfserving.tensors import Array, name_of

_MOST_PAIRS = 1000
_BLOCK = 1 << 20
_NONE: Mapping[str, OutputRule] = MappingProxyType({})


def evidence_of(
    outcome: Outcome,
    tolerance: Tolerance,
    run_provenance: Mapping[str, str],
    baseline: str | None,
    *,
    overall: Mapping[str, OutputRule] = _NONE,
    pictures: bool = False,
) -> dict[str, Any]:
    """The evidence of one case over one transport, as totals.Totals.append() takes it.

    `baseline` is what was answered against, as a message names it, None where that is the golden's recorded answer.
    Of outputs in `overall` the values are judged elsewhere, by these rules over many cases (Totals.add_overall): they
    have no differences here, only what can be shown where these turn out to be broken. With `pictures` those inputs
    and outputs that are pictures are shown as such, which needs the extra `report`. What was compared with nothing (a
    refusal, a first recording) has no outputs.
    """
    comparison = outcome.comparison
    evidence: dict[str, Any] = {
        "signature": outcome.signature.name,
        "transport": outcome.transport,
        "baseline": baseline,
        "outputs": [],
    }
    if comparison is None or outcome.expected is None:
        return evidence
    by_output: dict[str, list[Difference]] = {}
    for difference in comparison.differences:
        by_output.setdefault(difference.output, []).append(difference)
    changes = find_changes(outcome.case.provenance, run_provenance) if by_output and baseline is None else []
    where = outcome.case.where
    for name in [*outcome.expected, *(n for n in outcome.outputs if n not in outcome.expected)]:
        expected, served = outcome.expected.get(name), outcome.outputs.get(name)
        differences = by_output.get(name, [])
        rule = overall.get(name, tolerance.outputs.get(name))
        total = _total(name, expected, served, rule)
        total["cases"] = [where]
        offenders = [offender for d in differences for offender in d.offenders[:MOST_WORST]]
        if name in overall and not differences and expected is not None and served is not None:
            offenders = farthest(expected, served, overall[name])
        if differences or offenders:
            detail = {
                "case": where,
                "transport": outcome.transport,
                "severity": _severity(differences, offenders),
                "points": _points(expected, served),
                "worst": worst_values(outcome, name, offenders, rule, pictures),
            }
            total["details"] = [detail]
        if differences:
            total["moved"] = [where]
            total["environment"] = [list(change) for change in changes]
            total["specs"] = [[d.kind, d.expected, d.served] for d in differences if d.kind != "values"]
            total["rules"] = {d.rule: rule_of(d) for d in differences if d.kind == "values"}
        evidence["outputs"].append(total)
    return evidence


def _total(name: str, expected: Array | None, served: Array | None, rule: OutputRule | None) -> dict[str, Any]:
    """What is known of every output that was compared, whether it holds or not."""
    array = expected if expected is not None else served
    assert array is not None
    total: dict[str, Any] = {
        "output": name, "dtype": name_of(array), "cases": [], "moved": [], "compared": 1, "sizes": [0, 0, 0],
        "errors": None, "classes": None, "environment": [], "specs": [], "rules": {}, "details": [],
    }  # fmt: skip
    if expected is None or served is None or not _are_alike(expected, served):
        return total
    rows = math.prod(expected.shape[:-1]) if expected.ndim else 1
    total["sizes"] = [expected.size, rows, expected.shape[0] if expected.ndim > 1 else 1]
    if expected.dtype.kind in "fVciu":
        total["errors"] = _errors(expected, served)
    total["classes"] = _classes(expected, served, rule)
    return total


def _are_alike(expected: Array, served: Array) -> bool:
    return name_of(expected) == name_of(served) and expected.shape == served.shape


def _severity(differences: list[Difference], offenders: list[Offender]) -> list[float]:
    """How bad a case is beside others: those of another form first, then by the largest error and the share."""
    values = [d for d in differences if d.kind == "values"]
    errors = [math.inf if d.max_absolute is None else d.max_absolute for d in values if d.unit == "values"]
    if not differences:
        errors = [offender.badness for offender in offenders]
    share = max((d.differing / d.total for d in values if d.total), default=0.0)
    return [float(len(values) < len(differences)), max(errors, default=0.0), share]


def _wide(array: Array) -> Array:
    wide: Array = array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)
    return wide


def _errors(expected: Array, served: Array) -> dict[str, Any]:
    """The sum of all finite errors, how many there are, how many lie in each power of ten, and the largest.

    A relative error is one beside a recorded value that is not 0.
    """
    total, count, largest, relative = 0.0, 0, 0.0, 0.0
    decades: Counter[int] = Counter()
    golden, answer = expected.reshape(-1), served.reshape(-1)
    for start in range(0, golden.size, _BLOCK):
        part = slice(start, start + _BLOCK)
        with np.errstate(all="ignore"):
            recorded = _wide(golden[part])
            distance = np.abs(_wide(answer[part]) - recorded)
        finite = distance[np.isfinite(distance)]
        total, count = total + float(finite.sum()), count + finite.size
        off = finite[finite > 0]
        if off.size:
            largest = max(largest, float(off.max()))
            with np.errstate(all="ignore"):
                shares = distance / np.abs(recorded)
            relative = max(relative, float(shares[np.isfinite(shares)].max(initial=0.0)))
            powers, counts = np.unique(np.floor(np.log10(off)).astype(np.int64), return_counts=True)
            decades.update(dict(zip(powers.tolist(), counts.tolist(), strict=True)))
    return {
        "sum": total,
        "count": count,
        "decades": dict(sorted(decades.items())),
        "max_absolute": largest,
        "max_relative": relative,
    }


def _classes(expected: Array, served: Array, rule: OutputRule | None) -> dict[str, Any] | None:
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


def _points(expected: Array | None, served: Array | None) -> list[list[float]]:
    """Expected beside served values: those that are farthest apart, and others that are evenly spread over the rest."""
    if expected is None or served is None or not _are_alike(expected, served) or expected.dtype.kind not in "fViu":
        return []
    golden, answer = expected.reshape(-1), served.reshape(-1)
    with np.errstate(all="ignore"):
        distance = np.abs(_wide(answer) - _wide(golden))
    known = np.flatnonzero(np.isfinite(distance))
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
    if not _are_alike(expected, served) or not expected.size:
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
        with np.errstate(all="ignore"):
            sides = _wide(golden), _wide(answer)
            distance = np.where(golden == answer, 0.0, np.abs(sides[1] - sides[0]))
        distance[np.isnan(sides[0]) & np.isnan(sides[1])] = 0.0
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
