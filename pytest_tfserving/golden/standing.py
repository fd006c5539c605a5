"""How all cases together stand to one key of an output's rule: counted and summed as the cases come."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import NamedTuple

from pytest_tfserving.golden.comparators.whole import broken_mean
from pytest_tfserving.golden.compare import beyond
from pytest_tfserving.golden.difference import MOST_OFFENDERS, Decades, Difference, Offender, looser, show


class Standing(NamedTuple):
    """How all cases together stand to one key of an output's rule, whether or not it holds.

    `rule` is the key as it is written. `differing` of `total` are wrong, `allowed` as a share; of a mean, whose `unit`
    is answer, `mean` is what it is and `most` what it may be. `cases` have the output.
    """

    output: str
    rule: str
    unit: str
    differing: int
    total: int
    allowed: float
    cases: int
    holds: bool
    mean: float | None = None
    most: float | None = None


@dataclass
class Share:
    """One key of one output's rule, over all cases so far."""

    output: str
    rule: str
    unit: str
    allowed: float
    cases: int = 0
    total: int = 0
    differing: int = 0
    broken: int = 0
    only_nan: bool = True
    absolute: float | None = None
    relative: float | None = None
    decades: dict[int, int] = field(default_factory=dict)
    limits: dict[str, float] | None = None
    worst: list[Offender] = field(default_factory=list)
    least_badness: float = -math.inf

    def add(self, case: str, count: int, found: Difference | None) -> None:
        """Adds a case that has `count` values, rows or entries."""
        self.cases += 1
        self.total += count
        if found is None:
            return
        self.broken += 1
        self.differing += found.differing
        self.only_nan &= found.only_nan
        self.absolute = _larger(self.absolute, found.max_absolute)
        self.relative = _larger(self.relative, found.max_relative)
        if found.decades:
            for decade, times in enumerate(found.decades.counts, found.decades.lowest):
                self.decades[decade] = self.decades.get(decade, 0) + times
        self.limits = _loosest(self.limits, found.would_pass)
        # They come with the worst first, and those that are not among the worst so far are not kept.
        worse = takewhile(lambda offender: offender.badness > self.least_badness, found.offenders)
        self.worst += [offender._replace(case=case) for offender in worse]
        if len(self.worst) > 4 * MOST_OFFENDERS:
            self.worst = self._ranked()
            self.least_badness = self.worst[-1].badness

    def _ranked(self) -> list[Offender]:
        return sorted(self.worst, key=lambda offender: -offender.badness)[:MOST_OFFENDERS]

    def beyond(self) -> Difference | None:
        """The difference, where more are wrong than may be."""
        if not self.differing:
            return None
        offenders = self._ranked()
        lowest = min(self.decades, default=0)
        counts = tuple(self.decades.get(decade, 0) for decade in range(lowest, max(self.decades, default=-1) + 1))
        whole = Difference(
            self.output,
            "values",
            show(offenders[0].expected),
            show(offenders[0].served),
            differing=self.differing,
            total=self.total,
            worst=offenders[0].at,
            max_absolute=self.absolute,
            max_relative=self.relative,
            only_nan=self.only_nan,
            unit=self.unit,
            cases=self.broken,
            rule=self.rule,
            would_pass=tuple(f"{name}={limit:.12g}" for name, limit in (self.limits or {}).items()),
            offenders=tuple(offenders),
            decades=Decades(lowest, counts) if counts else None,
        )
        return beyond(whole, self.allowed)

    def standing(self) -> Standing:
        """How it stands."""
        return Standing(
            self.output, self.rule, self.unit, self.differing, self.total, self.allowed, self.cases, not self.beyond()
        )


@dataclass
class Mean:
    """The mean error of one output over all values of all cases so far."""

    output: str
    most: float
    cases: int = 0
    total: float = 0.0
    count: int = 0
    worst: list[Offender] = field(default_factory=list)

    def add(self, case: str, total: float, count: int) -> bool:
        """Adds the sum of a case's errors, of `count` values; whether their mean is as it shall be of all."""
        self.cases += 1
        self.total += total
        self.count += count
        mean = total / count if count else 0.0
        if mean == 0:
            return True
        badness = math.inf if math.isnan(mean) else mean
        self.worst.append(Offender((), f"mean error <= {self.most:g}", f"{mean:.4g}", mean, badness, case))
        if len(self.worst) > 4 * MOST_OFFENDERS:
            self.worst = self._ranked()
        return mean <= self.most

    def _ranked(self) -> list[Offender]:
        return sorted(self.worst, key=lambda offender: -offender.badness)[:MOST_OFFENDERS]

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else 0.0

    def beyond(self) -> Difference | None:
        """The difference, where the mean is larger than it may be; its offenders are the cases with the largest."""
        if self.mean <= self.most:
            return None
        found = broken_mean(self.output, self.most, self.mean)
        return replace(found, offenders=tuple(self._ranked()), cases=self.cases)

    def standing(self) -> Standing:
        """How it stands."""
        holds = self.mean <= self.most
        return Standing(
            self.output, f"mean_absolute={self.most:g}", "answer", int(not holds), 1, 0.0, self.cases, holds,
            self.mean, self.most,
        )  # fmt: skip


def _larger(first: float | None, second: float | None) -> float | None:
    known = [value for value in (first, second) if value is not None]
    return max(known, default=None)


def _loosest(limits: Mapping[str, float] | None, would_pass: Iterable[str]) -> dict[str, float]:
    """The limits that let all answers so far pass, and one more: a way that is none for one is none for all."""
    ways = {name: float(value) for name, _, value in (way.partition("=") for way in would_pass)}
    if limits is None:
        return ways
    return {name: looser(name, limit, ways[name]) for name, limit in limits.items() if name in ways}
