"""Evidence of a run's checks -> what moved: an entry for each output of which anything differed, the worst first.

An entry's form is part of the report document's (document.py).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pytest_tfserving.report.totals import (
    MOST_LABELS,
    MOST_POINTS,
    MOST_WORST,
    MOST_WORST_POINTS,
    merge,
    worst_details,
)

_MOST_SHOWN_LABELS = 20
# Of a case that is wrong all over, so many values are listed before those of the next case.
_MOST_OF_A_CASE = 4
_CHANGE = ("key", "golden", "run")
_UNITS = ("values", "rows", "entries")


class _Source(NamedTuple):
    """What compares a case once: one transport of one test function, or of a contract file's checks."""

    transport: str
    function: str


@dataclass
class _Group:
    totals: dict[_Source, dict[str, Any]] = field(default_factory=dict)
    tests: set[tuple[int, str]] = field(default_factory=set)
    specs: dict[tuple[str, str, str], tuple[int, str]] = field(default_factory=dict)


class MovedOutputs:
    """What is known of every output that was compared, by model, signature, output and baseline."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str, str, str | None], _Group] = {}

    def add(self, test: str, number: int, model: str, evidence: Iterable[Mapping[str, Any]]) -> None:
        """Adds the evidence of one check of a test; `number` is the test's place in the run."""
        for entry in deepcopy(list(evidence)):
            for total in entry["outputs"]:
                key = (model, entry["signature"], total["output"], entry["baseline"])
                group = self._groups.setdefault(key, _Group())
                if total["moved"]:
                    group.tests.add((number, test))
                for detail in total["details"]:
                    detail["test"] = test
                for spec in map(tuple, total["specs"]):
                    group.specs[spec] = min(group.specs.get(spec, (number, test)), (number, test))
                source = _Source(entry["transport"], _function_of(test))
                if source in group.totals:
                    merge(group.totals[source], total)
                else:
                    group.totals[source] = total

    def to_plain(self) -> list[dict[str, Any]]:
        """The outputs that moved: those of another form first, then by the share that differs and by the error."""
        moved = [_entry(key, group) for key, group in self._groups.items() if group.tests]

        def rank(entry: dict[str, Any]) -> tuple[Any, ...]:
            share = entry["differing"] / entry["total"] if entry["total"] else 0.0
            names = entry["model"], entry["signature"], entry["output"], entry["baseline"] or ""
            return not entry["specs"], -share, -(entry["max_relative"] or 0.0), *names

        return sorted(moved, key=rank)


def _entry(key: tuple[str, str, str, str | None], group: _Group) -> dict[str, Any]:
    total, once = _sum(group.totals.values()), _sum(_each_case_once(group.totals))
    model, signature, output, baseline = key
    rules, errors = total["rules"], once["errors"]
    sizes = {**dict(zip(_UNITS, once["sizes"], strict=True)), "answer": once["compared"]}

    def total_of(rule: Mapping[str, Any]) -> int:
        size: int = rule.get("total", sizes[rule["unit"]])
        return size

    # Of an answer as a whole there is no share that says anything beside one of values.
    counting = once["rules"]
    ranked = [(r["unit"] != "answer", r["differing"] / max(1, total_of(r)), name) for name, r in counting.items()]
    counted = counting[max(ranked)[-1]] if ranked else None
    details = worst_details(total["details"])
    return {
        "model": model,
        "signature": signature,
        "output": output,
        "dtype": total["dtype"],
        "baseline": baseline,
        "transports": sorted({source.transport for source, found in group.totals.items() if found["moved"]}),
        "tests": [test for _, test in sorted(group.tests)],
        "cases": len(set(total["cases"])),
        "moved_cases": len(set(total["moved"])),
        "rules": sorted(rules),
        "would_pass": _would_pass(rules) if not group.specs else [],
        "differing": counted["differing"] if counted else 0,
        "total": total_of(counted) if counted else sizes["values"],
        "unit": counted["unit"] if counted else "values",
        "max_absolute": errors["max_absolute"] if errors else None,
        "max_relative": errors["max_relative"] if errors else None,
        "mean_absolute": _rounded(errors["sum"] / errors["count"]) if errors and errors["count"] else None,
        "errors": _histogram(errors["decades"]) if errors and errors["decades"] else None,
        "scatter": _scatter([point for detail in worst_details(once["details"]) for point in detail["points"]]),
        "confusion": _confusion(once["classes"]),
        "specs": _specs(group.specs),
        "worst": _worst(details),
        "environment": [dict(zip(_CHANGE, change, strict=True)) for change in sorted(total["environment"])],
    }


def _would_pass(rules: Mapping[str, dict[str, Any]]) -> list[str]:
    """The nearest limits of each rule; none where some rule has none, as of NaN: the output would fail by that one."""
    ways = [rule["ways"] for _, rule in sorted(rules.items())]
    return [f"{way}={limit}" for known in ways for way, limit in known.items()] if all(ways) else []


