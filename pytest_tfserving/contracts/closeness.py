"""How close two answers to the same question must be, where the question was asked in different ways.

A kernel adds in another order for another size of the batch, so an answer moves by what rounds off its largest terms.
That is little of the terms and much of a value near zero, in which they cancel out: where a contract names no `atol`,
the tolerance allows what rounds off terms about 1, and is relative to the tensor's largest magnitude too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from pytest_tfserving.golden.compare import compare
from pytest_tfserving.golden.difference import Comparison, Difference
from pytest_tfserving.golden.tolerance import DEFAULT_ATOL, Tolerance
from pytest_tfserving.tensors import Array, name_of

# A few roundings of terms about 1; float64 has the default of goldens, which is far more.
_ATOL = {"float32": 1e-6, "complex64": 1e-6, "float16": 1e-3, "bfloat16": 1e-2}


def closeness(array: Array, tolerance: Tolerance) -> Tolerance:
    """The tolerance for one tensor's values: `atol`, where none is named, grows with its largest finite magnitude."""
    if tolerance.atol is not None or array.dtype.kind not in "fcV" or not array.size:
        return tolerance
    with np.errstate(over="ignore", invalid="ignore"):  # ml_dtypes' casts warn of NaN
        magnitudes = np.abs(array.astype(np.complex128 if array.dtype.kind == "c" else np.float64))
        largest = float(np.max(magnitudes, where=np.isfinite(magnitudes), initial=0.0))
    dtype = name_of(array)
    return replace(tolerance, atol=_ATOL.get(dtype, DEFAULT_ATOL) + tolerance.of(dtype)[0] * largest)


def compare_closely(expected: Mapping[str, Array], answered: Mapping[str, Array], tolerance: Tolerance) -> Comparison:
    """As golden's compare(), with the closeness of each output."""
    differences: list[Difference] = []
    for name in dict.fromkeys([*expected, *sorted(answered)]):
        sides = [{name: side[name]} if name in side else {} for side in (expected, answered)]
        close = closeness(expected[name], tolerance) if name in expected else tolerance
        differences += compare(sides[0], sides[1], close).differences
    return Comparison(tuple(differences), tolerance)
