"""A set of goldens that fails, as it stands in a failing test's report: all cases together, then the first few."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_tfserving.golden.check import Outcome
from pytest_tfserving.golden.difference import Comparison, Difference, show
from pytest_tfserving.golden.standing import Standing
from pytest_tfserving.report.goldens import View, changed_environment, comparison_lines
from pytest_tfserving.report.sparkline import sparkline
from pytest_tfserving.report.terminal import table
from pytest_tfserving.tensors import name_of

# By verbosity: of how many failing cases the texts are shown, of how many lines each, and how many of the worst.
_CASES = (3, 20, 1000)
_LINES = (10, 30, 1_000_000)
_WORST = (5, 20, 1000)


@dataclass(frozen=True)
class SetFailure:
    """A set that fails. `failed` of `judged` cases fail by themselves, of `failures` are the first texts.

    `stopped` is why the others of `total` were not sent: no answer. `overall` is what does not hold of all cases
    together, `standings` all that was asked of them, `problem` why nothing could be said. `against` is the baseline's
    name, None where answers are compared with recorded ones. `differing` of those that fail were answered, and
    otherwise; `golden_provenance` is that of the first golden that differs, be it by what is asked of all.
    """

    name: str
    model: str
    transport: str
    total: int
    judged: int
    failed: int
    failures: Sequence[str]
    stopped: str
    overall: Comparison
    standings: Sequence[Standing]
    problem: str
    against: str | None
    differing: int
    golden_provenance: Mapping[str, str]
    run_provenance: Mapping[str, str]

    @property
    def is_of_answers(self) -> bool:
        """Whether answers differ. Cases that cannot be sent, or are refused, fail for another reason."""
        return bool(self.differing or self.overall.differences)


def most_cases(view: View) -> int:
    """Of how many failing cases the text is wanted."""
    return _CASES[_level(view)]


def set_failure(failure: SetFailure, view: View) -> str:
    """How many cases fail, what does not hold of all of them, the first that fail, and how to see more or record."""
    differs = f"answers otherwise than {failure.against}" if failure.against else "differs"
    counts = []
    if failure.failed:
        counts.append(f"{failure.failed:,} of {failure.judged:,} cases fail")
    broken = list(dict.fromkeys(difference.output for difference in failure.overall.differences))
    if broken:
        counts.append(f"over all {failure.judged:,} cases {', '.join(broken)} {differs} more than is allowed")
    if failure.problem:
        counts.append(failure.problem)
    if failure.stopped:
        counts.append(f"no more answers at case {failure.judged:,} of {failure.total:,}")
    lines = [f"goldens {failure.name}, sent to {failure.model} over {failure.transport}: {'; '.join(counts)}"]
    if failure.stopped:
        lines += ["", failure.stopped]
        if not failure.failures:
            return "\n".join(lines)
    lines.append("")
    if failure.is_of_answers and not failure.against:
        lines += changed_environment(failure.golden_provenance, failure.run_provenance)
    if failure.standings and not failure.stopped:
        lines += [*_overall_lines(failure, view), ""]
    if failure.failures:
        shown = len(failure.failures)
        if shown < failure.failed:
            lines.append(f"the first {shown:,} of the {failure.failed:,} that fail by themselves")
        else:
            lines.append(f"the {shown:,} that fail by themselves" if shown > 1 else "the one that fails by itself")
        lines.append("")
        for text in failure.failures:
            lines += [*_shortened(text.splitlines(), _LINES[_level(view)]), ""]
    return "\n".join([*lines, *_what_next(failure, view)])


def case_failure(outcome: Outcome, view: View) -> str:
    """What of one case of a set differs."""
    assert outcome.comparison is not None
    dtypes = {name: name_of(array) for name, array in outcome.outputs.items()}
    brief = View(view.verbosity, "", view.encoding)  # the set says how to see more
    lines = comparison_lines(outcome.comparison, dtypes, brief)
    return "\n".join([f"{outcome.case.where} (signature {outcome.signature.name!r})", *lines])


def _level(view: View) -> int:
    return max(0, min(view.verbosity, 2))


def _shortened(lines: Sequence[str], most: int) -> list[str]:
    if len(lines) <= most:
        return list(lines)
    return [*lines[: most - 1], f"  ... {len(lines) - most + 1} more lines"]


def _overall_lines(failure: SetFailure, view: View) -> list[str]:
    """A table of everything that is asked of all cases together, and of what does not hold the worst cases."""
    rows = [["output", "asked", "differing", "share", "allowed", ""]]
    for standing in failure.standings:
        rows.append(
            [
                standing.output,
                standing.rule,
                *_counted(standing),
                "" if standing.holds else "<- too many" if standing.mean is None else "<- too large",
            ]
        )
    lines = ["all cases together", *table(rows)]
    for difference in failure.overall.differences:
        lines += ["", *_worst_lines(difference, _WORST[_level(view)], view.encoding)]
    if any(difference.only_nan for difference in failure.overall.differences):
        lines += ["", "NaN equals NaN only where that is asked for: equal_nan in the rule"]
    passing = [f"{' or '.join(d.would_pass)} ({d.output})" for d in failure.overall.differences if d.would_pass]
    if passing:
        lines += ["", f"would have passed with {', '.join(passing)}"]
    return lines


def _counted(standing: Standing) -> list[str]:
    if standing.mean is not None:
        return [f"in {standing.cases:,} cases", f"mean {standing.mean:.3g}", f"{standing.most:g}"]
    share = standing.differing / standing.total if standing.total else 0.0
    of = f"{standing.differing:,} of {standing.total:,} {standing.unit} in {standing.cases:,} cases"
    return [of, f"{share * 100:.3g} %", f"{standing.allowed * 100:g} %" if standing.allowed else "none"]


def _worst_lines(difference: Difference, count: int, encoding: str) -> list[str]:
    shown = difference.offenders[:count]
    rows = [["case", "at", "expected", "served", "ULPs" if difference.rule.startswith("ulps") else "error"]]
    for o in shown:
        at = f"[{', '.join(map(str, o.at))}]" if difference.unit != "answer" else "-"
        rows.append([o.case, at, show(o.expected), show(o.served), "-" if o.error is None else f"{o.error:.3g}"])
    columns = [n for n in range(5) if n < 4 or any(o.error is not None for o in shown)]
    lines = [f"the worst of {difference.output}, {difference.rule}"]
    lines += table([[row[n] for n in columns] for row in rows], 1_000_000)
    if difference.decades and len(difference.decades.counts) > 1:
        lines.append(f"  errors by powers of ten: {sparkline(difference.decades, encoding)}")
    return lines


def _what_next(failure: SetFailure, view: View) -> list[str]:
    lines = []
    if view.verbosity < 2 and view.node_id:
        lines.append(f"shows more of them: pytest {'-vv' if view.verbosity == 1 else '-v'} {view.node_id!r}")
    if failure.failed:
        without = "without together" + (" and overall" if failure.standings else "")
        lines.append(f"each case is a test of its own, to be run alone, {without}")
    if failure.against and failure.is_of_answers:
        lines.append(
            "if it is meant to: give a tolerance that allows it, or what shall be the baseline from now on (against=)"
        )
    elif failure.is_of_answers and not failure.problem and not failure.stopped:
        lines.append(f"if the new answers are right: pytest --tfserving-update=changed {view.node_id!r}")
    return lines
