"""One golden case of a check: sent, and what came back turned into a verdict, a recording and evidence."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from pytest_tfserving.assertions.baseline import describe
from pytest_tfserving.assertions.subject import Subject
from pytest_tfserving.contracts.check import find_size_conflicts
from pytest_tfserving.contracts.checks import GoldenCheck, GoldenSetCheck
from pytest_tfserving.errors import GoldenError, RequestError, TensorError
from pytest_tfserving.golden.check import Outcome, Predictor, check_case
from pytest_tfserving.golden.provenance import describe_run
from pytest_tfserving.golden.store import Case
from pytest_tfserving.tensors import Array

# Why a case has no outcome: it cannot be sent or compared, or the server refuses it.
CaseError = GoldenError | RequestError | TensorError


class GoldenCases:
    """The cases of a check that asks for one, or for a set of them: how each is sent, and what became of it.

    `send` may be called from several threads at once, `judge` from one. Making it serves the model, and the baseline
    beside it where the check compares with one; raises as Serving.serve() and baseline.serve_beside().
    """

    def __init__(self, subject: Subject, check: GoldenCheck | GoldenSetCheck) -> None:
        self._subject = subject
        self._check = check
        self._overall = check.overall if isinstance(check, GoldenSetCheck) else {}
        self._inline = isinstance(check, GoldenCheck) and check.inline
        self.what = "request" if self._inline else "golden"
        if check.against is None:
            self.served, baseline = subject.served, None
            self.update = None if self._inline else subject.session.settings.update
        else:  # nothing of a baseline is recorded
            (self.served, baseline), self.update = subject.beside(check.against), None
        self.client: Predictor = self.served.client(check.transport)
        self.baseline: Predictor | None = baseline.client(check.transport) if baseline else None

    @property
    def baseline_name(self) -> str | None:
        """The baseline as a message names it; None where answers are compared with recorded ones."""
        return None if self._check.against is None else describe(self._check.against)

    @cached_property
    def run_provenance(self) -> dict[str, str]:
        """What a golden that is recorded now is made by."""
        return describe_run(self.served.provenance)

    def send(self, case: Case, client: Predictor, baseline: Predictor | None) -> Outcome | CaseError:
        """Sends a case and compares what comes back. Raises SpecError where the check itself cannot be meant."""
        tolerance = self._check.tolerance
        try:
            schema = self.served.schema
            return check_case(case, client, schema, tolerance, self.update, baseline=baseline, overall=self._overall)
        except (GoldenError, RequestError, TensorError) as error:
            return error

    def judge(self, case: Case, found: Outcome | CaseError) -> str | None:
        """Counts a case, keeps its answer where that is to be recorded, and says why it fails; None where it holds."""
        subject, transport = self._subject, self._check.transport
        if isinstance(found, Exception):
            subject.note(f"golden {transport}", held=False)
            if self.update:
                self.record(case, None)
            prefix = "" if isinstance(found, GoldenError) else f"{self.what} {case.where}, sent to {self.served.name}: "
            return f"{prefix}{found}"
        self._keep_evidence(found)
        expected = None if found.refusal else subject.expected(found.signature.name)
        conflicts = find_size_conflicts(expected, found.inputs, found.outputs) if expected else []
        subject.note(f"golden {transport}", held=found.holds and not conflicts)
        if conflicts:
            if found.to_record:
                self.record(case, None)
            what = f"{self.what} {case.where} over {transport}"
            return f"{what}: sizes do not fit the signature\n" + "\n".join(conflicts)
        if found.to_record:
            self.record(case, found.outputs)
        return None if found.holds else self._failure(found)

    def record(self, case: Case, outputs: Mapping[str, Array] | None) -> None:
        """Keeps an answer to be written at the end of the run; None says that there is none over this transport."""
        check = self._check
        self._subject.recorded |= outputs is not None
        recorder = self._subject.session.recorder
        recorder.add(case.file, case.key, check.transport, outputs, self.run_provenance, check.tolerance, case.mark)

    def _keep_evidence(self, outcome: Outcome) -> None:
        session, check = self._subject.session, self._check
        if not session.wants_results:
            return
        from pytest_tfserving.report.evidence import evidence_of

        evidence = evidence_of(
            outcome,
            check.tolerance,
            self.run_provenance,
            self.baseline_name,
            overall=self._overall,
            pictures=bool(session.settings.report),
        )
        self._subject.evidence.append(evidence)

    def _failure(self, outcome: Outcome) -> str:
        from pytest_tfserving.report.generated import expected_refusal_failure
        from pytest_tfserving.report.golden_sets import case_failure
        from pytest_tfserving.report.goldens import View, baseline_failure, golden_failure

        node_id, against = self._subject.node_id, self.baseline_name
        name, what = self.served.name, self.what
        if outcome.refusal:
            how = "write it into the contract" if self._inline else "record it with `pytest --tfserving-update`"
            return expected_refusal_failure(outcome, name, f"take expect_error out and {how}", what)
        view = View(self._subject.session.verbosity, node_id)
        if isinstance(self._check, GoldenSetCheck):
            return case_failure(outcome, view)
        if against is not None:
            return baseline_failure(outcome, name, against, what, view=view)
        how = "write it into the contract" if self._inline else f"pytest --tfserving-update=changed {node_id!r}"
        return golden_failure(outcome, name, how, what, run=self.run_provenance, view=view)
