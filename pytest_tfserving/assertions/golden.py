"""Asserts that a golden case is answered as recorded."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_tfserving.assertions.subject import Subject
from pytest_tfserving.contracts.check import find_size_conflicts
from pytest_tfserving.contracts.checks import GoldenCheck
from pytest_tfserving.errors import GoldenError, RequestError, TensorError
from pytest_tfserving.golden.check import check_case
from pytest_tfserving.golden.provenance import describe_run
from pytest_tfserving.report.generated import expected_refusal_failure
from pytest_tfserving.report.goldens import View, golden_failure
from pytest_tfserving.tensors import Array


def check_golden(subject: Subject, check: GoldenCheck) -> str | None:
    """Sends a golden case and compares the answer, or collects it to be recorded."""
    session, served, case, transport = subject.session, subject.served, check.case, check.transport
    what, update = ("request", None) if check.inline else ("golden", session.settings.update)

    def record(outputs: Mapping[str, Array] | None) -> None:
        provenance = describe_run(served.provenance)
        session.recorder.add(case.file, case.key, transport, outputs, provenance, check.tolerance)

    try:
        outcome = check_case(case, served.client(transport), served.schema, check.tolerance, update)
    except (GoldenError, RequestError, TensorError) as error:
        subject.note(f"golden {transport}", held=False)
        if update:
            record(None)
        prefix = "" if isinstance(error, GoldenError) else f"{what} {case.where}, sent to {served.name}: "
        return f"{prefix}{error}"
    expected = None if outcome.refusal else subject.expected(outcome.signature.name)
    conflicts = find_size_conflicts(expected, outcome.inputs, outcome.outputs) if expected else []
    subject.note(f"golden {transport}", held=outcome.holds and not conflicts)
    if outcome.refusal and not outcome.holds:
        how = "write it into the contract" if check.inline else "record it with `pytest --tfserving-update`"
        return expected_refusal_failure(outcome, served.name, f"take expect_error out and {how}", what)
    if conflicts:
        if outcome.to_record:
            record(None)
        return f"{what} {case.where} over {transport}: sizes do not fit the signature\n" + "\n".join(conflicts)
    if outcome.to_record:
        record(outcome.outputs)
        return None
    if not outcome.holds:
        how = "write it into the contract" if check.inline else f"pytest --tfserving-update=changed {subject.node_id!r}"
        view = View(session.verbosity, subject.node_id)
        return golden_failure(outcome, served.name, how, what, run=describe_run(served.provenance), view=view)
    return None
