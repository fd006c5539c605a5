"""Tensors in golden JSON, exact to the last bit.

A recorded tensor is {"dtype", "shape", "values"}: values nested by shape (or all in one list), floats as the shortest
decimals that read back to the same number, NaN and infinities as text, strings as text where they are UTF-8, else
{"b64": ...}, complex numbers as [real, imaginary]. One that is too large to be read has "npz" for "values", and its
values in a file beside (formats/npz.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pytest_tfserving.errors import TensorError
from pytest_tfserving.golden.text import Stored, is_exact, is_in_npz
from pytest_tfserving.tensors import Array, as_array, base64_object, from_json, name_of, nested, numpy_dtype


def write_tensor(array: Array) -> dict[str, Any]:
    """An array as a recorded tensor."""
    name = name_of(array)
    values = nested(as_array(array, name), _scalar) if name == "string" else _values(array)
    return {"dtype": name, "shape": list(array.shape), "values": values}


def read_tensor(value: Any, dtype: str, name: str) -> Array:
    """The array of a recorded tensor, or of plain values that take `dtype`.

    Raises TensorError where values, shape and dtype do not agree.
    """
    if isinstance(value, Stored):
        return value.load(name)
    if not is_exact(value):
        return from_json(value, dtype, name=name)
    if is_in_npz(value):
        raise TensorError(f"{name!r}: only a golden's JSON file has an .npz file beside it")
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


def same_bits(one: Array, other: Array) -> bool:
    """Whether two arrays are the same to the last bit, dtype and shape included."""
    if name_of(one) != name_of(other) or one.shape != other.shape:
        return False
    if name_of(one) == "string":
        return bool(as_array(one, "string").tolist() == as_array(other, "string").tolist())
    return one.tobytes() == other.tobytes()


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
