"""Runs golden cases: sends the request, compares the answer, or hands it over to be recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pytest_tfserving.errors import GoldenError, TensorError
from pytest_tfserving.golden.compare import Comparison, compare
from pytest_tfserving.golden.store import Case
from pytest_tfserving.golden.text import is_exact, read_tensor
from pytest_tfserving.golden.tolerance import Tolerance
from pytest_tfserving.schema import DEFAULT_SIGNATURE, ModelSchema, Signature
from pytest_tfserving.tensors import Array, rows_to_columns


class Predictor(Protocol):
    """Whatever answers predict requests; both clients do."""

    @property
    def transport(self) -> str:
        """`rest` or `grpc`."""

    def predict(self, *, inputs: Mapping[str, object], signature_name: str) -> dict[str, Array]:
        """The outputs by name."""


class RowPredictor(Protocol):
    """A predictor that also takes rows; REST's client does."""

    def predict(self, *, instances: list[Any], signature_name: str) -> dict[str, Array]:
        """The outputs by name."""


@dataclass(frozen=True)
class Outcome:
    """One case over one transport. `comparison` is None where no answer was there to compare with.

    `to_record` says that the answer must be written: there was none, it differed, or every one is wanted.
    """

    case: Case
    transport: str
    signature: Signature
    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]
    comparison: Comparison | None
    to_record: bool


def check_case(case: Case, client: Predictor, schema: ModelSchema, tolerance: Tolerance, update: str | None) -> Outcome:
    """Sends a case and compares what comes back.

    Raises GoldenError where the case has no answer and none is to be recorded, or does not fit the signature;
    RequestError where the server refuses it.
    """
    signature = _signature(case, schema)
    inputs = _inputs(case, signature)
    try:
        expected = expected_outputs(case, signature) if case.answer is not None else None
    except GoldenError:
        if update in (None, "new"):
            raise
        expected = None  # an answer that no longer fits the signature is one that differs
    if expected is None and update is None:
        raise GoldenError(f"{case.where} has no outputs yet; record them with `pytest --tfserving-update`")
    if "instances" in case.request and client.transport == "rest":
        rows: RowPredictor = client  # type: ignore[assignment]  # REST's client takes both forms
        outputs = rows.predict(instances=case.request["instances"], signature_name=signature.name)
    else:
        outputs = client.predict(inputs=inputs, signature_name=signature.name)
    comparison = compare(expected, outputs, tolerance) if expected is not None else None
    return Outcome(case, client.transport, signature, inputs, outputs, comparison, must_record(comparison, update))


def must_record(comparison: Comparison | None, update: str | None) -> bool:
    """Whether --tfserving-update wants an answer written: `new`, `changed`, `all` (each includes the one before)."""
    if update is None:
        return False
    return comparison is None or update == "all" or (update == "changed" and not comparison.holds)


def expected_outputs(case: Case, signature: Signature) -> dict[str, Array]:
    """The case's recorded outputs as arrays; plain values take the signature's dtypes."""
    assert case.answer is not None
    names = list(signature.outputs)
    columns = _columns(case, case.answer, names, "output")
    for name, value in columns.items():
        if name not in signature.outputs and not is_exact(value):
            raise GoldenError(_other_keys(case, "output", name, signature.name, names))
    return _arrays(case, columns, {name: spec.dtype for name, spec in signature.outputs.items()})


def _signature(case: Case, schema: ModelSchema) -> Signature:
    name = case.signature_name or DEFAULT_SIGNATURE
    if name not in schema.signatures:
        known = ", ".join(map(repr, schema.callable_signatures)) or "none"
        raise GoldenError(
            f"{case.where} is a golden of signature {name!r}, which the model does not have; it has {known}"
            + ("" if case.signature_name else '. Say which is meant: "signature_name": "..."')
        )
    return schema.signatures[name]


def _inputs(case: Case, signature: Signature) -> dict[str, Array]:
    """The case's inputs as arrays of the signature's dtypes; rows are stacked."""
    names = list(signature.inputs)
    columns = _columns(case, case.request, names, "input")
    for name in columns:
        if name not in signature.inputs:
            raise GoldenError(_other_keys(case, "input", name, signature.name, names))
    for name in names:
        if name not in columns and name not in signature.defaulted:
            raise GoldenError(f"{case.where} lacks input {name!r} of signature {signature.name!r}")
    return _arrays(case, columns, {name: spec.dtype for name, spec in signature.inputs.items()})


def _columns(case: Case, values: Mapping[str, Any], names: list[str], side: str) -> Mapping[str, Any]:
    """The values of a request or an answer by tensor name: rows are turned, and a lone tensor gets its name."""
    [(form, value)] = values.items()
    if form in ("instances", "predictions"):
        return _in_rows(case, value, names)
    if isinstance(value, dict) and not is_exact(value) and set(value) != {"b64"}:
        return value
    if len(names) != 1:
        raise GoldenError(f"{case.where}: values without a name need a signature of one {side}; it has {names}")
    return {names[0]: value}


def _arrays(case: Case, columns: Mapping[str, Any], dtypes: Mapping[str, str]) -> dict[str, Array]:
    try:
        return {name: read_tensor(value, dtypes.get(name, ""), name) for name, value in columns.items()}
    except TensorError as error:
        raise GoldenError(f"{case.where}: {error}") from error


def _in_rows(case: Case, rows: Any, names: list[str]) -> dict[str, list[Any]]:
    if not isinstance(rows, list):
        raise GoldenError(f"{case.where}: `instances` and `predictions` are lists, one item an example")
    try:
        return rows_to_columns(rows, names)
    except TensorError as error:
        raise GoldenError(f"{case.where}: {error}") from error


def _other_keys(case: Case, side: str, name: str, signature_name: str, names: list[str]) -> str:
    known = ", ".join(map(repr, names)) or "none"
    return (
        f"{case.where} has {side} {name!r}, signature {signature_name!r} has {known}: the golden is of another "
        f"signature, or the model has changed its names"
    )
