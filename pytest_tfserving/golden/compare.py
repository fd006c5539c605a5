"""Arrays -> Comparison: what of an answer differs from its golden, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from pytest_tfserving.golden.tolerance import Tolerance
from pytest_tfserving.tensors import Array, as_array, name_of


@dataclass(frozen=True)
class Difference:
    """One output that differs. `kind` is missing, unexpected, dtype, shape or values.

    `expected` and `served` are the specs where the kind is not `values`; otherwise the two values at `worst`, the
    index of the largest deviation. The errors are the largest over all elements; None where values have no distance.
    """

    output: str
    kind: str
    expected: str
    served: str
    differing: int = 0
    total: int = 0
    worst: tuple[int, ...] = ()
    max_absolute: float | None = None
    max_relative: float | None = None
    only_nan: bool = False


@dataclass(frozen=True)
class Comparison:
    """All outputs that differ, in order; none where the golden holds."""

    differences: tuple[Difference, ...]
    tolerance: Tolerance

    @property
    def holds(self) -> bool:
        """Whether nothing differs."""
        return not self.differences


def compare(expected: Mapping[str, Array], served: Mapping[str, Array], tolerance: Tolerance) -> Comparison:
    """Compares answers output by output: names, dtypes and shapes exactly, floating-point values within tolerance."""
    differences = []
    for output in [*expected, *(name for name in sorted(served) if name not in expected)]:
        if output not in served:
            differences.append(Difference(output, "missing", describe(expected[output]), "-"))
        elif output not in expected:
            differences.append(Difference(output, "unexpected", "-", describe(served[output])))
        elif difference := _compare_one(output, expected[output], served[output], tolerance):
            differences.append(difference)
    return Comparison(tuple(differences), tolerance)


def describe(array: Array) -> str:
    """An array's spec: `float32[3, 2]`."""
    return f"{name_of(array)}[{', '.join(map(str, array.shape))}]"


def _compare_one(output: str, expected: Array, served: Array, tolerance: Tolerance) -> Difference | None:
    dtype = name_of(expected)
    kind = "dtype" if dtype != name_of(served) else "shape" if expected.shape != served.shape else "values"
    difference = Difference(output, kind, describe(expected), describe(served))
    if kind != "values":
        return difference
    if expected.dtype.kind in "fcV":  # V: ml_dtypes' bfloat16
        return _compare_floats(difference, expected, served, dtype, tolerance)
    if dtype == "string":  # a test's own text is no bytes yet
        expected, served = as_array(expected, dtype), as_array(served, dtype)
    wrong = np.asarray(expected != served)
    if not wrong.any():
        return None
    if expected.dtype.kind in "iu":
        # As Python's integers: int64 - int64 may not fit int64, nor may 2**63 fit a float.
        distances = np.abs(expected[wrong].astype(object) - served[wrong].astype(object))
        at = np.argwhere(wrong)[int(np.argmax(distances))]
        scale = np.abs(expected[wrong].astype(object))
        relative = max((float(d) / float(s) for d, s in zip(distances, scale, strict=True) if s), default=float("inf"))
        difference = replace(difference, max_absolute=float(distances.max()), max_relative=relative)
    else:
        at = np.argwhere(wrong)[0]
    return _at(difference, tuple(int(i) for i in at), expected, served, int(wrong.sum()))


def _compare_floats(
    difference: Difference, expected: Array, served: Array, dtype: str, tolerance: Tolerance
) -> Difference | None:
    rtol, atol = tolerance.of(dtype)
    wide = np.complex128 if expected.dtype.kind == "c" else np.float64
    golden, answer = expected.astype(wide), served.astype(wide)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        distance = np.where(answer == golden, 0.0, np.abs(answer - golden))  # inf - inf is no distance
        allowed = atol + rtol * np.abs(golden)
        # numpy.isclose's rule; its own releases disagree about complex infinities.
        finite = np.isfinite(golden) & np.isfinite(answer)
        close = np.where(finite, distance <= allowed, answer == golden)
        both_nan = np.isnan(golden) & np.isnan(answer)
        if tolerance.equal_nan:
            close |= both_nan
        if close.all():
            return None
        excess = distance - allowed
        relative = distance / np.abs(golden)
    wrong = ~close
    ranked = np.where(wrong, np.nan_to_num(excess, nan=np.inf, posinf=np.inf), -np.inf)
    worst = np.unravel_index(int(np.argmax(ranked)), ranked.shape)
    difference = replace(
        difference,
        max_absolute=_largest(distance[wrong]),
        max_relative=_largest(relative[wrong]),
        only_nan=bool((wrong <= both_nan).all()),
    )
    return _at(difference, tuple(int(i) for i in worst), expected, served, int(wrong.sum()))


def _largest(values: Array) -> float | None:
    finite = values[~np.isnan(values)]
    return float(finite.max()) if finite.size else None


def _at(difference: Difference, index: tuple[int, ...], expected: Array, served: Array, count: int) -> Difference:
    return replace(
        difference,
        expected=_show(expected[index]),
        served=_show(served[index]),
        differing=count,
        total=expected.size,
        worst=index,
    )


def _show(value: object) -> str:
    text = repr(value) if isinstance(value, bytes) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
