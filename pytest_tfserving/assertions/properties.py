"""Asserts what holds for every answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pytest_tfserving.assertions.subject import Subject
from pytest_tfserving.assertions.ways import ask_over, carried, ways_of, why_unaskable
from pytest_tfserving.contracts.batch import find_batch
from pytest_tfserving.contracts.check import ExpectedSignature, find_size_conflicts
from pytest_tfserving.contracts.checks import PropertiesCheck
from pytest_tfserving.contracts.monotone import BrokenTrend, find_broken_trends
from pytest_tfserving.contracts.promises import Promises, check_promises
from pytest_tfserving.contracts.properties import BrokenPromise, find_broken_values
from pytest_tfserving.contracts.relations import Ask, BrokenRelation, Way, find_broken_relations
from pytest_tfserving.errors import RequestError, SpecError, TensorError
from pytest_tfserving.golden.case_arrays import case_inputs
from pytest_tfserving.golden.store import Case, find_files, read_cases
from pytest_tfserving.golden.tolerance import Tolerance
from pytest_tfserving.report.promises import promises_failure
from pytest_tfserving.schema import DEFAULT_SIGNATURE, Signature
from pytest_tfserving.tensors import Array

Broken = BrokenPromise | BrokenTrend | BrokenRelation


def check_properties(subject: Subject, check: PropertiesCheck) -> str | None:
    """Sends the requests of golden cases, and looks at each answer and at what it is when it is asked otherwise."""
    promises = check.promises
    signature, expected = subject.signature(promises.signature), subject.expected(promises.signature)
    check_promises(promises, signature.inputs, signature.outputs, f"properties of {signature.name}")
    cases = list(_cases(check))
    if not cases:
        raise SpecError(
            f"properties of {signature.name!r}: none of the requests is of that signature; give some, or send "
            f"generated ones (tfserving_generated, [generated])"
        )
    ways = ways_of(subject, promises, subject.transport)
    unaskable = why_unaskable(promises, ways)
    if unaskable:
        failures = [unaskable]
    else:
        found = [_check_case(subject, case, signature, expected, check, ways) for case in cases]
        failures = [failure for failure in found if failure]
    subject.note(f"properties {signature.name}", held=not failures)
    return "\n\n".join(failures) or None


def find_broken(
    promises: Promises,
    signature: Signature,
    expected: ExpectedSignature | None,
    inputs: Mapping[str, Array],
    outputs: Mapping[str, Array],
    ask: Ask,
    ways: Mapping[str, Way],
    tolerance: Tolerance,
) -> list[Broken]:
    """All promises that one request and its answer break; `ask` has given the answer."""
    promises = carried(promises, signature, inputs)
    batch = find_batch(signature, expected, inputs, outputs)
    return [
        *find_broken_values(promises, outputs, tolerance),
        *find_broken_trends(promises, batch, inputs, outputs, ask, tolerance),
        *find_broken_relations(promises, signature, expected, inputs, outputs, ask, ways, tolerance),
    ]


def _check_case(
    subject: Subject,
    case: Case,
    signature: Signature,
    expected: ExpectedSignature | None,
    check: PropertiesCheck,
    ways: Mapping[str, Way],
) -> str | None:
    transport = case.transport or subject.transport
    ask = ask_over(subject.served, transport, signature.name)
    where = f"{case.where}, over {transport}"
    try:
        inputs = case_inputs(case, signature)
        outputs = ask(inputs)
        broken = find_broken(check.promises, signature, expected, inputs, outputs, ask, ways, check.tolerance)
    except (RequestError, TensorError) as error:
        return f"properties of {signature.name!r}: {where}: {error}"
    conflicts = find_size_conflicts(expected, inputs, outputs) if expected else []
    failures = [promises_failure(broken, subject.name, signature.name, inputs, where)] if broken else []
    if conflicts:
        failures.append("\n".join([f"{where}: sizes do not fit the signature", *conflicts]))
    return "\n\n".join(failures) or None


def _cases(check: PropertiesCheck) -> Iterator[Case]:
    listed = [case for files in check.requests for file in find_files(files.pattern, files.base)
              for case in read_cases(file)]  # fmt: skip
    for case in (*check.cases, *listed):
        if (case.signature_name or DEFAULT_SIGNATURE) == check.promises.signature and case.expected_error is None:
            yield case
