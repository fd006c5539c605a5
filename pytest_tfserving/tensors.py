"""numpy <-> TensorProto <-> JSON, for every dtype that TensorFlow Serving serves. No I/O.

A string tensor is an object array of `bytes`, as tf.make_ndarray gives it. bfloat16 is ml_dtypes' dtype.
The forms of TensorProto are those of tensorflow/core/framework/tensor.{proto,cc}; the JSON forms are those of
tensorflow_serving/util/json_tensor.h as a client meets them. The server's own, stricter reading of JSON is
server/json_tensor.py.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from itertools import accumulate
from operator import mul
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_tfserving.dtypes import DTYPES, dtype_name, dtype_row
from pytest_tfserving.errors import TensorError
from pytest_tfserving.varint import read_varint
from pytest_tfserving.wire import tensorflow_pb2 as tf

__tracebackhide__ = True  # a failing test's report ends at the test's own line

Array = NDArray[Any]


# JSON has no such numbers; goldens write them as text, which every editor and linter accepts.
NON_FINITE = ("NaN", "Infinity", "-Infinity")

# TensorShape::MaxDimensions (tensorflow/core/framework/tensor_shape.h); the runtime aborts beyond it.
MOST_DIMENSIONS = 254
_MOST_ELEMENTS = 2**63 - 1


@cache
def numpy_dtype(name: str) -> np.dtype[Any]:
    """The numpy dtype of a dtype's name: object for string. Raises TensorError for one that is not served."""
    row = dtype_row(name)
    if row.numpy == "bfloat16":
        import ml_dtypes  # only numpy's own dtypes are needed by most runs

        bfloat16: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
        return bfloat16
    return np.dtype(row.numpy)


def name_of(array: Array) -> str:
    """The dtype's name of an array. Raises TensorError for an array that no tensor can hold."""
    return _name_of(array.dtype)


@lru_cache  # numpy makes the name anew each time, in microseconds
def _name_of(dtype: np.dtype[Any]) -> str:
    name = "string" if dtype.kind in "OSU" else str(dtype.name)
    dtype_row(name)
    return name


def as_array(value: object, dtype: str | None, *, name: str = "value") -> Array:
    """A value of a test as an array of `dtype`; without one (an alias that the signature lacks) as numpy reads it.

    Python numbers and lists take the dtype. An array that says its own dtype is converted within its kind, so
    float64 serves for float32 and int64 for int32 where the numbers fit; float for int, or a number that would
    wrap around, raises TensorError, as does a ragged list. `name` is the input's alias, for the message.
    """
    if dtype == "string" or (dtype is None and _holds_text(value)):
        return _as_string_array(value, name)
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise TensorError(f"input {name!r}: a tensor needs lists of equal length at each depth: {error}") from error
    if dtype is None:
        name_of(array)
        return array
    wanted = numpy_dtype(dtype)
    if array.dtype == wanted:
        return array
    if not isinstance(value, np.ndarray | np.generic):
        if array.size == 0:
            return array.astype(wanted)
        if array.dtype.kind == "f" and wanted.kind in "iu":
            exact = np.array(value, dtype=object)  # integers on both sides of int64's range have become floats
            if all(isinstance(item, int | np.integer) for item in exact.ravel().tolist()):
                _require_range(exact, wanted, name)
                return exact.astype(wanted)
    if array.dtype.kind in "OUS" or not _same_kind(array.dtype, wanted):
        raise TensorError(
            f"input {name!r}: the signature says {dtype}, received {_describe(array)}; "
            f"convert it first if that is meant, for example with .astype({dtype!r})"
        )
    _require_range(array, wanted, name)
    with np.errstate(over="ignore"):
        return array.astype(wanted)


