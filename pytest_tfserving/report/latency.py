"""Latencies as they stand in a failing test's report, and as one line of a run's summary."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NamedTuple

from pytest_tfserving.latency.durations import duration_text
from pytest_tfserving.latency.plan import PERCENTILES, Load, Plan, least_answers
from pytest_tfserving.latency.result import LatencyResult, Measured, Row
from pytest_tfserving.latency.statistics import CONFIDENCE, Ratio
from pytest_tfserving.report.measurement_words import before_texts
from pytest_tfserving.report.sparkline import columns
from pytest_tfserving.report.terminal import table

_MOST_ERRORS = 3


class Place(NamedTuple):
    """What was measured: the model's name, `rest` or `grpc`, the requests in words, the baseline's path or version."""

    model: str
    transport: str
    requests: str
    baseline: str = ""

    def __str__(self) -> str:
        """`half_plus_two over grpc`."""
        return f"{self.model} over {self.transport}"


def latency_line(result: LatencyResult, plan: Plan, place: Place) -> str:
    """One measurement, as a run's summary has it.

    `latency half_plus_two over grpc: p50 0.412 ms, p99 1.2 ms, first call 1.86 ms; 500 requests by 1 client, 2,034 /s`
    """
    measured = result.measured
    names = ("p50", "p99" if measured.answered >= least_answers("p99") else "max")
    times = [f"{name} {duration_text(measured.percentiles[name])}" for name in names if _is_told(measured, name)]
    times += [f"{name} {_ratio_text(ratio)} that of {place.baseline}" for name, ratio in result.ratios.items()]
    times.append(f"first call {_first(measured)}")
    times += [f"that of {place.baseline} {_first(result.baseline)}"] if result.baseline else []
    failed = f", {measured.failed:,} failed" if measured.failed else ""
    return (
        f"latency {place}: {', '.join(times)}; {_counted(measured.sent)} {_how(plan.load)}, "
        f"{measured.throughput:,.0f} /s{failed}"
    )


def unclear_line(row: Row, place: Place) -> str:
    """Why a ratio is not judged."""
    assert isinstance(row.measured, Ratio)
    return (
        f"latency of {place}: whether {row.what.removesuffix(' ratio')} is at most {row.limit:g} times that of "
        f"{place.baseline} cannot be told: it is {_ratio_text(row.measured)}, with {CONFIDENCE} % confidence. More "
        f"requests tell more"
    )


def latency_failure(result: LatencyResult, rows: Sequence[Row], plan: Plan, place: Place, workers: int) -> str:
    """What was measured beside what was asked; `workers` says how many tests ran at a time."""
    cells = [["", "budget", "measured", ""]]
    cells += [[row.what, *_texts(row), _note(row)] for row in rows]
    lines = [f"latency of {place} is not within its budget", "", *table(cells), ""]
    sides = [(result.measured, "measured")]
    if result.baseline is not None:
        sides += [(result.baseline, "baseline")]
        lines += [*table([["", *PERCENTILES, "first call", "answers"], *(_side(*side) for side in sides)]), ""]
    for measured, name in sides:
        lines += [f"{name}: {_distribution(measured)}"] if measured.histogram else []
        shown = list(measured.errors.items())[:_MOST_ERRORS]
        lines += [f"{name}: {count:,} failed: {message}" for message, count in shown]
        others = measured.failed - sum(count for _, count in shown)
        lines += [f"{name}: {others:,} failed for other reasons"] if others else []
    lines.append(f"sent: {_sent(result.measured, plan, place.requests)}")
    if result.baseline is not None:
        first = _first(result.baseline)
        lines.append(f"baseline: {place.baseline}, asked by turns with the model, after a first call of {first}")
    if workers > 1:
        lines.append(f"{workers} workers of pytest-xdist shared the machine; -n 0 leaves it to the measurement")
    return "\n".join(lines)


def _is_told(measured: Measured, name: str) -> bool:
    return measured.answered >= least_answers(name)


def _first(measured: Measured) -> str:
    """The first call, and what came before it: `24 ms (no warm-up)`."""
    before = ", ".join(before_texts(measured.before.warmups, measured.before.asked))
    return duration_text(measured.first) + (f" ({before})" if before else "")


def _note(row: Row) -> str:
    if row.standing == "failed":
        return "<- too few" if row.what == "throughput" else "<- too many" if row.what == "failing" else "<- too long"
    return "<- cannot be told" if row.standing == "unclear" else ""


def _texts(row: Row) -> tuple[str, str]:
    """A row's budget and what was measured."""
    if isinstance(row.measured, Ratio):
        return f"{row.limit:g}", _ratio_text(row.measured)
    if row.what in PERCENTILES:
        return duration_text(row.limit), duration_text(row.measured)
    unit = " /s" if row.what == "throughput" else ""
    return f"{row.limit:,.0f}{unit}", f"{row.measured:,.0f}{unit}"


def _ratio_text(ratio: Ratio) -> str:
    return f"{ratio.value:.3g} times ({ratio.low:.3g} to {ratio.high:.3g})"


def _side(measured: Measured, name: str) -> list[str]:
    percentiles = [duration_text(measured.percentiles[key]) if _is_told(measured, key) else "-" for key in PERCENTILES]
    return [name, *percentiles, duration_text(measured.first), f"{measured.throughput:,.0f} /s"]


def _distribution(measured: Measured) -> str:
    assert measured.histogram is not None
    edges = measured.histogram.edges
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    ends = [duration_text(edge * 1e3) for edge in (edges[0], edges[-1])]
    return f"{ends[0]} {columns(measured.histogram.counts, encoding)} {ends[1]}"


def _sent(measured: Measured, plan: Plan, what: str) -> str:
    planned = f" of {plan.requests:,}, then it was given up" if measured.sent < plan.requests else ""
    return (
        f"{_counted(measured.sent)}{planned} ({what}) {_how(plan.load)}, after a first call of "
        f"{_first(measured)} and {plan.warmup:,} for warming up"
    )


def _counted(requests: int) -> str:
    return "1 request" if requests == 1 else f"{requests:,} requests"


def _how(load: Load) -> str:
    if load.rate is not None:
        return f"due {load.rate:g} a second"
    return f"by {load.concurrency} client{'s' if load.concurrency > 1 else ''}"
