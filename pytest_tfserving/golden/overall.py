"""Rules over a whole set of cases: shares and means of all their values, in memory that does not grow with them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from pytest_tfserving.errors import GoldenError
from pytest_tfserving.golden.comparators.whole import sum_errors
from pytest_tfserving.golden.compare import broken, pair_of
from pytest_tfserving.golden.difference import Comparison
from pytest_tfserving.golden.output_rule import OutputRule
from pytest_tfserving.golden.standing import Mean, Share, Standing
from pytest_tfserving.golden.tolerance import Tolerance
from pytest_tfserving.tensors import Array, name_of


class Pooled:
    """Judges outputs by `rules` over all cases that are added: each key's share of wrong values, rows or entries is
    taken over all of them and compared with the rule's `differing`, and `mean_absolute` is of all their values.

    What the rules leave open (rtol, atol, equal_nan) is the `tolerance`'s. Memory does not grow with the cases.
    """

    def __init__(self, rules: Mapping[str, OutputRule], tolerance: Tolerance) -> None:
        self._rules = rules
        self._tolerance = replace(tolerance, outputs=dict(rules))
        self._shares: dict[str, list[Share]] = {name: [] for name in rules}
        self._means: dict[str, Mean] = {
            n: Mean(n, r.mean_absolute) for n, r in rules.items() if r.mean_absolute is not None
        }
        self._seen: dict[str, int] = dict.fromkeys(rules, 0)

    @property
    def outputs(self) -> list[str]:
        """The outputs that rules are of."""
        return list(self._rules)

    def add(self, case: str, expected: Mapping[str, Array] | None, served: Mapping[str, Array]) -> bool:
        """Adds a case's answers; whether it alone breaks no key, though it may be allowed to.

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
            for number, (asked, unit, found) in enumerate(broken(pair, rule, wholes=False)):
                if number == len(shares):
                    shares.append(Share(output, asked, unit, rule.differing))
                shares[number].add(case, _count(unit, golden.shape), found)
                holds &= found is None
            if output in self._means:
                holds &= self._means[output].add(case, *sum_errors(pair))
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
