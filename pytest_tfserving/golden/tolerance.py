"""How far an answer may be from its golden."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pytest_tfserving.errors import SpecError
from pytest_tfserving.golden.output_rule import OutputRule
from pytest_tfserving.suggestion import did_you_mean

# Where a test names no tolerance. float32 and float64 as numpy.allclose has it; the 16-bit types by their precision.
_DEFAULT_RTOL = {"float16": 1e-3, "bfloat16": 1.6e-2}
DEFAULT_RTOL, DEFAULT_ATOL = 1e-5, 1e-8


@dataclass(frozen=True)
class Tolerance:
    """How far a floating-point value may be off: |served - golden| <= atol + rtol * |golden|, as numpy.isclose.

    None means the default of the dtype. Integers, booleans and strings are compared exactly. NaN equals NaN only with
    `equal_nan`. `outputs` has, by name, what is asked of single outputs in place of that.
    """

    rtol: float | None = None
    atol: float | None = None
    equal_nan: bool = False
    outputs: Mapping[str, OutputRule] = field(default_factory=dict, hash=False)

    def of(self, dtype: str) -> tuple[float, float]:
        """(rtol, atol) for a dtype."""
        rtol = _DEFAULT_RTOL.get(dtype, DEFAULT_RTOL) if self.rtol is None else self.rtol
        return rtol, DEFAULT_ATOL if self.atol is None else self.atol

    def of_output(self, rule: OutputRule) -> Tolerance:
        """The tolerance with what an output's rule says in its place."""
        return replace(
            self,
            rtol=self.rtol if rule.rtol is None else rule.rtol,
            atol=self.atol if rule.atol is None else rule.atol,
            equal_nan=self.equal_nan if rule.equal_nan is None else rule.equal_nan,
        )

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Tolerance:
        """The inverse of dataclasses.asdict, whose plain values travel between processes."""
        return cls(**{**plain, "outputs": {name: OutputRule(**rule) for name, rule in plain["outputs"].items()}})


def check_outputs_named(tolerance: Tolerance, known: Collection[str], key: str = "outputs") -> None:
    """Raises SpecError where a rule is of an output that there is not: it would never be applied.

    `key` is the keyword under which the rules were given.
    """
    for name in tolerance.outputs:
        if name not in known:
            meant = did_you_mean(name, known, repr)
            raise SpecError(
                f"{key}[{name!r}] is of no output{meant} (known: {', '.join(map(repr, sorted(known))) or 'none'})"
            )
