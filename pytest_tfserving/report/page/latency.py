"""Latencies, as the page shows them: a row of a table each, and a small figure of how they are distributed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pytest_tfserving.latency.durations import duration_text
from pytest_tfserving.report.measurement_words import before_texts, limit_text, load_text, percentile_texts, ratio_text
from pytest_tfserving.report.page import words
from pytest_tfserving.report.page.figures import Figures
from pytest_tfserving.report.page.moved import MOST_FIGURES, Figure

_LEAST_DRAWN = 10  # of fewer answers there is no distribution to be seen


class Side(NamedTuple):
    """One model's cells; `before` came before the first call, `answers` are a second's, `failed` counts requests."""

    percentiles: Sequence[str]
    first_call: str
    before: Sequence[str]
    answers: str
    failed: int


class Latency(NamedTuple):
    """One measurement. `over` is its transport and its load, `sides` are the model's and the baseline's with its name.

    `budget` has each limit in words, and whether it was not kept. What is `drawable` has a figure where there is room.
    """

    facts: Mapping[str, Any]
    over: str
    sides: Sequence[tuple[str, Side]]
    ratios: Sequence[str]
    budget: Sequence[tuple[str, bool]]
    drawable: bool
    figure: Figure | None


def latencies(measurements: Sequence[Mapping[str, Any]], figures: Figures) -> list[Latency]:
    """The document's `latencies`, those that failed first; the first ones are drawn, as far as there is room."""
    shown = []
    for facts in sorted(measurements, key=lambda facts: facts["status"] != "failed"):
        transport = words.TRANSPORTS.get(facts["transport"], facts["transport"])
        over = f"{transport}, {load_text(facts)}"
        sides = [("", _side(facts["measured"]))]
        sides += [(facts["against"], _side(facts["baseline"]))] if facts["baseline"] else []
        drawable = facts["measured"]["answered"] >= _LEAST_DRAWN
        shown.append(
            Latency(
                facts,
                over,
                sides,
                [f"{name} {ratio_text(ratio)}" for name, ratio in facts["ratios"].items()],
                [(limit_text(row), row["standing"] == "failed") for row in facts["budget"]],
                drawable,
                _figure(facts, over, figures) if drawable and figures.drawn < MOST_FIGURES else None,
            )
        )
    return shown


def _side(measured: Mapping[str, Any]) -> Side:
    return Side(
        [text or words.NOTHING for text in percentile_texts(measured)],
        duration_text(measured["first_call"] * 1e9),
        before_texts(measured["warmup_requests"], measured["asked_before"]),
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
