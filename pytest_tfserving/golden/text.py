"""Golden JSON: exact tensors, and a layout that a person can review.

A recorded tensor is {"dtype", "shape", "values"}: values nested by shape (or all in one list), floats as the shortest
decimals that read back to the same number, NaN and infinities as text, strings as text where they are UTF-8, else
{"b64": ...}, complex numbers as [real, imaginary].
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any

import numpy as np

from pytest_tfserving.errors import GoldenError, TensorError
from pytest_tfserving.tensors import Array, as_array, base64_object, from_json, name_of, nested, numpy_dtype

_WIDTH = 100
_TENSOR_KEYS = {"dtype", "shape", "values"}


def is_exact(value: Any) -> bool:
    """Whether a JSON value is a recorded tensor rather than plain values as REST takes them."""
    return isinstance(value, dict) and set(value) == _TENSOR_KEYS


def write_tensor(array: Array) -> dict[str, Any]:
    """An array as a recorded tensor."""
    name = name_of(array)
    values = nested(as_array(array, name), _scalar) if name == "string" else _values(array)
    return {"dtype": name, "shape": list(array.shape), "values": values}


def read_tensor(value: Any, dtype: str, name: str) -> Array:
    """The array of a recorded tensor, or of plain values that take `dtype`.

    Raises TensorError where values, shape and dtype do not agree.
    """
    if not is_exact(value):
        return from_json(value, dtype, name=name)
    dtype, shape = value["dtype"], value["shape"]
    if not isinstance(dtype, str) or not isinstance(shape, list) or not all(_is_size(size) for size in shape):
        raise TensorError(
            f"{name!r}: a dtype's name and a list of sizes expected, received {dtype!r} and {shape!r:.60}"
        )
    array = from_json(value["values"], dtype, name=name)
    shape = tuple(shape)
    if array.size == 0 and 0 in shape:
        return np.empty(shape, numpy_dtype(dtype))  # JSON's nesting does not tell the inner sizes
    if array.ndim == 1 and array.size == np.prod(shape, dtype=np.int64):
        return array.reshape(shape)
    if array.shape != shape:
        raise TensorError(f"{name!r}: shape {list(shape)} is written, the values have {list(array.shape)}")
    return array


class Verbatim(str):
    """JSON text that is written as it stands: what a person wrote stays as they laid it out."""


def with_verbatim(text: str, keep: Collection[str], named: str | None = None) -> Any:
    """The document of valid golden text, in which the value of every key in `keep` is its own text.

    In the object at the key `named` the keys are names that a person chose, and none of them is in `keep`.
    """
    value, _ = _verbatim_value(text, _skip(text, 0), keep, named)
    return value


def dumps(document: Any) -> str:
    """JSON with one line for whatever fits a line, so that a value that moves is a line that moves."""
    return _layout(document, 0) + "\n"


def loads(text: str, where: str) -> Any:
    """The document of a golden's text. Raises GoldenError where it is no JSON or says a key twice."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        repeated = {key for key in keys if keys.count(key) > 1}
        if repeated:
            raise GoldenError(f"{where}: key {sorted(repeated)[0]!r} stands twice in one object")
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise GoldenError(f"{where}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from error


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _values(array: Array) -> Any:
    if array.dtype.kind == "c":
        parts = np.stack([array.real, array.imag], axis=-1)
        return _values(parts)
    if array.dtype.kind not in "fV":
        return array.tolist()
    # numpy's text of a float is the shortest that reads back to the same number of its own type; as a Python float
    # that decimal prints the same digits.
    shortest = array.astype(np.float32) if array.dtype.itemsize == 2 and array.dtype.kind == "V" else array
    decimals = shortest.astype(str).astype(np.float64)
    if np.isfinite(decimals).all():
        return decimals.tolist()
    return nested(decimals.astype(object), _scalar)


def _scalar(value: Any) -> Any:
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return base64_object(value)
    if np.isnan(value):
        return "NaN"
    return value if np.isfinite(value) else "Infinity" if value > 0 else "-Infinity"


_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\r\n]*")


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _verbatim_value(
    text: str, start: int, keep: Collection[str], named: str | None, are_names: bool = False
) -> tuple[Any, int]:
    """The value at `start` and where it ends. Only objects are looked into; lists are taken as they are."""
    if text[start] != "{":
        return _DECODER.raw_decode(text, start)
    members: dict[str, Any] = {}
    position = _skip(text, start + 1)
    while text[position] != "}":
        key, position = _DECODER.raw_decode(text, position)
        position = _skip(text, _skip(text, position) + 1)  # behind the colon
        value, end = _verbatim_value(text, position, keep, named, key == named and not are_names)
        members[key] = Verbatim(text[position:end]) if key in keep and not are_names else value
        position = _skip(text, end)
        if text[position] == ",":
            position = _skip(text, position + 1)
    return members, position + 1


def _layout(value: Any, indent: int) -> str:
    if isinstance(value, Verbatim):
        return value
    if isinstance(value, dict) and any(isinstance(item, Verbatim | dict) for item in value.values()):
        line = None  # an object of objects: one line a member
    else:
        line = json.dumps(value, ensure_ascii=False)
    if line is not None and (not isinstance(value, dict | list) or not value):
        return line
    if line is not None and len(line) + indent <= _WIDTH:
        return line
    inner = " " * (indent + 2)
    if is_exact(value):  # the head of a tensor shares its line
        head = f'{{"dtype": {json.dumps(value["dtype"])}, "shape": {value["shape"]}, "values": '
        return head + _layout(value["values"], indent) + "}"
    if isinstance(value, dict):
        items = [f"{json.dumps(key, ensure_ascii=False)}: {_layout(item, indent + 2)}" for key, item in value.items()]
        opening, closing = "{", "}"
    elif all(isinstance(item, int | float | str) for item in value):
        items, opening, closing = _filled(value, indent + 2), "[", "]"
    else:
        items, opening, closing = [_layout(item, indent + 2) for item in value], "[", "]"
    return opening + "\n" + ",\n".join(inner + item for item in items) + "\n" + " " * indent + closing


def _filled(values: list[Any], indent: int) -> list[str]:
    """Long flat lists, as many values a line as fit."""
    lines, line = [], ""
    for value in values:
        text = json.dumps(value, ensure_ascii=False)
        if line and len(line) + 2 + len(text) + indent > _WIDTH:
            lines.append(line)
            line = text
        else:
            line = f"{line}, {text}" if line else text
    return [*lines, line]