def _sum(totals: Iterable[dict[str, Any]]) -> dict[str, Any]:
    first, *others = deepcopy(list(totals))
    for other in others:
        merge(first, other)
    return first


def _each_case_once(totals: Mapping[_Source, dict[str, Any]]) -> list[dict[str, Any]]:
    """The totals whose values are counted: not those of a source that only compared the same cases again.

    Of sources of the same cases it is the one that found more to differ.
    """

    def rank(source: _Source) -> tuple[Any, ...]:
        total = totals[source]
        differing = sum(rule["differing"] for rule in total["rules"].values() if rule["unit"] != "answer")
        return not total["moved"], -len(set(total["cases"])), -differing, -len(set(total["moved"])), source

    chosen: list[dict[str, Any]] = []
    cases: set[str] = set()
    for source in sorted(totals, key=rank):
        if not cases.issuperset(totals[source]["cases"]):
            chosen.append(totals[source])
            cases.update(totals[source]["cases"])
    return chosen


def _function_of(test: str) -> str:
    """A test's id without the parameters."""
    file, _, name = test.partition("::")
    return f"{file}::{name.partition('[')[0]}"


def _specs(found: Mapping[tuple[str, str, str], tuple[int, str]]) -> list[dict[str, str]]:
    ranked = sorted((*where, *spec) for spec, where in found.items())
    return [
        {"kind": kind, "expected": expected, "served": served, "test": test}
        for _, test, kind, expected, served in ranked
    ]


def _finite(error: float | None) -> float | None:
    return error if error is not None and math.isfinite(error) else None


def _rounded(value: float) -> float | None:
    """To six digits: in which order workers reported must not show in the last ones."""
    return _finite(float(f"{value:.6g}"))


def _histogram(decades: Mapping[int, int]) -> dict[str, Any]:
    lowest, highest = min(decades), max(decades)
    return {"lowest": lowest, "counts": [decades.get(power, 0) for power in range(lowest, highest + 1)]}


def _scatter(points: list[list[float]]) -> dict[str, list[float]] | None:
    if not points:
        return None
    ranked = sorted(points, key=lambda point: (-abs(point[1] - point[0]), point))
    shown, rest = ranked[:MOST_WORST_POINTS], sorted(ranked[MOST_WORST_POINTS:])
    room = MOST_POINTS - len(shown)
    if len(rest) > room:
        rest = [rest[round(number * (len(rest) - 1) / (room - 1))] for number in range(room)]
    shown = sorted(shown + rest)
    return {"expected": [golden for golden, _ in shown], "served": [answer for _, answer in shown]}


def _confusion(classes: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if classes is None or classes["too_many"]:
        return None
    pairs = {(golden, answer): count for golden, answer, count in classes["pairs"]}
    confused: Counter[str] = Counter()
    for (golden, answer), count in pairs.items():
        for label in (golden, answer):
            confused[label] += count if golden != answer else 0
    if classes["of_values"] and len(confused) > MOST_LABELS:
        return None
    chosen = sorted(confused, key=lambda label: (-confused[label], _in_order(label)))[:_MOST_SHOWN_LABELS]
    labels = sorted(chosen, key=_in_order)
    counts = [[pairs.get((golden, answer), 0) for answer in labels] for golden in labels]
    left_out = classes["left_out"] + sum(pairs.values()) - sum(map(sum, counts))
    return {"labels": labels, "counts": counts, "left_out": left_out}


def _in_order(label: str) -> tuple[int, str]:
    return (int(label), "") if re.fullmatch("-?[0-9]+", label) else (0, label)


def _worst(details: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The worst values of all cases; one that several transports or tests show alike is listed once."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for detail in details:
        for worst in detail["worst"]:
            same = (detail["case"], *worst["at"], worst["expected"], worst["served"])
            whence = {"test": detail["test"], "case": detail["case"], "transport": detail["transport"]}
            if same not in found or found[same]["badness"] < worst["badness"]:  # by the strictest of several rules
                found[same] = {**whence, **worst}

    def rank(worst: dict[str, Any]) -> float:
        return -(worst["badness"] or (math.inf if worst["error"] is None else worst["error"]))

    ranked = sorted(found.values(), key=rank)
    of_case: Counter[str] = Counter()
    first: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    for worst in ranked:
        of_case[worst["case"]] += 1
        (first if of_case[worst["case"]] <= _MOST_OF_A_CASE else others).append(worst)
    chosen = [*first, *others][:MOST_WORST]
    return [
        {**{key: value for key, value in worst.items() if key != "badness"}, "error": _finite(worst["error"])}
        for worst in sorted(chosen, key=rank)
    ]