def to_proto(array: Array) -> tf.TensorProto:
    """The TensorProto of an array: tensor_content for numbers, string_val for strings."""
    name = name_of(array)
    proto = tf.TensorProto(dtype=DTYPES[name].enum)  # type: ignore[arg-type]  # an enum's value is an int
    proto.tensor_shape.SetInParent()  # a scalar has a shape of no dimensions, not a missing one
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    if name == "string":
        proto.string_val.extend(_as_string_array(array, "value").ravel().tolist())
    else:
        proto.tensor_content = np.ascontiguousarray(array, numpy_dtype(name)).tobytes()
    return proto


def from_proto(proto: tf.TensorProto) -> Array:
    """The array of a TensorProto. Raises TensorError as flat_from_proto, and for more dimensions than numpy's 64."""
    flat, shape = flat_from_proto(proto)
    try:
        array: Array = flat.reshape(shape)
    except ValueError as error:
        raise TensorError(f"a tensor's shape cannot be {list(shape)}: {error}") from error
    return array if array.flags.writeable else array.copy()


def flat_from_proto(proto: tf.TensorProto) -> tuple[Array, tuple[int, ...]]:
    """The values of a TensorProto in one dimension, and its shape, by the rules of Tensor::FromProto
    (tensorflow/core/framework/tensor.cc).

    tensor_content, or the typed field of the dtype: a shorter list repeats its last value, an empty one means
    zeros or empty strings, surplus values are ignored; no shape means a scalar. The values may be the message's own
    bytes, which cannot be written to.
    Raises TensorError for a dtype that is not served, a shape that no tensor can have, or content of another length.
    """
    name = dtype_name(proto.dtype)
    dtype = numpy_dtype(name)
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    counts = list(accumulate(shape, mul, initial=1))  # none may overflow, not even before a 0
    if min(shape, default=0) < 0 or max(counts) > _MOST_ELEMENTS or len(shape) > MOST_DIMENSIONS:
        raise TensorError(f"a tensor's shape cannot be {list(shape)}")
    count = counts[-1]
    content = proto.tensor_content if count else b""  # asked for once: each time protobuf makes another copy
    if content:
        if name == "string":
            return _strings_in(content, count), shape
        if len(content) != count * dtype.itemsize:
            raise TensorError(
                f"tensor_content of {len(content)} bytes is no {name}{list(shape)}: {count * dtype.itemsize} expected"
            )
        return np.frombuffer(content, dtype), shape
    if name == "string":
        strings = np.empty(count, dtype=object)
        strings[:] = _padded(list(proto.string_val), count, b"")
        return strings, shape
    values = _typed_values(proto, name)
    if len(values) < count:
        values = np.concatenate([values, np.full(count - len(values), values[-1] if len(values) else 0, dtype)])
    return values[:count], shape


def to_json(array: Array) -> Any:
    """Nested lists as TensorFlow Serving's REST API reads them; bytes as {"b64": ...}, NaN as Python's own.

    Raises TensorError for what JSON has no form for that the server reads: a complex array, and one without values
    whose inner sizes an empty list does not tell, such as float32[0, 784].
    """
    name = name_of(array)
    if 0 in array.shape[:-1]:
        raise TensorError(
            f"TensorFlow Serving's REST API cannot carry {name}{list(array.shape)}: it arrives as "
            f"{name}{list(array.shape[: array.shape.index(0) + 1])}; use gRPC"
        )
    if name.startswith("complex"):
        raise TensorError(f"TensorFlow Serving's REST API cannot carry {name}; use gRPC")
    if name == "string":
        return nested(_as_string_array(array, "value"), base64_object)
    if name == "bfloat16":
        return array.astype(np.float32).tolist()  # ml_dtypes' own tolist gives scalars of its type
    return array.tolist()


