"""How close two answers to the same question must be, where the question was asked in different ways.

A kernel adds in another order for another size of the batch, so an answer moves by what rounds off its largest terms.
Near zero that is much of a value, and little of the tensor: where a contract names no `atol`, the tolerance is relative
to the tensor's largest magnitude too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from pytest_tfserving.golden.compare import Comparison, Difference, compare
from pytest_tfserving.golden.tolerance import DEFAULT_ATOL, Tolerance
from pytest_tfserving.tensors import Array, name_of


def closeness(array: Array, tolerance: Tolerance) -> Tolerance:
    """The tolerance for one tensor's values: `atol`, where none is named, grows with its largest finite magnitude."""
    if tolerance.atol is not None or array.dtype.kind not in "fcV" or not array.size:
        return tolerance
    with np.errstate(over="ignore", invalid="ignore"):  # ml_dtypes' casts warn of NaN
        magnitudes = np.abs(array.astype(np.complex128 if array.dtype.kind == "c" else np.float64))
        largest = float(np.max(magnitudes, where=np.isfinite(magnitudes), initial=0.0))
    return replace(tolerance, atol=DEFAULT_ATOL + tolerance.of(name_of(array))[0] * largest)


def compare_closely(
    expected: Mapping[str, Array], answered: Mapping[str, Array], tolerance: Tolerance
) -> Comparison:
    """As golden's compare(), with the closeness of each output."""
    differences: list[Difference] = []
    for name in dict.fromkeys([*expected, *sorted(answered)]):
        sides = [{name: side[name]} if name in side else {} for side in (expected, answered)]
        close = closeness(expected[name], tolerance) if name in expected else tolerance
        differences += compare(sides[0], sides[1], close).differences
    return Comparison(tuple(differences), tolerance)
