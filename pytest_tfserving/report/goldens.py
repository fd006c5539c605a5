"""A golden that differs, as it stands in a failing test's report: a screen of it, more with -v, all with -vv."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pytest_tfserving.golden.check import Outcome
from pytest_tfserving.golden.difference import MOST_OFFENDERS, Comparison, Difference, show
from pytest_tfserving.golden.provenance import find_changes
from pytest_tfserving.report.sparkline import sparkline
from pytest_tfserving.report.terminal import table
from pytest_tfserving.tensors import name_of

# By verbosity: of how many outputs the worst offenders are listed, and how many lines all of these may have.
_ROOM = ((3, 10), (20, 100), (MOST_OFFENDERS, MOST_OFFENDERS * 100))


@dataclass(frozen=True)
class View:
    """How much is shown, and on what: pytest's verbosity, the terminal's encoding, and the test's id for commands."""

    verbosity: int = 0
    node_id: str = ""
    encoding: str = field(default_factory=lambda: getattr(sys.__stdout__, "encoding", None) or "ascii")


def golden_failure(
    outcome: Outcome,
    model: str,
    how_to_record: str,
    what: str = "golden",
    *,
    run: Mapping[str, str] | None = None,
    view: View | None = None,
) -> str:
    """What a golden's check found, an output a line, and how to record the answer; `what` is what people call it.

    `run` is the provenance that a golden recorded now would have; where the golden's differs, that is said first.
    """
    comparison = outcome.comparison
    assert comparison is not None
    lines = [
        f"{what} {outcome.case.where} differs from what {model} answers over {outcome.transport} "
        f"(signature {outcome.signature.name!r})",
        "",
        *changed_environment(outcome.case.provenance, run or {}),
    ]
    dtypes = {name: name_of(array) for name, array in outcome.outputs.items()}
    lines += comparison_lines(comparison, dtypes, view or View())
    lines += ["", f"if the new answer is right: {how_to_record}"]
    return "\n".join(lines)


def baseline_failure(
    outcome: Outcome, model: str, baseline: str, what: str = "golden", *, view: View | None = None
) -> str:
    """What a golden's check found that compares with a baseline: both answered in this run, so nothing is recorded."""
    comparison = outcome.comparison
    assert comparison is not None
    dtypes = {name: name_of(array) for name, array in outcome.outputs.items()}
    return "\n".join(
        [
            f"{what} {outcome.case.where}: {model} answers otherwise than {baseline} over {outcome.transport} "
            f"(signature {outcome.signature.name!r})",
            "",
            *comparison_lines(comparison, dtypes, view or View()),
            "",
            "if it is meant to: give a tolerance that allows it, or what shall be the baseline from now on (against=); "
            "`pytest-tfserving drift OLD NEW --inputs GOLDENS` shows how far all answers are off",
        ]
    )


def changed_environment(golden: Mapping[str, str], run: Mapping[str, str]) -> list[str]:
    """What made the golden and is not so in this run; nothing where either is unknown."""
    changes = find_changes(golden, run)
    if not changes:
        return []
    rows = [["", "golden", "this run"], *([c.key, c.golden or "-", c.run or "-"] for c in changes)]
    return [
        "the golden was made elsewhere; kernels are chosen by version and CPU, and oneDNN promises no equal bits "
        "across them:",
        *table(rows),
        "",
    ]


def comparison_lines(comparison: Comparison, dtypes: Mapping[str, str], view: View) -> list[str]:
    """A table of what differs, the worst offenders, how errors are distributed, and what would have passed.

    `dtypes` are TensorFlow's names by output.
    """
    values = [d for d in comparison.differences if d.kind == "values"]
    lines = difference_table(comparison.differences)
    more = False
    most_outputs, most_lines = _ROOM[max(0, min(view.verbosity, 2))]
    several = [d for d in values if d.differing > 1]
    for difference in several[:most_outputs]:
        count = max(2, min(most_lines // min(len(several), most_outputs), most_lines // 2, MOST_OFFENDERS))
        lines += ["", *_offenders(difference, count, view.encoding)]
        more |= difference.differing > count
    more |= len(several) > most_outputs
    hints = [*_hints(comparison, values, dtypes)]
    if more and view.verbosity < 2 and view.node_id:
        hints.append(f"shows more of them: pytest {'-vv' if view.verbosity == 1 else '-v'} {view.node_id!r}")
    return [*lines, "", *hints] if hints else lines


def difference_table(differences: Sequence[Difference]) -> list[str]:
    """The differences, aligned: how many values differ, the worst one, the largest errors."""
    specs = [d for d in differences if d.kind != "values"]
    values = [d for d in differences if d.kind == "values"]
    lines = []
    if specs:
        rows = [["output", "expected", "served", ""]]
        lines += table(rows + [[d.output, d.expected, d.served, f"<- {d.kind}"] for d in specs])
    if values:
        rows = [["output", "differing", "worst at", "expected", "served", "max abs error", "max rel error"]]
        for d in values:
            rows.append(
                [
                    d.output,
                    _differing(d),
                    "-" if d.unit == "answer" else _index(d.worst),
                    d.expected or "-",
                    d.served,
                    _number(d.max_absolute),
                    _number(d.max_relative),
                ]
            )
        lines += ([""] if specs else []) + table(rows)
    return lines


def _differing(difference: Difference) -> str:
    if difference.unit == "answer":
        return "as a whole"
    text = f"{difference.differing} of {difference.total}" + (
        "" if difference.unit == "values" else f" {difference.unit}"
    )
    return text + (f", {difference.allowed * 100:g} % allowed" if difference.allowed else "")


def _offenders(difference: Difference, count: int, encoding: str) -> list[str]:
    """The worst of one output, as a table, and the distribution of all its errors."""
    shown = difference.offenders[:count]
    unit = "ULPs" if difference.rule.startswith("ulps") else "error"
    rows = [["at", "expected", "served", unit]]
    rows += [[_index(o.at), show(o.expected), show(o.served), _number(o.error)] for o in shown]
    if all(o.error is None for o in shown):
        rows = [row[:-1] for row in rows]
    left = difference.differing - len(shown)
    which = f"the worst {len(shown)} of {difference.differing} {difference.unit} of" if left else "all of"
    lines = [f"{which} {difference.output} that differ", *table(rows, MOST_OFFENDERS)]
    if difference.decades and len(difference.decades.counts) > 1:
        lines.append(f"  errors by powers of ten: {sparkline(difference.decades, encoding)}")
    return lines


def _hints(comparison: Comparison, values: Sequence[Difference], dtypes: Mapping[str, str]) -> list[str]:
    tolerance = comparison.tolerance
    lines = []
    if any(d.only_nan for d in values):
        lines.append("NaN equals NaN only where that is asked for: equal_nan=True in the marker")
    rules: dict[str, None] = {}
    for d in values:
        if d.output in tolerance.outputs:
            rules[f"{d.rule} ({d.output})"] = None
        elif d.rule != "exact":
            rules[f"{d.rule} ({dtypes.get(d.output, '')})"] = None
    if rules:
        lines.append("compared with " + ", ".join(rules))
    passing = [f"{' or '.join(d.would_pass)} ({d.output})" for d in values if d.would_pass]
    if passing:
        shown = ", ".join(passing[:4]) + (f", and {len(passing) - 4} more" if len(passing) > 4 else "")
        lines.append(f"would have passed with {shown}")
    return lines


def _index(index: Sequence[int]) -> str:
    return f"[{', '.join(map(str, index))}]"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
