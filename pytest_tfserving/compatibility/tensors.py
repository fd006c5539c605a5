"""What changed in one tensor of a signature: its dtype, its shape, its default."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from pytest_tfserving.compatibility.json_values import is_base64, noticed_in_answers, noticed_in_requests
from pytest_tfserving.compatibility.shapes import ShapeChange, shape_changes
from pytest_tfserving.findings import Finding
from pytest_tfserving.rules import compatibility as rules
from pytest_tfserving.schema import SOME_DEFAULT, TensorSpec

_REQUEST = {
    ShapeChange.BATCH_FIXED: (
        rules.BATCH_DIMENSION_FIXED,
        "requests with another number of rows reach a graph that is not made for them",
    ),
    ShapeChange.BATCH_OPENED: (rules.BATCH_DIMENSION_OPENED, "requests may have any number of rows"),
    ShapeChange.BATCH_LOST: (
        rules.BATCH_DIMENSION_LOST,
        "send one example without the dimension around it; REST's row format always adds one",
    ),
    ShapeChange.BATCH_GAINED: (rules.BATCH_DIMENSION_GAINED, "send a batch, with one dimension around each example"),
    ShapeChange.RANK: (rules.INPUT_RANK_CHANGED, "send values with as many dimensions as the new shape has"),
    ShapeChange.SIZE: (rules.INPUT_SIZE_CHANGED, "send values of the new size"),
    ShapeChange.NARROWED: (rules.INPUT_SHAPE_NARROWED, "sizes that were taken no longer are; send those that fit"),
    ShapeChange.WIDENED: (rules.INPUT_SHAPE_WIDENED, "what was sent before still fits"),
}

_ANSWER = {
    ShapeChange.BATCH_FIXED: (
        rules.BATCH_DIMENSION_FIXED,
        "an answer has that many rows, however many were sent",
    ),
    ShapeChange.BATCH_OPENED: (rules.BATCH_DIMENSION_OPENED, "an answer has as many rows as its request"),
    ShapeChange.BATCH_LOST: (
        rules.BATCH_DIMENSION_LOST,
        "an answer has no row an example; read one value for the whole request",
    ),
    ShapeChange.BATCH_GAINED: (rules.BATCH_DIMENSION_GAINED, "read one row an example, with a dimension around them"),
    ShapeChange.RANK: (rules.OUTPUT_RANK_CHANGED, "read values with as many dimensions as the new shape has"),
    ShapeChange.SIZE: (rules.OUTPUT_SIZE_CHANGED, "read the new number of values, and see that each means the same"),
    ShapeChange.NARROWED: (rules.OUTPUT_SHAPE_NARROWED, "the sizes that come now could come before"),
    ShapeChange.WIDENED: (rules.OUTPUT_SHAPE_WIDENED, "do not rely on a size; read it off each answer"),
}

_AS_ANY_SIZE = {ShapeChange.BATCH_FIXED: ShapeChange.NARROWED, ShapeChange.BATCH_OPENED: ShapeChange.WIDENED}

# Fields of a TensorProto that hold several dtypes (tensorflow/core/framework/tensor.proto); of others each has its own.
_FIELDS = {"int32": "int_val", "int16": "int_val", "int8": "int_val", "uint16": "int_val", "uint8": "int_val",
           "float16": "half_val", "bfloat16": "half_val"}  # fmt: skip


def find_input_changes(signature: str, names: tuple[str, str], old: TensorSpec, new: TensorSpec) -> Iterator[Finding]:
    """What a request must do differently for one input; `names` are its old and its new name."""
    place = {"signature": signature, "side": "input", "tensor": names[0], "old": str(old), "new": str(new)}
    change = f"input {_called(names)} was {old} and is {new}"
    if old.dtype != new.dtype:
        yield Finding.of(
            rules.INPUT_DTYPE_CHANGED,
            f"{change}: gRPC clients that send {old.dtype} are refused; {noticed_in_requests(old.dtype, new.dtype)}",
            **place,
        )
    for shape_change in shape_changes(old, new):
        rule, then = _REQUEST[shape_change]
        yield Finding.of(rule, f"{change}: {then}", **place)
    if old.default is not None and new.default is None:
        yield Finding.of(
            rules.INPUT_DEFAULT_LOST,
            f"{change}, without a default: gRPC requests that leave it out are refused; send it",
            **place,
        )
    elif old.default is None and new.default is not None:
        yield Finding.of(rules.INPUT_DEFAULT_ADDED, f"{change}: gRPC requests may leave it out", **place)
    elif old.default not in (new.default, SOME_DEFAULT):
        yield Finding.of(
            rules.INPUT_DEFAULT_CHANGED,
            f"{change}: gRPC requests that leave it out get another answer; send {old.default} for the old one",
            **place,
        )


def find_output_changes(
    signature: str, names: tuple[str, str], old: TensorSpec, new: TensorSpec, batch: AbstractSet[ShapeChange]
) -> Iterator[Finding]:
    """What is different for who reads one output; `names` are its old and its new name.

    A first dimension is the batch's where `batch` has its change, else a size as any other.
    """
    place = {"signature": signature, "side": "output", "tensor": names[0], "old": str(old), "new": str(new)}
    was = f"output {_called(names)} was {old} and is {new}"
    if old.dtype != new.dtype:
        yield Finding.of(
            rules.OUTPUT_DTYPE_CHANGED,
            f"{was}: {_noticed_over_grpc(old.dtype, new.dtype)}; {noticed_in_answers(old.dtype, new.dtype, names[1])}",
            **place,
        )
    for shape_change in dict.fromkeys(
        change if change in batch else _AS_ANY_SIZE.get(change, change) for change in shape_changes(old, new)
    ):
        rule, then = _ANSWER[shape_change]
        yield Finding.of(rule, f"{was}: {then}", **place)
    if old.dtype == new.dtype and is_base64(old, names[0]) != is_base64(new, names[1]):
        if is_base64(new, names[1]):
            rule, then = rules.BYTES_SUFFIX_GAINED, 'REST writes {"b64": ...} objects where text stood; decode them'
        else:
            rule, then = rules.BYTES_SUFFIX_LOST, 'REST writes text where {"b64": ...} objects stood; do not decode it'
        yield Finding.of(
            rule, f"output {names[0]} is {names[1]} now: {then}", **place | {"old": names[0], "new": names[1]}
        )


def _noticed_over_grpc(old: str, new: str) -> str:
    field = _FIELDS.get(old)
    if field is not None and field == _FIELDS.get(new):
        return f"gRPC clients find the values in {field} as before, those that check the dtype do not go on"
    return f"gRPC clients find no {old} values in it"


def _called(names: tuple[str, str]) -> str:
    return names[0] if names[0] == names[1] else f"{names[0]} (now {names[1]})"
