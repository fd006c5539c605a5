"""Words for a measured latency of the report's document (measurements.py): its load, its ratios, its limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_tfserving.latency.durations import duration_text
from pytest_tfserving.latency.plan import PERCENTILES


def load_text(measurement: Mapping[str, Any]) -> str:
    """`4 clients`, `50 a second`."""
    if measurement["rate"] is not None:
        return f"{measurement['rate']:g} a second"
    clients = measurement["concurrency"]
    return f"{clients} client{'' if clients == 1 else 's'}"


def ratio_text(ratio: Mapping[str, float | None]) -> str:
    """`1.2 (1.1 to 1.3)`; `-` where it is not finite."""
    value, low, high = (_number(ratio[key]) for key in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def limit_text(row: Mapping[str, Any]) -> str:
    """`p50 ≤ 5 ms`; of one that was not kept, or may not have been, that too."""
    what, limit = row["what"], row["limit"]
    if what in PERCENTILES:
        said, missed = f"{what} ≤ {duration_text(limit * 1e9)}", "too long"
    elif what == "throughput":
        said, missed = f"≥ {limit:,.12g} /s", "too few"
    elif what == "failing":
        said, missed = f"≤ {limit:,.0f} failing", "too many"
    else:
        said, missed = f"{what} ≤ {limit:g}", "too long"
    return said + {"failed": f": {missed}", "unclear": ": cannot be told"}.get(row["standing"], "")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
