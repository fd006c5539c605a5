"""How many representable numbers lie between two floats."""

from __future__ import annotations

import numpy as np

from pytest_tfserving.tensors import Array


def ulps_between(first: Array, second: Array) -> Array:
    """The units in the last place between floats of one dtype, as uint64; 0.0 and -0.0 are none apart.

    Infinity counts as the number after the largest one; of NaN the result says nothing.
    """
    ordered = [_ordered(array) for array in (first, second)]
    high, low = np.maximum(*ordered), np.minimum(*ordered)
    apart: Array = high.view(np.uint64) - low.view(np.uint64)  # modulo 2**64: the distance may not fit int64
    return apart


def _ordered(array: Array) -> Array:
    """IEEE 754's bits, sign and magnitude, as int64 in the order of the numbers, 0 for both zeros."""
    native = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
    bits = native.view(f"i{array.dtype.itemsize}").astype(np.int64)
    magnitude = bits & np.int64((1 << (8 * array.dtype.itemsize - 1)) - 1)
    ordered: Array = np.where(bits < 0, -magnitude, magnitude)
    return ordered
