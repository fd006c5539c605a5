"""How far two servables are apart, as `pytest-tfserving drift` prints it: for people, and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_tfserving.errors import GoldenError, TensorError
from pytest_tfserving.golden.case_arrays import case_inputs
from pytest_tfserving.golden.difference import Difference
from pytest_tfserving.golden.drift import SIDES, Counted, Drift
from pytest_tfserving.golden.output_drift import OutputDrift, Side, Worst
from pytest_tfserving.golden.standing import Standing
from pytest_tfserving.golden.tolerance import Tolerance
from pytest_tfserving.report.findings import printable
from pytest_tfserving.report.sparkline import sparkline
from pytest_tfserving.report.tensors import values_text
from pytest_tfserving.report.terminal import table

_PERCENTILES = (0.5, 0.99)
_MOST_INPUTS = 120


@dataclass(frozen=True)
class DriftReport:
    """A comparison that came to its end. `places` are OLD and NEW as they were given, `transports` what carried each.

    `software` is what answered. `standings` and `broken` are of rules over all answers: how all stand, what does not
    hold. `notes` is what was read past in the files of requests.
    """

    drift: Drift
    places: Mapping[Side, str]
    transports: Mapping[Side, str]
    software: Mapping[Side, str]
    standings: Sequence[Standing] = ()
    broken: Sequence[Difference] = ()
    notes: Sequence[str] = ()

    @property
    def holds(self) -> bool:
        """Whether the answers of NEW are close enough to those of OLD."""
        return not self.broken and self.drift.holds({standing.output for standing in self.standings})


def drift_text(report: DriftReport, encoding: str) -> str:
    """A screen: what could not be compared, then each output's statistics with its worst cases."""
    drift = report.drift
    lines = [
        f"{report.places['old']} -> {report.places['new']}: {_count(drift.answered, 'request')} answered by both, over "
        f"{' and '.join(dict.fromkeys(report.transports.values()))}",
        *(f"served by {software}" for software in dict.fromkeys(report.software.values())),
        *report.notes,
    ]
    if uncompared := [*_uncompared(report)]:
        lines += ["", *uncompared]
    judged = {standing.output for standing in report.standings}
    for one in drift.outputs.values():
        lines += ["", *_output_lines(one, drift.tolerance, encoding, overall=one.output in judged)]
    if report.standings:
        lines += ["", "over all answers", *_standing_lines(report)]
    lines += ["", "the answers are close enough" if report.holds else "the answers have drifted"]
    return "\n".join(printable(line) for line in lines)


def drift_json(report: DriftReport) -> str:
    """One object: what was compared, `holds`, what could not be compared, `outputs` with their statistics.

    A statistic without values is null, and so is one that is not finite: JSON has no form for it.
    """
    drift = report.drift
    document = {
        "old": report.places["old"],
        "new": report.places["new"],
        "transports": dict(report.transports),
        "software": dict(report.software),
        "holds": report.holds,
        "answered": drift.answered,
        "refused": {side: _plain(counted) for side, counted in drift.refused.items()},
        "lacking": [{"signature": s, "side": side, "requests": n} for (s, side), n in drift.lacking.items()],
        "left_out": dict(drift.left_out),
        "changes": [{**change._asdict(), **_plain(counted)} for change, counted in drift.changes.items()],
        "outputs": [_plain_output(one) for one in drift.outputs.values()],
        "overall": [standing._asdict() for standing in report.standings],
        "notes": list(report.notes),
    }
    return json.dumps(_finite(document), indent=2)


def _uncompared(report: DriftReport) -> Iterator[str]:
    """What has no values to compare, each with how often and an example."""
    drift = report.drift
    for side in SIDES:
        for (signature, lacking), times in drift.lacking.items():
            if lacking == side:
                yield f"{side} has no signature {signature!r}: {_count(times, 'request')} not sent"
    for refuses, counted in drift.refused.items():
        who = "both refuse" if refuses == "both" else f"{refuses} alone refuses"
        yield f"{who} {_count(counted.times, 'request')}, such as {counted.case}: {counted.text}"
    if drift.changes:
        rows = [["signature", "output", "", "old -> new", "requests", "such as"]]
        for change, counted in drift.changes.items():
            rows.append([*change, counted.text, f"{counted.times:,}", counted.case])
        yield from table(rows)
    for reason, times in drift.left_out.items():
        yield f"left out {_count(times, 'case')}: {reason}"


