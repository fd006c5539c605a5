"""What a comparator gets, and what it makes of wrong rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal

import numpy as np

from pytest_tfserving.errors import SpecError
from pytest_tfserving.golden.difference import MOST_OFFENDERS, Difference, Offender, show
from pytest_tfserving.tensors import Array


@dataclass(frozen=True)
class Pair:
    """One output, as it was recorded and as it was served: of one dtype (TensorFlow's name) and shape.

    `rtol`, `atol` and `equal_nan` are those that hold for it.
    """

    output: str
    dtype: str
    expected: Array
    served: Array
    rtol: float
    atol: float
    equal_nan: bool

    @property
    def is_float(self) -> bool:
        return self.expected.dtype.kind in "fV"  # V: ml_dtypes' bfloat16

    @property
    def is_integer(self) -> bool:
        return self.expected.dtype.kind in "iu"

    def refuse(self, key: str, use: str) -> SpecError:
        """The error of a key that says nothing of this dtype."""
        return SpecError(f"{key} says nothing of output {self.output!r}, which is {self.dtype}; use {use}")

    def rows(self, key: str) -> tuple[Array, Array]:
        """Both arrays as rows along the last axis. Raises SpecError for a scalar, which has none."""
        if self.expected.ndim == 0:
            raise SpecError(f"{key} is of rows, and output {self.output!r} is a scalar; use rtol and atol, or exact")
        width = self.expected.shape[-1]
        count = math.prod(self.expected.shape[:-1])
        return self.expected.reshape(count, width), self.served.reshape(count, width)

    def broken(self, rule: str, unit: str = "answer", offenders: Sequence[Offender] = (), total: int = 1) -> Difference:
        """The difference of offenders, the worst of them first."""
        worst = offenders[0]
        return Difference(
            self.output,
            "values",
            show(worst.expected),
            show(worst.served),
            differing=len(offenders),
            total=total,
            worst=worst.at,
            unit=unit,
            rule=rule,
            offenders=tuple(offenders[:MOST_OFFENDERS]),
        )

    def broken_rows(
        self, rule: str, wrong: Array, order: Array, shape: tuple[int, ...], unit: str, say: Callable[[int], Offender]
    ) -> Difference | None:
        """The difference of rows that are wrong: `order` is larger where a row is worse, `say` makes its text.

        `shape` is that of the rows' own indices; `say` gets a row's number, and its offender's `at` is filled in.
        """
        numbers = np.flatnonzero(wrong)
        if not numbers.size:
            return None
        ranked = numbers[np.argsort(-order[numbers], kind="stable")][:MOST_OFFENDERS]
        offenders = [
            say(n)._replace(at=tuple(int(i) for i in np.unravel_index(n, shape)), badness=float(order[n]))
            for n in ranked.tolist()
        ]
        return replace(self.broken(rule, unit, offenders, wrong.size), differing=int(numbers.size))


def round_up(value: float, slack: float = 0.0) -> float | None:
    """The value rounded up to one digit, or None of what is not finite: `0.0123` -> `0.02`.

    `slack` is the relative error that the value may have by its own calculation, and be too small by. A value that is
    written in one digit is as it is: `0.1` is no more than 0.1, though the float lies a little above.
    """
    if not math.isfinite(value) or value < 0:
        return None
    if value == 0:
        return 0.0
    exact = Decimal(repr(float(value))) * (1 + Decimal(slack))
    step = Decimal(1).scaleb(exact.adjusted())
    rounded = float((exact / step).to_integral_value(ROUND_CEILING) * step)
    return rounded if math.isfinite(rounded) else None
