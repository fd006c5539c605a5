"""Runs golden cases: sends the request, compares the answer or the refusal, or hands it over to be recorded."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pytest_tfserving.errors import GoldenError, RequestError, TensorError
from pytest_tfserving.golden.case_arrays import case_inputs, expected_outputs, inputs_as_written
from pytest_tfserving.golden.compare import compare
from pytest_tfserving.golden.difference import Comparison
from pytest_tfserving.golden.refusal import ExpectedError, Refusal
from pytest_tfserving.golden.store import Case
from pytest_tfserving.golden.tolerance import Tolerance, check_outputs_named
from pytest_tfserving.schema import DEFAULT_SIGNATURE, ModelSchema, Signature
from pytest_tfserving.tensors import Array


class Predictor(Protocol):
    """Whatever answers predict requests; both clients do."""

    @property
    def transport(self) -> str:
        """`rest` or `grpc`."""

    def predict(self, *, inputs: Mapping[str, object], signature_name: str, fit: bool = True) -> dict[str, Array]:
        """The outputs by name; with `fit` False the inputs are sent as they are. Raises RequestError for a refusal."""


class RowPredictor(Protocol):
    """A predictor that also takes rows; REST's client does."""

    def predict(self, *, instances: list[Any], signature_name: str) -> dict[str, Array]:
        """The outputs by name."""


@dataclass(frozen=True)
class Outcome:
    """One case over one transport. `comparison` is None where no answer was there to compare with.

    `expected` is what the answer was compared with, recorded or a baseline's. `to_record` says that the answer must be
    written: there was none, it differed, or every one is wanted. A case that expects a refusal has `refusal` alone: no
    inputs, outputs or comparison, and nothing to record.
    """

    case: Case
    transport: str
    signature: Signature
    inputs: Mapping[str, Array]
    expected: Mapping[str, Array] | None
    outputs: Mapping[str, Array]
    comparison: Comparison | None
    to_record: bool
    refusal: Refusal | None = None

    @property
    def holds(self) -> bool:
        """Whether the answer is the golden's, or will be recorded as such, or the refusal is the one expected."""
        if self.refusal is not None:
            return self.refusal.holds
        return self.comparison is None or self.comparison.holds or self.to_record


def check_case(
    case: Case,
    client: Predictor,
    schema: ModelSchema,
    tolerance: Tolerance,
    update: str | None,
    *,
    baseline: Predictor | None = None,
    overall: Collection[str] = (),
) -> Outcome:
    """Sends a case and compares what comes back, with what the `baseline` answers where one is given.

    A case that expects a refusal is sent as it is written, whether or not it fits the signature, and never recorded.
    Of outputs in `overall` that have no rule of their own in the tolerance no values are compared: those are judged
    over many cases (overall.py).
    Raises GoldenError where the case has no answer and none is to be recorded, or does not fit the signature;
    RequestError where the server refuses it, or gives no answer where it should refuse; SpecError where the tolerance
    has a rule of an output that no signature has, or that says nothing of its dtype.
    """
    if tolerance.outputs:  # a schema may have thousands of signatures, and few cases have rules
        check_outputs_named(tolerance, {name for s in schema.callable_signatures.values() for name in s.outputs})
    if case.expected_error is not None:
        return _check_refusal(case, case.expected_error, client, schema)
    signature = _signature(case, schema)
    inputs = case_inputs(case, signature)
    if baseline is not None:
        update = None  # what another export answers is recorded nowhere
    expected = _ask_baseline(case, baseline, signature, inputs) if baseline else _recorded(case, signature, update)
    outputs = ask(case, client, signature, inputs)
    specs_alone = [name for name in overall if name not in tolerance.outputs]
    comparison = None if expected is None else compare(expected, outputs, tolerance, specs_alone=specs_alone)
    to_record = must_record(comparison, update)
    return Outcome(case, client.transport, signature, inputs, expected, outputs, comparison, to_record)


def _recorded(case: Case, signature: Signature, update: str | None) -> dict[str, Array] | None:
    """The answer that the case has; None where one is to be recorded."""
    try:
        expected = expected_outputs(case, signature) if case.answer is not None else None
    except GoldenError:
        if update in (None, "new"):
            raise
        expected = None  # an answer that no longer fits the signature is one that differs
    if expected is None and update is None:
        raise GoldenError(f"{case.where} has no outputs yet; record them with `pytest --tfserving-update`")
    return expected


def ask(case: Case, client: Predictor, signature: Signature, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """The answer to a case's request, whose inputs are given; rows go as they stand over REST. Raises as predict()."""
    if "instances" in case.request and client.transport == "rest":
        rows: RowPredictor = client  # type: ignore[assignment]  # REST's client takes both forms
        outputs = rows.predict(instances=case.request["instances"], signature_name=signature.name)
    else:
        outputs = client.predict(inputs=inputs, signature_name=signature.name)
    if case.output_filter:
        outputs = {name: array for name, array in outputs.items() if name in case.output_filter}
    return outputs


def _ask_baseline(
    case: Case, baseline: Predictor, signature: Signature, inputs: Mapping[str, Array]
) -> dict[str, Array]:
    """What the baseline answers. Raises GoldenError where it refuses what the export under test may well answer."""
    try:
        return ask(case, baseline, signature, inputs)
    except (RequestError, TensorError) as error:
        raise GoldenError(
            f"{case.where}: the baseline refuses it, so there is nothing to compare with: {error}"
        ) from error


def _check_refusal(case: Case, expected: ExpectedError, client: Predictor, schema: ModelSchema) -> Outcome:
    name = case.signature_name or DEFAULT_SIGNATURE
    signature = schema.signatures.get(name, Signature(name, {}, {}))
    try:
        refusal = Refusal(expected, None, _send_as_written(case, client, signature))
    except RequestError as error:
        refusal = Refusal(expected, error, {})
        if error.may_be_no_answer and not refusal.holds:
            raise
    return Outcome(case, client.transport, signature, {}, None, {}, None, False, refusal)


def _send_as_written(case: Case, client: Predictor, signature: Signature) -> dict[str, Array]:
    """The answer to a request that need not fit the signature."""
    if client.transport == "rest" and "instances" in case.request:
        rows: RowPredictor = client  # type: ignore[assignment]  # REST's client takes both forms
        return rows.predict(instances=case.request["instances"], signature_name=signature.name)
    inputs = inputs_as_written(case, signature, client.transport)
    return client.predict(inputs=inputs, signature_name=signature.name, fit=False)


def must_record(comparison: Comparison | None, update: str | None) -> bool:
    """Whether --tfserving-update wants an answer written: `new`, `changed`, `all` (each includes the one before)."""
    if update is None:
        return False
    return comparison is None or update == "all" or (update == "changed" and not comparison.holds)


def _signature(case: Case, schema: ModelSchema) -> Signature:
    name = case.signature_name or DEFAULT_SIGNATURE
    if name not in schema.signatures:
        known = ", ".join(map(repr, schema.callable_signatures)) or "none"
        raise GoldenError(
            f"{case.where} is a golden of signature {name!r}, which the model does not have; it has {known}"
            + (
                "; where it was renamed, write its new name into the golden; where it is gone for good, remove the case"
                if case.signature_name
                else '. Say which is meant: "signature_name": "..."'
            )
        )
    return schema.signatures[name]
