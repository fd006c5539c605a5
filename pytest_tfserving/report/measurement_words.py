"""Words for a measured latency: its load, its ratios, its limits and what came before its first call.

A measurement is that of the report's document (measurements.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_tfserving.latency.durations import duration_text
from pytest_tfserving.latency.plan import PERCENTILES, least_answers


def load_text(measurement: Mapping[str, Any]) -> str:
    """`4 clients`, `50 a second`."""
    if measurement["rate"] is not None:
        return f"{measurement['rate']:g} a second"
    clients = measurement["concurrency"]
    return f"{clients} client{'' if clients == 1 else 's'}"


def percentile_texts(side: Mapping[str, Any]) -> list[str | None]:
    """Each percentile of one model's side of a measurement; None where there were too few answers to tell."""
    return [
        duration_text(side["percentiles"][name] * 1e9) if side["answered"] >= least_answers(name) else None
        for name in PERCENTILES
    ]


def ratio_text(ratio: Mapping[str, float | None]) -> str:
    """`1.2 (1.1 to 1.3)`; `-` where it is not finite."""
    value, low, high = (_number(ratio[key]) for key in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def before_texts(warmups: int | None, asked: bool | None) -> list[str]:
    """What came before a first call (latency.result.Before): `3 warm-up requests`, `asked before`.

    Empty where the model had not been asked and nothing is known of its warm-up.
    """
    said = []
    if warmups is not None:
        said.append(f"{warmups} warm-up request{'' if warmups == 1 else 's'}" if warmups else "no warm-up")
    if asked is not False:
        said.append("asked before" if asked else "perhaps asked before")
    return said


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
