"""Rules over a whole set of cases: shares and means of all their values, in memory that does not grow with them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import NamedTuple

from pytest_tfserving.errors import GoldenError
from pytest_tfserving.golden.comparators.whole import broken_mean, sum_errors
from pytest_tfserving.golden.compare import beyond, broken, pair_of
from pytest_tfserving.golden.difference import MOST_OFFENDERS, Comparison, Decades, Difference, Offender, show
from pytest_tfserving.golden.output_rule import OutputRule
from pytest_tfserving.golden.tolerance import Tolerance
from pytest_tfserving.tensors import Array, name_of

# Limits of which a smaller one asks for less; of the others a larger one does.
_FLOORS = ("cosine", "psnr")


class Standing(NamedTuple):
    """How all cases together stand to one key of an output's rule, whether or not it holds.

    `rule` is the key as it is written, "" where no value has broken it. `differing` of `total` are wrong, `allowed` as
    a share; of a mean, whose `unit` is answer, `mean` is what it is and `most` what it may be. `cases` have the output.
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


class Pooled:
    """Judges outputs by `rules` over all cases that are added: each key's share of wrong values, rows or entries is
    taken over all of them and compared with the rule's `differing`, and `mean_absolute` is of all their values.

    What the rules leave open (rtol, atol, equal_nan) is the `tolerance`'s. Memory does not grow with the cases.
    """

    def __init__(self, rules: Mapping[str, OutputRule], tolerance: Tolerance) -> None:
        self._rules = rules
        self._tolerance = replace(tolerance, outputs=dict(rules))
        self._shares: dict[str, list[_Share]] = {name: [] for name in rules}
        self._means: dict[str, _Mean] = {
            n: _Mean(n, r.mean_absolute) for n, r in rules.items() if r.mean_absolute is not None
        }
        self._seen: dict[str, int] = dict.fromkeys(rules, 0)

    @property
    def outputs(self) -> list[str]:
        """The outputs that rules are of."""
        return list(self._rules)

    def add(self, case: str, expected: Mapping[str, Array] | None, served: Mapping[str, Array]) -> bool:
        """Adds a case's answers; whether it alone breaks no key that counts, though it may be allowed to.

        An output that is missing on either side, or of another dtype or shape, adds nothing: that is a difference of
        this case (compare.compare). Without `expected` there is nothing to compare with yet, and the case has the
        outputs that were served. Raises SpecError where a rule says nothing of an output's dtype.
        """
        holds = True
        for output, rule in self._rules.items():
            if output in served or (expected and output in expected):
                self._seen[output] += 1
            if expected is None or output not in served or output not in expected:
                continue
            golden, answer = expected[output], served[output]
            if golden.shape != answer.shape or name_of(golden) != name_of(answer):
                continue
            pair = pair_of(output, golden, answer, self._tolerance)
            shares = self._shares[output]
            for number, (unit, found) in enumerate(broken(pair, rule, wholes=False)):
                if number == len(shares):
                    shares.append(_Share(output, unit, rule.differing))
                shares[number].add(case, _count(unit, golden.shape), found)
                holds &= found is None
            if output in self._means:
                self._means[output].add(case, *sum_errors(pair))
        return holds

    def comparison(self) -> Comparison:
        """The rules that do not hold of all cases together, in their order.

        Raises GoldenError where no case has one of the outputs: nothing would have been judged.
        """
        for output, cases in self._seen.items():
            if not cases:
                raise GoldenError(
                    f"overall[{output!r}]: none of the cases has that output, so there is nothing to judge"
                )
        differences = []
        for output in self._rules:
            differences += [d for share in self._shares[output] if (d := share.beyond())]
            if output in self._means and (beyond_mean := self._means[output].beyond()):
                differences.append(beyond_mean)
        return Comparison(tuple(differences), self._tolerance)

    def standings(self) -> list[Standing]:
        """How every key of every rule stands, in their order."""
        found = []
        for output in self._rules:
            found += [share.standing() for share in self._shares[output]]
            if output in self._means:
                found.append(self._means[output].standing())
        return found


def _count(unit: str, shape: tuple[int, ...]) -> int:
    """How many values, rows (along the last axis) or entries (along the first) an array of that shape has."""
    if unit == "values":
        return math.prod(shape)
    if unit == "rows":
        return math.prod(shape[:-1])
    return shape[0] if len(shape) > 1 else 1


@dataclass
class _Share:
    """One key of one output's rule, over all cases so far."""

    output: str
    unit: str
    allowed: float
    cases: int = 0
    total: int = 0
    differing: int = 0
    broken: int = 0
    rule: str = ""
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
        self.rule = found.rule
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
class _Mean:
    """The mean error of one output over all values of all cases so far."""

    output: str
    most: float
    cases: int = 0
    total: float = 0.0
    count: int = 0
    worst: list[Offender] = field(default_factory=list)

    def add(self, case: str, total: float, count: int) -> None:
        """Adds the sum of a case's errors, of `count` values."""
        self.cases += 1
        self.total += total
        self.count += count
        mean = total / count if count else 0.0
        if mean == 0:
            return
        badness = math.inf if math.isnan(mean) else mean
        self.worst.append(Offender((), f"mean error <= {self.most:g}", f"{mean:.4g}", mean, badness, case))
        if len(self.worst) > 4 * MOST_OFFENDERS:
            self.worst = self._ranked()

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
    return {
        name: (min if name in _FLOORS else max)(limit, ways[name]) for name, limit in limits.items() if name in ways
    }
