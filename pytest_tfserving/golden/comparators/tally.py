"""What is known of the values that differ, gathered block by block.

Largest errors and worst values are looked for among those alone that go beyond what is known by then, which after the
first blocks are few.
"""

from __future__ import annotations

import numpy as np

from pytest_tfserving.golden.comparators.decades import DecadeCounts
from pytest_tfserving.golden.comparators.pair import Pair, round_up
from pytest_tfserving.golden.difference import MOST_OFFENDERS, Difference, Offender, show
from pytest_tfserving.tensors import Array


class Tally:
    """Counts the wrong values of a pair, in blocks of at most `block`, and keeps the worst and the largest errors.

    Of two values the worse is the one with the larger excess: how far it is beyond what is allowed.
    """

    def __init__(self, pair: Pair, rtol: float, atol: float, block: int, *, in_ulps: bool = False) -> None:
        self.differing = 0
        self._pair = pair
        self._rtol, self._atol = rtol, atol
        self._in_ulps = in_ulps
        self._only_nan = True
        self._absolute = self._relative = -1.0
        self._needs = {"ulps": 0.0} if in_ulps else {"rtol": 0.0, "atol": 0.0}
        most = min(block, pair.expected.size)
        self._decades = DecadeCounts(most)
        self._quotients = np.empty(most)
        self._mask = np.empty(most, bool)
        self._worst: list[tuple[Array, Array, Array]] = []
        self._least_excess = -np.inf

    def add(
        self,
        start: int,
        distance: Array,
        size: Array,
        excess: Array,
        wrong: Array,
        both_nan: Array | None = None,
    ) -> None:
        """Counts a block that begins at `start`: by value its distance, the golden's size, the excess, all float64,
        and whether it is wrong. `both_nan` is None where all distances are finite.
        """
        with np.errstate(all="ignore"):
            self._decades.add(distance)
            count = int(np.count_nonzero(wrong))
            if not count:
                return
            self.differing += count
            self._only_nan &= both_nan is not None and bool(both_nan[wrong].all())
            if both_nan is not None:  # neither NaN nor infinity has a place in an order
                excess = np.nan_to_num(excess, nan=np.inf, posinf=np.inf)
                if not self._in_ulps and not np.isfinite(distance[wrong]).all():
                    self._needs = dict.fromkeys(self._needs, np.inf)  # no limit lets these pass
            self._add_absolute(distance, wrong)
            self._add_relative(distance, size, wrong)
            self._add_worst(start, distance, size, excess, wrong)

    def _add_absolute(self, distance: Array, wrong: Array) -> None:
        larger = self._where(distance, self._absolute, wrong)
        if larger.size:
            self._absolute = float(distance[larger].max())

    def _add_relative(self, distance: Array, size: Array, wrong: Array) -> None:
        relative = np.divide(distance, size, out=self._quotients[: size.size])
        # What a value needs of rtol is less than its relative error, so no other value can need more.
        known = self._relative if self._in_ulps else min(self._relative, self._needs["rtol"])
        larger = self._where(relative, known, wrong)
        if larger.size:
            self._relative = max(self._relative, float(relative[larger].max()))
            self._need("rtol", (distance[larger] - self._atol) / size[larger])

    def _add_worst(self, start: int, distance: Array, size: Array, excess: Array, wrong: Array) -> None:
        at = self._where(excess, self._least_excess, wrong)
        if not at.size:
            return
        if self._in_ulps:
            self._need("ulps", excess[at])
        else:
            self._need("atol", distance[at] - self._rtol * size[at])
        if at.size > MOST_OFFENDERS:
            kept = np.sort(np.argpartition(-excess[at], MOST_OFFENDERS - 1)[:MOST_OFFENDERS])
            at = at[kept]
            self._least_excess = max(self._least_excess, float(excess[at].min()))
        self._worst.append((at + start, excess[at], distance[at]))
        if sum(numbers.size for numbers, _, _ in self._worst) > 4 * MOST_OFFENDERS:
            self._worst = [self._ranked()]
            self._least_excess = float(self._worst[0][1][-1])

    def _where(self, values: Array, known: float, wrong: Array) -> Array:
        """The numbers of the wrong ones among those that are larger than what is known."""
        at = np.flatnonzero(np.greater(values, known, out=self._mask[: values.size]))
        return at[wrong[at]]

    def _need(self, name: str, needs: Array) -> None:
        if name in self._needs:
            self._needs[name] = max(self._needs[name], float(np.where(np.isnan(needs), np.inf, needs).max()))

    def _ranked(self) -> tuple[Array, Array, Array]:
        numbers, excess, distance = (np.concatenate(parts) for parts in zip(*self._worst, strict=True))
        order = np.argsort(-excess, kind="stable")[:MOST_OFFENDERS]
        return numbers[order], excess[order], distance[order]

    def difference(self, rule: str) -> Difference:
        """What was gathered, of at least one wrong value."""
        numbers, excess, distance = self._ranked()
        errors = excess if self._in_ulps else distance
        pair = self._pair
        each = zip(indices(numbers, pair.expected.shape), errors.tolist(), excess.tolist(), strict=True)
        offenders = [
            Offender(index, pair.expected[index], pair.served[index], None if error != error else error, badness)
            for index, error, badness in each
        ]
        worst = offenders[0]
        return Difference(
            pair.output,
            "values",
            show(worst.expected),
            show(worst.served),
            differing=self.differing,
            total=pair.expected.size,
            worst=worst.at,
            max_absolute=self._absolute if self._absolute >= 0 else None,
            max_relative=self._relative if self._relative >= 0 else None,
            only_nan=self._only_nan and not pair.is_integer,
            rule=rule,
            would_pass=self._would_pass(),
            offenders=tuple(offenders),
            decades=self._decades.made(),
        )

    def _would_pass(self) -> tuple[str, ...]:
        if self._in_ulps:
            ulps = self._needs["ulps"]
            return (f"ulps={int(ulps)}",) if ulps < np.inf else ()
        limits = {name: round_up(need, 1e-12) for name, need in self._needs.items()}
        return tuple(f"{name}={limit:g}" for name, limit in limits.items() if limit is not None)


def indices(numbers: Array, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The indices of values by their numbers."""
    if not shape:
        return [() for _ in numbers]
    return list(zip(*(axis.tolist() for axis in np.unravel_index(numbers, shape)), strict=True))
