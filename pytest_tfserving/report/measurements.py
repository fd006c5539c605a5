"""The latencies that a run measured, as its document has them: plain values, every duration in seconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pytest_tfserving.latency.plan import PERCENTILES
from pytest_tfserving.report.results import CheckResult, ItemResult

_NANOSECONDS = 10**9  # of a second; nanoseconds are what is measured in (latency/result.py)
_MICROSECONDS = 10**6  # histograms have them


def measurements_of(items: Iterable[ItemResult]) -> list[dict[str, Any]]:
    """One entry for each latency that was measured, in the order of tests and of a test's checks.

        {"test", "model", "signature", "transport", "status", "requests", "concurrency", "rate",
         "measured": {"first_call", "warmup_requests", "asked_before", "percentiles": {"p50", "p90", "p99", "max"},
                      "sent", "answered", "errors", "throughput", "histogram": {"edges", "counts"}},
         "against", "baseline": {as measured}, "ratios": {"p50": {"value", "low", "high"}},
         "budget": [{"what", "limit", "measured", "standing"}]}

    `warmup_requests` of the signature are in the export, `asked_before` says whether tests had asked the model before
    the first call; both are None where that is not known. `requests` says in words what was sent. `rate` is None of
    clients that wait for answers, `against`, `baseline` and `ratios` are None and empty without a baseline, `histogram`
    and `percentiles` where nothing was answered. `errors` counts failed requests by their message, `throughput` is in
    answers per second, `counts[i]` is of latencies from `edges[i]` on. A limit of `p50` is in seconds, one of
    `p50 ratio` in times, and `standing` is held, failed or unclear.
    """
    return [
        _measurement(item.id, check, check.latency)
        for item in items
        for check in item.checks
        if check.latency is not None
    ]


def _measurement(test: str, check: CheckResult, found: Mapping[str, Any]) -> dict[str, Any]:
    baseline = found["baseline"]
    return {
        "test": test,
        "model": check.model,
        "signature": found["signature"],
        "transport": found["transport"],
        "status": check.status,
        "requests": found["requests"],
        "concurrency": found["concurrency"],
        "rate": found["rate"],
        "measured": _side(found["measured"]),
        "against": found["against"] or None,
        "baseline": _side(baseline) if baseline else None,
        "ratios": {name: dict(ratio) for name, ratio in found["ratios"].items()},
        "budget": [_row(row) for row in found["budget"]],
    }


def _side(measured: Mapping[str, Any]) -> dict[str, Any]:
    histogram = measured["histogram"]
    return {
        "first_call": measured["first"] / _NANOSECONDS,
        "warmup_requests": measured["before"]["warmups"],
        "asked_before": measured["before"]["asked"],
        "percentiles": {name: value / _NANOSECONDS for name, value in measured["percentiles"].items()},
        "sent": measured["sent"],
        "answered": measured["answered"],
        "errors": dict(measured["errors"]),
        "throughput": measured["answered"] / measured["seconds"],
        "histogram": {
            "edges": [edge / _MICROSECONDS for edge in histogram["edges"]],
            "counts": list(histogram["counts"]),
        }
        if histogram
        else None,
    }


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    if row["what"] not in PERCENTILES:
        return dict(row)
    return {**row, "limit": row["limit"] / _NANOSECONDS, "measured": row["measured"] / _NANOSECONDS}