def from_json(values: Any, dtype: str, *, name: str = "value") -> Array:
    """The array of nested lists that JSON gave; the inverse of to_json.

    Numbers must be numbers of the dtype (no 1.5 for int32, no 300 for int8, no 1 for bool); floats may be the
    strings "NaN", "Infinity" and "-Infinity"; a string is text or {"b64": ...}; a complex number is a pair
    [real, imaginary]. Raises TensorError, naming the tensor, where they do not fit.
    """
    if dtype == "string":
        return _as_string_array(_decoded(values, name), name)
    wanted = numpy_dtype(dtype)
    if dtype.startswith("complex"):
        pairs = from_json(values, "float64", name=name)
        if not pairs.size:
            return pairs.astype(wanted)
        if pairs.shape[-1:] != (2,):
            raise TensorError(f"{name!r}: a complex number is written [real, imaginary]")
        with np.errstate(over="ignore"):
            return pairs.view(np.complex128)[..., 0].astype(wanted)  # a sum would lose -0.0 and infinities
    try:
        array = np.array(values)
        if array.dtype.kind in "OUf" and (wanted.kind in "iu" or array.dtype.kind != "f"):
            # Integers on both sides of int64's range have become floats or objects, "NaN" has made all of it text.
            array = np.array(values, dtype=object)
    except (ValueError, OverflowError) as error:
        raise TensorError(f"{name!r}: not {dtype} values in lists of equal length: {error}") from error
    if array.size == 0:
        return array.astype(wanted)
    if array.dtype.kind == "O":
        array = _unmixed(array, dtype, wanted.kind, name)
    if array.dtype.kind not in {"b": "b", "i": "iuO", "u": "iuO"}.get(wanted.kind, "iuf"):
        raise TensorError(f"{name!r}: {dtype} expected, received {_describe(array)}")
    _require_range(array, wanted, name)
    with np.errstate(over="ignore"):
        return array.astype(wanted)


def base64_object(value: bytes) -> dict[str, str]:
    """The form that REST and goldens give to bytes: {"b64": standard base64 with padding}."""
    return {"b64": base64.b64encode(value).decode("ascii")}


def nested(array: Array, of: Callable[[Any], Any]) -> Any:
    """An array as nested lists of `of`(item); of a scalar, that alone."""
    if array.ndim == 0:
        return of(array.item())
    return [nested(np.asarray(part, dtype=object), of) for part in array]


def rows_to_columns(rows: Sequence[Any], names: Sequence[str]) -> dict[str, list[Any]]:
    """TensorFlow Serving's row format as columns: one value a row, or one object a row where there are several.

    >>> rows_to_columns([{"a": 1, "b": 2}, {"a": 3, "b": 4}], ["a", "b"])
    {'a': [1, 3], 'b': [2, 4]}
    """
    if len(names) == 1:
        only = names[0]
        if not any(issubclass(kind, dict) for kind in set(map(type, rows))):
            return {only: list(rows)}
        return {only: [row[only] if isinstance(row, dict) and set(row) == {only} else row for row in rows]}
    for index, row in enumerate(rows):
        if not isinstance(row, dict):
            raise TensorError(f"row {index} is {row!r:.60}; an object with {', '.join(sorted(names))} was expected")
    keys = list(rows[0]) if rows else list(names)
    for row in rows:
        for key in set(row) ^ set(keys):
            raise TensorError(f"the rows do not all have {key!r}")
    return {key: [row[key] for row in rows] for key in keys}


def _strings_in(content: bytes, count: int) -> Array:
    """The strings of a tensor_content: all their lengths as varints, then all their bytes (DecodeStringList of
    tensorflow/core/platform/tensor_coding.cc)."""
    lengths = []
    position = 0
    try:
        for _ in range(count):
            length, position = read_varint(content, position)
            lengths.append(length)
    except IndexError:
        raise TensorError(
            f"tensor_content of {len(content)} bytes ends inside the lengths of {count} strings"
        ) from None
    if sum(lengths) != len(content) - position:
        raise TensorError(f"tensor_content has {len(content) - position} bytes for strings of {sum(lengths)} bytes")
    strings = np.empty(count, dtype=object)
    for index, length in enumerate(lengths):
        strings[index] = content[position : position + length]
        position += length
    return strings


