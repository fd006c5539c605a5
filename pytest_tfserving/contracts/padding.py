"""Tensors that grow along a named dimension by entries that must not matter, and answers cut back to what they were."""

from __future__ import annotations

import numpy as np

from pytest_tfserving.contracts.check import ExpectedSignature
from pytest_tfserving.schema import Range, TensorSpec
from pytest_tfserving.tensors import Array, as_array, name_of


def axes_of(spec: TensorSpec, dimension: str) -> tuple[int, ...]:
    """Which axes of a tensor have the name."""
    names = [d.name if isinstance(d, Range) else d for d in spec.shape or ()]
    return tuple(axis for axis, name in enumerate(names) if name == dimension)


def allows(expected: ExpectedSignature | None, dimension: str, size: int) -> bool:
    """Whether the limits that a contract gives the name, wherever it stands, hold for a size."""
    specs = (*((expected and expected.inputs) or {}).values(), *((expected and expected.outputs) or {}).values())
    ranges = [d for spec in specs for d in spec.shape or () if isinstance(d, Range) and d.name == dimension]
    return all(limits.holds(size) for limits in ranges)


def pad(name: str, array: Array, axes: tuple[int, ...], by: int, value: object) -> Array:
    """The array with `by` more entries of `value` along these axes. Raises TensorError for one of another kind."""
    if not axes:
        return array
    dtype = name_of(array)
    if dtype == "string" and value == 0:
        value = b""
    elif dtype == "bool" and value in (0, 1):
        value = bool(value)
    filler = as_array(value, dtype, name=name)
    shape = tuple(size + by if axis in axes else size for axis, size in enumerate(array.shape))
    padded = np.empty(shape, filler.dtype)
    padded[...] = filler
    padded[tuple(slice(size) for size in array.shape)] = array
    return padded


def crop(array: Array, like: Array | None, axes: tuple[int, ...]) -> Array:
    """The array cut to the size of another along these axes, as far as both have the same rank."""
    if not axes or like is None or array.ndim != like.ndim:
        return array
    return array[tuple(slice(like.shape[axis] if axis in axes else None) for axis in range(array.ndim))]
