"""Asserts that the cases of a set are answered as recorded, or as a baseline answers them, as one test."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field

from pytest_tfserving.assertions.golden_case import CaseError, GoldenCases
from pytest_tfserving.assertions.subject import Subject
from pytest_tfserving.contracts.checks import GoldenSetCheck
from pytest_tfserving.errors import Code, GoldenError, RequestError, ServerDiedError
from pytest_tfserving.golden.case import Case
from pytest_tfserving.golden.check import Outcome
from pytest_tfserving.golden.compare import compare
from pytest_tfserving.golden.difference import Comparison
from pytest_tfserving.golden.in_flight import InFlight, is_busy
from pytest_tfserving.golden.overall import Pooled
from pytest_tfserving.golden.tolerance import Tolerance, check_outputs_named
from pytest_tfserving.report.golden_sets import SetFailure, most_cases, set_failure
from pytest_tfserving.report.goldens import View
from pytest_tfserving.tensors import Array

# Of a server that is gone or hangs every request fails, and may do so after its whole timeout.
_MOST_UNANSWERED = 3
# A process that has closed its connections is gone a moment later, or writes its core for longer.
_SECONDS_TO_END = 1.0

_EXACTLY = Tolerance(rtol=0.0, atol=0.0, equal_nan=True)


def check_golden_set(subject: Subject, check: GoldenSetCheck) -> str | None:
    """Sends the cases, several at a time, and judges each of them and all of them together.

    No more of the answers is kept than a failure shows, and what is to be recorded.
    """
    cases = GoldenCases(subject, check)
    signatures = cases.served.schema.callable_signatures.values()
    check_outputs_named(Tolerance(outputs=check.overall), {n for s in signatures for n in s.outputs}, "overall")
    view = View(subject.session.verbosity, subject.node_id)
    found = _judge_all(subject, check, cases, most_cases(view))
    overall, problem = _judge_overall(subject, cases, found)
    if not found.failures and not found.stopped and overall.holds and not problem:
        return None
    failure = SetFailure(
        name=check.name,
        model=cases.served.name,
        transport=check.transport,
        total=len(check.cases),
        judged=found.judged,
        failed=found.failed,
        failures=found.failures,
        stopped=found.stopped,
        overall=overall,
        standings=found.pooled.standings(),
        problem=problem,
        against=cases.baseline_name,
        differing=found.differing,
        golden_provenance=found.provenance,
        run_provenance=cases.run_provenance,
    )
    return set_failure(failure, view)


@dataclass
class _Found:
    """What became of the cases so far. `failed` are those that fail by themselves.

    `differing` of them were answered, and otherwise than they were compared with. `provenance` is that of the first
    golden that differs, be it by a rule over all cases. `undecided` are answers that are recorded if their outputs'
    rules are broken.
    """

    pooled: Pooled
    judged: int = 0
    answered: int = 0
    failed: int = 0
    failures: list[str] = field(default_factory=list)
    differing: int = 0
    provenance: Mapping[str, str] = field(default_factory=dict)
    stopped: str = ""
    undecided: list[tuple[Case, Mapping[str, Array], list[str]]] = field(default_factory=list)


def _judge_all(subject: Subject, check: GoldenSetCheck, cases: GoldenCases, most_failures: int) -> _Found:
    """Sends and judges one case after the other, until the server gives no more answers."""
    flight = InFlight()
    client = flight.predictor(cases.client)
    baseline = flight.predictor(cases.baseline) if cases.baseline else None

    def send(case: Case) -> Outcome | CaseError:
        error = case.expected_error
        busy_is_right = error is not None and error.code is Code.RESOURCE_EXHAUSTED
        return cases.send(case, cases.client if busy_is_right else client, baseline)

    found = _Found(Pooled(check.overall, check.tolerance))
    progress = _Progress(subject, f"{check.name} over {check.transport}", len(check.cases))
    unanswered = 0
    with closing(flight.results(send, check.cases)) as results:
        for case, outcome in zip(check.cases, results, strict=True):
            failure = cases.judge(case, outcome)
            found.judged += 1
            progress.tell(found.judged)
            if isinstance(outcome, Outcome):
                found.answered += 1
                _note_answer(found, case, outcome, may_record=cases.update == "changed" and failure is None)
            if failure is None:
                unanswered = 0
                continue
            error = _no_answer(outcome)
            unanswered = unanswered + 1 if error else 0
            if error and (unanswered == _MOST_UNANSWERED or _is_gone(cases, error)):
                found.stopped = str(error)
                break
            found.failed += 1
            if len(found.failures) < most_failures:
                found.failures.append(failure)
    return found


def _note_answer(found: _Found, case: Case, outcome: Outcome, *, may_record: bool) -> None:
    """Adds an answer to what is judged over all cases; one that is recorded anyway will be as it is served.

    With `may_record` it is kept where it is not as it was: the rules over all cases decide whether it is recorded.
    """
    if outcome.refusal is not None:
        return
    expected = None if outcome.to_record else outcome.expected
    alone_holds = found.pooled.add(case.where, expected, outcome.outputs)
    found.differing += not outcome.holds
    if not (outcome.holds and alone_holds):
        found.provenance = found.provenance or case.provenance
    if expected is None or not may_record:
        return
    known = {name: expected[name] for name in found.pooled.outputs if name in expected}
    moved = compare(known, {name: outcome.outputs[name] for name in known}, _EXACTLY).differences
    if moved:
        found.undecided.append((case, outcome.outputs, [difference.output for difference in moved]))


def _judge_overall(subject: Subject, cases: GoldenCases, found: _Found) -> tuple[Comparison, str]:
    """What does not hold of all cases together, and why nothing could be said of it.

    Where changed answers are recorded, those of outputs whose rules are broken are, and nothing is left to fail.
    """
    nothing = Comparison((), Tolerance())
    if found.stopped or not found.answered:
        return nothing, ""  # a part of the set says nothing of all of it
    try:
        comparison = found.pooled.comparison()
    except GoldenError as error:
        return nothing, str(error)
    subject.evidence.add_overall(comparison.differences)
    broken = {difference.output for difference in comparison.differences}
    if broken and cases.update == "changed":
        for case, outputs, moved in found.undecided:
            if broken.intersection(moved):
                cases.record(case, outputs)
        comparison, broken = nothing, set()
    for output in found.pooled.outputs:
        subject.note(f"overall {output}", held=output not in broken)
    return comparison, ""


def _no_answer(outcome: Outcome | CaseError) -> RequestError | None:
    """The error of a case that was not answered, be it by the baseline."""
    for error in (outcome, getattr(outcome, "__cause__", None)):
        if isinstance(error, RequestError) and (error.may_be_no_answer or is_busy(error)):
            return error
    return None


def _is_gone(cases: GoldenCases, error: RequestError) -> bool:
    """Whether the server has ended; the plugin shows its last words with the test's report."""
    if error.code is not Code.UNAVAILABLE or is_busy(error):
        return False
    try:
        cases.served.check_alive(within=_SECONDS_TO_END)
    except ServerDiedError:
        return True
    return False


class _Progress:
    """Says how far a set has come: after a second, and then every five; nothing with -q."""

    _FIRST_S, _EVERY_S = 1.0, 5.0

    def __init__(self, subject: Subject, what: str, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._say = subject.session.say if subject.session.verbosity >= 0 else None
        self._what = what
        self._total = total
        self._clock = clock
        self._next = clock() + self._FIRST_S

    def tell(self, done: int) -> None:
        """Says it, if it is time to."""
        if self._say is None or done == self._total or self._clock() < self._next:
            return
        self._next = self._clock() + self._EVERY_S
        self._say(f"{self._what}: {done:,} of {self._total:,}")
