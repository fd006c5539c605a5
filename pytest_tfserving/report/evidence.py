"""What was compared for one golden outcome, as plain values: arrays stay where they were, and a report gets these.

They travel with a test's report, from pytest-xdist's workers too, so there is nothing in them but None, truth values,
numbers, text, lists and dicts. What can be summed is a `total` an output (totals.py); what cannot, a bounded `detail`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pytest_tfserving.golden.check import Outcome
from pytest_tfserving.golden.difference import Difference, Offender
from pytest_tfserving.golden.output_rule import OutputRule
from pytest_tfserving.golden.provenance import find_changes
from pytest_tfserving.golden.tolerance import Tolerance
from pytest_tfserving.report.distances import are_alike, classes_of, errors_of, farthest, points_of
from pytest_tfserving.report.totals import MOST_WORST, rule_of
from pytest_tfserving.report.worst_values import worst_values
from pytest_tfserving.tensors import Array, name_of

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
                "points": points_of(expected, served),
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
    if expected is None or served is None or not are_alike(expected, served):
        return total
    rows = math.prod(expected.shape[:-1]) if expected.ndim else 1
    total["sizes"] = [expected.size, rows, expected.shape[0] if expected.ndim > 1 else 1]
    if expected.dtype.kind in "fVciu":
        total["errors"] = errors_of(expected, served)
    total["classes"] = classes_of(expected, served, rule)
    return total


def _severity(differences: list[Difference], offenders: list[Offender]) -> list[float]:
    """How bad a case is beside others: those of another form first, then by the largest error and the share."""
    values = [d for d in differences if d.kind == "values"]
    errors = [math.inf if d.max_absolute is None else d.max_absolute for d in values if d.unit == "values"]
    if not differences:
        errors = [offender.badness for offender in offenders]
    share = max((d.differing / d.total for d in values if d.total), default=0.0)
    return [float(len(values) < len(differences)), max(errors, default=0.0), share]
