"""Latencies, as the page shows them: a row of a table each, and a small figure of how they are distributed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pytest_tfserving.latency.durations import duration_text
from pytest_tfserving.latency.plan import PERCENTILES
from pytest_tfserving.report.measurement_words import limit_text, load_text, ratio_text
from pytest_tfserving.report.page import words
from pytest_tfserving.report.page.figures import Figures
from pytest_tfserving.report.page.moved import MOST_FIGURES, Figure


class Side(NamedTuple):
    """One model's cells; `answers` are those of a second, `failed` counts requests."""

    percentiles: Sequence[str]
    first_call: str
    answers: str
    failed: int


class Latency(NamedTuple):
    """One measurement. `over` is its transport and its load, `sides` are the model's and the baseline's with its name.

    `budget` has each limit in words, and whether it was not kept.
    """

    facts: Mapping[str, Any]
    over: str
    sides: Sequence[tuple[str, Side]]
    ratios: Sequence[str]
    budget: Sequence[tuple[str, bool]]
    figure: Figure | None


def latencies(measurements: Sequence[Mapping[str, Any]], figures: Figures) -> list[Latency]:
    """The document's `latencies`, those that failed first; the first ones are drawn, as far as there is room."""
    shown = []
    for facts in sorted(measurements, key=lambda facts: facts["status"] != "failed"):
        transport = words.TRANSPORTS.get(facts["transport"], facts["transport"])
        over = f"{transport}, {load_text(facts)}"
        sides = [("", _side(facts["measured"]))]
        sides += [(facts["against"], _side(facts["baseline"]))] if facts["baseline"] else []
        drawn = facts["measured"]["histogram"] is not None and figures.drawn < MOST_FIGURES
        shown.append(
            Latency(
                facts,
                over,
                sides,
                [f"{name} {ratio_text(ratio)}" for name, ratio in facts["ratios"].items()],
                [(limit_text(row), row["standing"] == "failed") for row in facts["budget"]],
                _figure(facts, over, figures) if drawn else None,
            )
        )
    return shown


def _side(measured: Mapping[str, Any]) -> Side:
    found = measured["percentiles"]
    return Side(
        [duration_text(found[name] * 1e9) if name in found else words.NOTHING for name in PERCENTILES],
        duration_text(measured["first_call"] * 1e9),
        f"{measured['throughput']:,.0f} /s",
        measured["sent"] - measured["answered"],
    )


def _figure(facts: Mapping[str, Any], over: str, figures: Figures) -> Figure:
    histogram = facts["measured"]["histogram"]
    old = facts["baseline"]["histogram"] if facts["baseline"] else None
    ends = [duration_text(edge * 1e9) for edge in (histogram["edges"][0], histogram["edges"][-1])]
    caption = f"{words.plural(facts['measured']['answered'], 'answer')}, {ends[0]} to {ends[1]}."
    caption += f" The line is {words.one_line(facts['against'])}." if old else ""
    name = words.one_line(f"{facts['model']} over {over}")
    return Figure(name, figures.latencies(histogram, old, f"Latencies of {name}: {caption}"), caption)
