"""The values of a golden case as arrays: its inputs and its recorded outputs, as a signature says."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pytest_tfserving.errors import GoldenError, TensorError
from pytest_tfserving.golden.case import Case
from pytest_tfserving.golden.exact import read_tensor
from pytest_tfserving.golden.text import is_exact
from pytest_tfserving.schema import Signature
from pytest_tfserving.tensors import Array, from_json, rows_to_columns

# What plain values of a request that fits no signature are, the first that holds them.
_JSON_DTYPES = ("bool", "int32", "int64", "uint64", "float32", "string")


def case_inputs(case: Case, signature: Signature) -> dict[str, Array]:
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


def expected_outputs(case: Case, signature: Signature) -> dict[str, Array]:
    """The case's recorded outputs as arrays; plain values take the signature's dtypes."""
    assert case.answer is not None
    names = list(signature.outputs)
    columns = _columns(case, case.answer, names, "output")
    for name, value in columns.items():
        if name not in signature.outputs and not is_exact(value):
            raise GoldenError(_other_keys(case, "output", name, signature.name, names))
    return _arrays(case, columns, {name: spec.dtype for name, spec in signature.outputs.items()})


def inputs_as_written(case: Case, signature: Signature, transport: str) -> Any:
    """The inputs of a request that need not fit the signature: over REST its JSON, with the values of exact tensors."""
    if transport == "rest":
        return _with_arrays(case, case.request["inputs"])
    names = [] if _are_named(case.request.get("instances")) else list(signature.inputs)
    columns = _columns(case, case.request, names, "input")
    return {name: _as_array(case, value, signature, name) for name, value in columns.items()}


def _are_named(rows: Any) -> bool:
    """Whether rows are objects by input name, of a signature with one input too."""
    return isinstance(rows, list) and all(isinstance(row, dict) and set(row) != {"b64"} for row in rows)


def _with_arrays(case: Case, value: Any) -> Any:
    """The value of `inputs` with its exact tensors as arrays, all else as it is."""
    if is_exact(value):
        return _arrays(case, {"inputs": value}, {})["inputs"]
    if isinstance(value, dict):
        exact = {name: item for name, item in value.items() if is_exact(item)}
        return {**value, **_arrays(case, exact, {})}
    return value


def _as_array(case: Case, value: Any, signature: Signature, name: str) -> Array:
    """An input as gRPC carries it: of the signature's dtype where it fits that, else of the dtype that its JSON has."""
    if is_exact(value):
        return _arrays(case, {name: value}, {})[name]
    fitting = (signature.inputs[name].dtype,) if name in signature.inputs else ()
    for dtype in (*fitting, *_JSON_DTYPES):
        with suppress(TensorError):
            return from_json(value, dtype, name=name)
    raise GoldenError(
        f'{case.where}: {name!r} is no tensor that gRPC can carry: {value!r:.60}; if REST is meant: "transport": "rest"'
    )


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


def _in_rows(case: Case, rows: Any, names: list[str]) -> dict[str, list[Any]]:
    if not isinstance(rows, list):
        raise GoldenError(f"{case.where}: `instances` and `predictions` are lists, one item an example")
    try:
        return rows_to_columns(rows, names)
    except TensorError as error:
        raise GoldenError(f"{case.where}: {error}") from error


def _arrays(case: Case, columns: Mapping[str, Any], dtypes: Mapping[str, str]) -> dict[str, Array]:
    try:
        return {name: read_tensor(value, dtypes.get(name, ""), name) for name, value in columns.items()}
    except TensorError as error:
        raise GoldenError(f"{case.where}: {error}") from error


def _other_keys(case: Case, side: str, name: str, signature_name: str, names: list[str]) -> str:
    known = ", ".join(map(repr, names)) or "none"
    remedy = (
        "record its answer again with `pytest --tfserving-update`"
        if side == "output"
        else 'write the names of now into its request, or the signature that it is of: "signature_name": "..."'
    )
    return (
        f"{case.where} has {side} {name!r}, signature {signature_name!r} has {known}: the golden is of another "
        f"signature, or the model has changed its names; {remedy}"
    )
