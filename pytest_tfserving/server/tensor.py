"""A tensor inside the server: flat values and a shape of their own.

Not just an array, because numpy ends at 64 dimensions and TensorFlow at 254; clients do nest that deep.
"""

from __future__ import annotations

from typing import NamedTuple

from pytest_tfserving.tensors import Array


class Tensor(NamedTuple):
    """Values in row-major order, in one dimension; a string tensor's are `bytes` in an object array."""

    flat: Array
    shape: tuple[int, ...]

    @classmethod
    def of(cls, array: Array) -> Tensor:
        return cls(array.reshape(-1), array.shape)
