"""Asserts that values of a test's body are as recorded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pytest_tfserving.errors import GoldenError, TFServingError
from pytest_tfserving.golden.check import Outcome, must_record
from pytest_tfserving.golden.compare import compare
from pytest_tfserving.golden.exact import read_tensor
from pytest_tfserving.golden.provenance import describe_run
from pytest_tfserving.golden.store import Case, read_answer, where
from pytest_tfserving.golden.text import is_exact
from pytest_tfserving.golden.tolerance import Tolerance, check_outputs_named
from pytest_tfserving.report.goldens import View, changed_environment, comparison_lines
from pytest_tfserving.report.results import CheckResult, Status
from pytest_tfserving.schema import Signature
from pytest_tfserving.served import Served
from pytest_tfserving.session import Session
from pytest_tfserving.tensors import name_of

__tracebackhide__ = True  # a failing test's report ends at the test's own line


def check_recorded(
    session: Session,
    served: Served | None,
    outputs: Mapping[str, object],
    file: Path,
    tolerance: Tolerance,
    node_id: str,
    results: list[CheckResult],
) -> str | None:
    """Compares outputs that a test's body holds with the golden at `file`, or collects them to be recorded.

    `served` is the model that the test was given, None where it took none; `results` get one more. Raises GoldenError
    where there is no golden that can be used, SpecError where the tolerance says nothing of the outputs.
    """
    model = served.name if served else ""
    made_by = describe_run(served.provenance) if served else {}
    try:
        outcome = _compare(session.settings.update, outputs, file, tolerance)
    except TFServingError as error:
        results.append(CheckResult("golden", model, where(file), None, "failed", f"{type(error).__name__}: {error}"))
        raise
    failure = None
    if outcome.to_record:
        session.recorder.add(file, None, "body", outcome.outputs, made_by or describe_run({}), tolerance)
    elif not outcome.holds:
        failure = _failure(outcome, made_by, View(session.verbosity, node_id))
    evidence = []
    if session.wants_results:
        from pytest_tfserving.report.evidence import evidence_of

        evidence.append(evidence_of(outcome, tolerance, made_by, None, pictures=bool(session.settings.report)))
    status: Status = "failed" if failure else "recorded" if outcome.to_record else "held"
    results.append(CheckResult("golden", model, where(file), None, status, failure or "", evidence))
    return failure


def _compare(update: str | None, outputs: Mapping[str, object], file: Path, tolerance: Tolerance) -> Outcome:
    arrays = {name: np.asarray(value) for name, value in outputs.items()}
    case = read_answer(file)
    check_outputs_named(tolerance, arrays)
    expected = comparison = None
    if case is not None and case.answer is not None:
        answer = case.answer.get("outputs")
        if not isinstance(answer, dict) or not all(is_exact(value) for value in answer.values()):
            raise GoldenError(f"{file}: a golden of a test's body holds recorded tensors by name under `outputs`")
        expected = {name: read_tensor(value, "", name) for name, value in answer.items()}
        comparison = compare(expected, arrays, tolerance)
    to_record = must_record(comparison, update)
    if comparison is None and not to_record:
        raise GoldenError(f"no golden {file}; record it with `pytest --tfserving-update`")
    case = case or Case(file.stem, file, None, None, {}, None, {})
    return Outcome(case, "body", Signature("", {}, {}), {}, expected, arrays, comparison, to_record)


def _failure(outcome: Outcome, made_by: Mapping[str, str], view: View) -> str:
    assert outcome.comparison is not None
    lines = [
        f"golden {where(outcome.case.file)} differs",
        "",
        *changed_environment(outcome.case.provenance, made_by),
        *comparison_lines(outcome.comparison, {n: name_of(a) for n, a in outcome.outputs.items()}, view),
        "",
        f"if the new values are right: pytest --tfserving-update=changed {view.node_id!r}",
    ]
    return "\n".join(lines)