def _output_lines(one: OutputDrift, tolerance: Tolerance, encoding: str, *, overall: bool) -> list[str]:
    beyond = "changed"
    if one.dtype.startswith(("float", "bfloat", "complex")):
        rtol, atol = tolerance.of(one.dtype)
        beyond = f"beyond rtol={rtol:g} atol={atol:g}"
    share = _share(one.differing, one.values)
    mark = "" if not one.differing else "  <- judged over all answers" if overall else "  <- differs"
    lines = [
        f"{one.output} of {one.signature}, {one.dtype}: {_count(one.values, 'value')} in "
        f"{_count(one.cases, 'request')}, {one.differing:,}{share} {beyond}{mark}"
    ]
    lines += table([*_statistics(one)]) if one.values else []
    if one.spread.decades and len(one.spread.decades.counts) > 1:
        lines.append(f"  errors by powers of ten: {sparkline(one.spread.decades, encoding)}")
    if one.worst:
        rows = [["worst", "at", "old", "new", "error", "inputs"]]
        for worst in one.worst:
            error = "-" if worst.error is None else f"{worst.error:.3g}"
            index = f"[{', '.join(map(str, worst.at))}]"
            rows.append([worst.case.where, index, worst.old, worst.new, error, _inputs(worst)])
        lines += table(rows)
    return lines


def _statistics(one: OutputDrift) -> Iterator[list[str]]:
    if one.is_numeric:
        percentiles = (f"p{share * 100:g} {_number(one.spread.percentile(share))}" for share in _PERCENTILES)
        parts = [f"mean {_number(one.mean_absolute)}", f"RMSE {_number(one.root_mean_square)}", *percentiles]
        yield ["absolute error", "  ".join([*parts, f"max {_number(one.max_absolute)}"])]
        yield ["relative error", f"max {_number(one.max_relative)}"]
    if one.rows:
        yield ["cosine", f"least {_number(one.cosine, 6)} of {_count(one.rows, 'row')}"]
        changed = f"{one.reclassed:,} of {_count(one.rows, 'row')}{_share(one.reclassed, one.rows)}"
        yield ["best class", f"changed in {changed}"]
    if any(any(counts) for counts in one.not_finite.values()):
        sides = (f"{side} {nan:,} NaN, {infinite:,} infinite" for side, (nan, infinite) in one.not_finite.items())
        yield ["not finite", "; ".join(sides)]


def _standing_lines(report: DriftReport) -> list[str]:
    rows = [["output", "asked", "is", "allowed", ""]]
    for one in report.standings:
        if one.mean is not None:
            found, allowed = f"mean {one.mean:.3g}", f"{one.most:g}"
        else:
            found = f"{one.differing:,} of {one.total:,} {one.unit}{_share(one.differing, one.total)}"
            allowed = f"{one.allowed * 100:g} %"
        rows.append([one.output, one.rule, found, allowed, "" if one.holds else "<- too many"])
    lines = table(rows)
    for difference in report.broken:
        if difference.would_pass:
            lines.append(f"  {difference.output} would have passed with {' or '.join(difference.would_pass)}")
    return lines


def _inputs(worst: Worst) -> str:
    """The first values of a case's inputs, read once more: they were not kept."""
    try:
        inputs = case_inputs(worst.case, worst.signature)
    except (GoldenError, TensorError):  # the file has changed meanwhile
        return "-"
    text = ", ".join(f"{name} {values_text(array)}" for name, array in inputs.items())
    return text if len(text) <= _MOST_INPUTS else f"{text[: _MOST_INPUTS - 3]}..."


def _plain(counted: Counted) -> dict[str, Any]:
    return {"requests": counted.times, "case": counted.case, "text": counted.text}


def _plain_output(one: OutputDrift) -> dict[str, Any]:
    decades = one.spread.decades
    return {
        "signature": one.signature,
        "output": one.output,
        "dtype": one.dtype,
        "requests": one.cases,
        "values": one.values,
        "differing": one.differing,
        "mean_absolute": one.mean_absolute,
        "root_mean_square": one.root_mean_square,
        "max_absolute": one.max_absolute,
        "max_relative": one.max_relative,
        "percentiles": {f"p{share * 100:g}": one.spread.percentile(share) for share in _PERCENTILES},
        "decades": {"lowest": decades.lowest, "counts": list(decades.counts)} if decades else None,
        "rows": one.rows,
        "best_class_changed": one.reclassed,
        "least_cosine": one.cosine,
        "not_finite": {side: {"nan": nan, "infinite": inf} for side, (nan, inf) in one.not_finite.items()},
        "worst": [
            {
                "case": worst.case.where,
                "at": list(worst.at),
                "old": worst.old,
                "new": worst.new,
                "error": worst.error,
                "inputs": _inputs(worst),
            }
            for worst in one.worst
        ],
    }


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _share(part: int, whole: int) -> str:
    return f" ({part / whole * 100:.3g} %)" if part else ""


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' if number != 1 else ''}"


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}g}"