def _typed_values(proto: tf.TensorProto, name: str) -> Array:
    dtype = numpy_dtype(name)
    values = getattr(proto, DTYPES[name].field)
    if name in ("float16", "bfloat16"):
        return np.array(values, dtype=np.uint16).view(dtype)
    if name.startswith("complex"):
        pairs = values[: len(values) // 2 * 2]  # TensorFlow drops half a number at the end
        return np.array(pairs, dtype="f4" if name == "complex64" else "f8").view(dtype)
    if name in ("int8", "int16", "uint8", "uint16"):
        return np.array(values, dtype=np.int32).astype(dtype)  # int_val is wider and wraps, as a C++ cast does
    return np.array(values, dtype=dtype)


def _padded(values: list[bytes], count: int, zero: bytes) -> list[bytes]:
    return (values + [values[-1] if values else zero] * (count - len(values)))[:count]


def _holds_text(value: object) -> bool:
    while isinstance(value, list | tuple) and value:
        value = value[0]
    return isinstance(value, str | bytes) or (isinstance(value, np.ndarray) and value.dtype.kind in "OSU")


def _as_string_array(value: object, name: str) -> Array:
    # dtype=object from the start: numpy's own bytes dtype drops trailing zero bytes.
    try:
        array = value if isinstance(value, np.ndarray) else np.array(value, dtype=object)
    except ValueError as error:
        raise TensorError(f"{name!r}: a tensor needs lists of equal length at each depth: {error}") from error
    flat = array.ravel().tolist()
    strings = np.empty(len(flat), dtype=object)
    for index, item in enumerate(flat):
        if isinstance(item, str):
            item = item.encode("utf-8", "surrogateescape")
        if not isinstance(item, bytes):
            what = "lists of unequal length" if isinstance(item, list | tuple) else f"{item!r:.60}"
            raise TensorError(f"{name!r}: string expected (text or bytes), received {what}")
        strings[index] = item
    return strings.reshape(array.shape)


def _decoded(values: Any, name: str) -> Any:
    """Nested lists with every {"b64": text} replaced by its bytes."""
    if isinstance(values, list):
        return [_decoded(value, name) for value in values]
    if isinstance(values, dict):
        if set(values) != {"b64"} or not isinstance(values["b64"], str):
            raise TensorError(f'{name!r}: string expected, received {values!r:.60}; bytes are written {{"b64": "..."}}')
        try:
            return base64.b64decode(values["b64"], validate=True)
        except ValueError as error:
            raise TensorError(f"{name!r}: {values['b64']!r:.60} is not base64: {error}") from error
    return values


def _unmixed(array: Array, dtype: str, kind: str, name: str) -> Array:
    """An object array whose items are all integers (kind "iu") or all numbers, "NaN" and the infinities among them."""
    for item in array.ravel().tolist():
        wanted = isinstance(item, int) if kind in "iu" else isinstance(item, int | float) or item in NON_FINITE
        if not wanted or isinstance(item, bool):
            what = "lists of unequal length" if isinstance(item, list) else f"{item!r:.60}"
            raise TensorError(f"{name!r}: {dtype} expected, received {what}")
    return array if kind in "iu" else array.astype(np.float64)


def _require_range(array: Array, wanted: np.dtype[Any], name: str) -> None:
    if wanted.kind not in "iu" or array.dtype.kind not in "iuO" or not array.size:
        return
    limits = np.iinfo(wanted)
    low, high = int(array.min()), int(array.max())
    if low < limits.min or high > limits.max:
        raise TensorError(f"{name!r}: {low if low < limits.min else high} does not fit {wanted.name}")


def _same_kind(have: np.dtype[Any], wanted: np.dtype[Any]) -> bool:
    if wanted.kind == "V" or have.kind == "V":  # ml_dtypes' types have no place in numpy's casting rules
        return have.kind in "iufV" and wanted.kind in "fV"
    if have.kind in "iu" and wanted.kind in "iu":
        return True  # the range is checked
    return have.kind != "b" and np.can_cast(have, wanted, "same_kind")


def _describe(array: Array) -> str:
    sample = array.ravel()[0] if array.size else None
    kind = type(sample).__name__ if array.dtype.kind in "OUS" else array.dtype.name
    return f"{kind} of shape {list(array.shape)}"
