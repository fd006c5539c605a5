"""How far an answer may be from its golden."""

from __future__ import annotations

from dataclasses import dataclass

# Where a test names no tolerance. float32 and float64 as numpy.allclose has it; the 16-bit types by their precision.
_DEFAULT_RTOL = {"float16": 1e-3, "bfloat16": 1.6e-2}
DEFAULT_RTOL, DEFAULT_ATOL = 1e-5, 1e-8


@dataclass(frozen=True)
class Tolerance:
    """How far a floating-point value may be off: |served - golden| <= atol + rtol * |golden|, as numpy.isclose.

    None means the default of the dtype. Integers, booleans and strings are always compared exactly. NaN equals NaN
    only with `equal_nan`.
    """

    rtol: float | None = None
    atol: float | None = None
    equal_nan: bool = False

    def of(self, dtype: str) -> tuple[float, float]:
        """(rtol, atol) for a dtype."""
        rtol = _DEFAULT_RTOL.get(dtype, DEFAULT_RTOL) if self.rtol is None else self.rtol
        return rtol, DEFAULT_ATOL if self.atol is None else self.atol
