"""Evidence of many cases as one: what can be summed is summed, and of the rest the worst cases' is kept.

So a set of a hundred thousand cases is as large in memory, and on its way between processes, as its cases' names.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from pytest_tfserving.golden.difference import Difference, Offender, looser, show

# Of one case, and of all together.
MOST_POINTS = 400
MOST_WORST_POINTS = 100  # among them
MOST_WORST = 10  # values, each with what was sent for it
# Of values with more different labels no matrix is made: it would show nothing.
MOST_LABELS = 50
# Of as many cases of one output the points, the worst values and their inputs are kept.
MOST_DETAILS = 100
_MOST_SPECS = 20
_MOST_PAIRS = MOST_LABELS**2


class Totals(list[dict[str, Any]]):
    """The evidence of one check: one entry for each signature, transport and baseline, however many cases it had."""

    def append(self, evidence: dict[str, Any], /) -> None:
        """Adds the evidence of one case, which is taken over and changed."""
        for known in self:
            if all(known[key] == evidence[key] for key in ("signature", "transport", "baseline")):
                add_outputs(known["outputs"], evidence["outputs"])
                return
        super().append(evidence)

    def add_overall(self, differences: Sequence[Difference]) -> None:
        """Adds what does not hold of all the check's cases together, once all of these are there."""
        for difference in differences:
            for total in (total for known in self for total in known["outputs"]):
                if total["output"] == difference.output:
                    _add_overall(total, difference)
                    break  # of several signatures that have it the first one stands for all


def add_outputs(known: list[dict[str, Any]], others: list[dict[str, Any]]) -> None:
    """Adds the totals of outputs to those of the same names."""
    by_name = {total["output"]: total for total in known}
    for other in others:
        if other["output"] in by_name:
            merge(by_name[other["output"]], other)
        else:
            known.append(other)


def merge(total: dict[str, Any], other: dict[str, Any]) -> None:
    """Adds one output's total to another's, in whatever order they come."""
    total["cases"] += other["cases"]
    total["moved"] += other["moved"]
    total["compared"] += other["compared"]
    total["sizes"] = [mine + theirs for mine, theirs in zip(total["sizes"], other["sizes"], strict=True)]
    total["errors"] = _merged(_add_errors, total["errors"], other["errors"])
    total["classes"] = _merged(_add_classes, total["classes"], other["classes"])
    total["environment"] += [change for change in other["environment"] if change not in total["environment"]]
    for spec in other["specs"]:
        if spec not in total["specs"] and len(total["specs"]) < _MOST_SPECS:
            total["specs"].append(spec)
    for name, rule in other["rules"].items():
        if name in total["rules"]:
            _add_rule(total["rules"][name], rule)
        else:
            total["rules"][name] = rule
    total["details"] += other["details"]
    if len(total["details"]) > 2 * MOST_DETAILS:
        total["details"] = worst_details(total["details"])


def worst_details(details: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The worst of them, in an order that does not depend on how they came."""

    def rank(detail: dict[str, Any]) -> tuple[Any, ...]:
        return (*(-part for part in detail["severity"]), detail["case"], detail["transport"], detail.get("test", ""))

    return sorted(details, key=rank)[:MOST_DETAILS]


def larger(first: float | None, second: float | None) -> float | None:
    """The larger one of those that are known."""
    return max((error for error in (first, second) if error is not None), default=None)


def ways_of(would_pass: Iterable[str]) -> dict[str, str]:
    """Limits that would have let an answer pass, by what they limit: ("rtol=0.2",) -> {"rtol": "0.2"}."""
    return dict(way.split("=", 1) for way in would_pass)


def rule_of(difference: Difference) -> dict[str, Any]:
    """What broke a rule, without what can be had from the sizes of the arrays."""
    return {
        "unit": difference.unit,
        "differing": difference.differing,
        "ways": ways_of(difference.would_pass),
    }


def worst_of(offender: Offender) -> dict[str, Any]:
    """A wrong value or row as it is listed; what was sent for it belongs beside it."""
    error = offender.error
    return {
        "at": list(offender.at),
        "expected": show(offender.expected),
        "served": show(offender.served),
        "error": None if error is None or math.isnan(error) else float(error),
        "badness": math.inf if math.isnan(offender.badness) else float(offender.badness),
    }


def _add_overall(total: dict[str, Any], difference: Difference) -> None:
    asked = f"{difference.rule} over all cases"
    asked += f", differing={difference.allowed:g}" if difference.allowed else ""
    total["rules"][asked] = {**rule_of(difference), "total": difference.total}
    total["moved"] += {offender.case: None for offender in difference.offenders if offender.case}


def _merged(add: Any, mine: Any, theirs: Any) -> Any:
    return (mine if theirs is None else theirs) if mine is None or theirs is None else add(mine, theirs)


def _add_errors(mine: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    decades = Counter(mine["decades"])
    decades.update(theirs["decades"])
    return {
        "sum": mine["sum"] + theirs["sum"],
        "count": mine["count"] + theirs["count"],
        "decades": dict(sorted(decades.items())),
        "max_absolute": larger(mine["max_absolute"], theirs["max_absolute"]),
        "max_relative": larger(mine["max_relative"], theirs["max_relative"]),
    }


def _add_classes(mine: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    counts: Counter[tuple[str, str]] = Counter()
    for golden, answer, count in [*mine["pairs"], *theirs["pairs"]]:
        counts[golden, answer] += count
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return {
        "pairs": [[*pair, count] for pair, count in ranked[:_MOST_PAIRS]],
        "left_out": mine["left_out"] + theirs["left_out"] + sum(count for _, count in ranked[_MOST_PAIRS:]),
        "of_values": mine["of_values"],
        "too_many": mine["too_many"] or theirs["too_many"],
    }


def _add_rule(mine: dict[str, Any], theirs: dict[str, Any]) -> None:
    mine["differing"] += theirs["differing"]
    if "total" in mine:
        mine["total"] += theirs["total"]
    # A way must let every case pass: one that some case does not have is none.
    mine["ways"] = {
        way: looser(way, limit, theirs["ways"][way]) for way, limit in mine["ways"].items() if way in theirs["ways"]
    }
