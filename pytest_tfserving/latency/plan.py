"""What is sent to measure latency, and the limits that its times must keep."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_tfserving.errors import SpecError
from pytest_tfserving.latency.durations import parse_duration

PERCENTILES = {"p50": 50, "p90": 90, "p99": 99, "max": 100}

# Two models are asked by turns; of fewer there is no telling how sure their ratio is.
LEAST_TURNS = 20

_MOST_SECONDS = 24 * 60 * 60  # nobody waits longer, and of some 10**9 no clock can

# Keywords that take whole numbers, and the least of each.
_WHOLE = {"requests": 1, "concurrency": 1, "warmup": 0}


def least_answers(name: str) -> int:
    """Of how many answers on a percentile is more than another name for the largest of them."""
    return -(-100 // (100 - PERCENTILES[name])) if name != "max" else 1


@dataclass(frozen=True)
class Load:
    """How requests follow each other.

    A closed loop has `concurrency` clients, each of which sends its next request when it has the answer to its last.
    An open loop has a `rate`, requests per second that are due whether or not others have been answered.
    """

    concurrency: int = 1
    rate: float | None = None


@dataclass(frozen=True)
class Plan:
    """So many requests are measured, after `warmup` ones; a share of `failing` may fail."""

    requests: int = 500
    warmup: int = 50
    load: Load = field(default_factory=Load)
    failing: float = 0.0

    @property
    def most_errors(self) -> int:
        """How many requests may fail."""
        return int(self.failing * self.requests + 1e-9)  # 0.29 * 100 is a little less than 29


@dataclass(frozen=True)
class Budget:
    """Limits: of percentiles (PERCENTILES) in nanoseconds, at least so many answers a second, and of the ratio.

    `at_most` is how many times a baseline's percentiles those of the model under test may be.
    """

    percentiles: Mapping[str, int] = field(default_factory=dict, hash=False)
    throughput: float | None = None
    at_most: float | None = None

    @property
    def compared(self) -> tuple[str, ...]:
        """The percentiles that are compared with a baseline's: the median, and those that have a limit of their own.

        Not the largest: one request says nothing of a model.
        """
        return tuple(name for name in PERCENTILES if name == "p50" or (name in self.percentiles and name != "max"))


def read_plan(table: Mapping[str, Any], where: str) -> tuple[Plan, Budget]:
    """The plan and the budget of a marker's keywords or a contract's keys; `against` only as being there.

    Raises SpecError, which begins with `where`, for values that cannot be meant, alone or beside others.
    """

    def refused(problem: str) -> SpecError:
        return SpecError(f"{where}: {problem}")

    given = {key: value for key, value in table.items() if value is not None}
    limits = {}
    for name in PERCENTILES:
        if name in given:
            try:
                limits[name] = parse_duration(given[name] if isinstance(given[name], str) else repr(given[name]))
            except SpecError:
                expected = "a duration was expected, a number and ns, us, ms or s, such as"
                raise refused(f"{name}={given[name]!r}; {expected} {name}='5ms'") from None
    for key, least in _WHOLE.items():
        value = given.get(key, least)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise refused(f"{key}={value!r}; a whole number from {least} on was expected")
    for key in ("rate", "throughput", "at_most", "failing"):
        value = given.get(key, 1)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= sys.float_info.max:
            raise refused(f"{key}={value!r}; a number was expected")
        if value == 0 and key != "failing":
            raise refused(f"{key}=0; more than 0 was expected")
    if given.get("failing", 0) >= 1:  # of requests that all may fail there is nothing that could be too long
        raise refused(f"failing={given['failing']!r}; the share of requests that may fail, below 1, was expected")

    defaults = Plan()
    plan = Plan(
        given.get("requests", defaults.requests),
        given.get("warmup", defaults.warmup),
        Load(given.get("concurrency", 1), given.get("rate")),
        given.get("failing", 0.0),
    )
    budget = Budget(limits, given.get("throughput"), given.get("at_most"))
    _check_sense(plan, budget, given, refused)
    return plan, budget


def _check_sense(plan: Plan, budget: Budget, given: Mapping[str, Any], refused: Callable[[str], SpecError]) -> None:
    """Raises SpecError for values that make no sense together."""
    if ("against" in given) != ("at_most" in given):
        missing = "against, the export to compare with" if "at_most" in given else "at_most, such as at_most=1.2"
        raise refused(f"against and at_most belong together; give {missing}")
    if not budget.percentiles and budget.throughput is None and "against" not in given:
        raise refused(f"nothing to keep: give {', '.join(PERCENTILES)}, throughput, or against with at_most")
    if "rate" in given and "concurrency" in given:
        raise refused("rate and concurrency exclude each other: requests are due at a rate, or when one was answered")
    if plan.load.rate and plan.requests / plan.load.rate > _MOST_SECONDS:
        raise refused(f"{plan.requests} requests at rate={plan.load.rate:g} take more than a day")
    if "rate" in given and "against" in given:
        raise refused("rate and against exclude each other: models that are asked by turns are not asked at a rate")
    if plan.requests < plan.load.concurrency:
        raise refused(
            f"{plan.requests} requests leave clients without any; give requests={plan.load.concurrency} or more"
        )
    if "against" in given and plan.requests < LEAST_TURNS * plan.load.concurrency:
        needed = LEAST_TURNS * plan.load.concurrency
        raise refused(f"{plan.requests} requests are too few to compare; give requests={needed} or more")
    if plan.load.rate is not None and budget.throughput is not None and budget.throughput > plan.load.rate:
        raise refused(
            f"throughput={budget.throughput:g} is never reached by requests that come at rate={plan.load.rate:g}"
        )
    for name in budget.percentiles:
        needed = least_answers(name)
        if plan.requests < needed:
            raise refused(
                f"{name} of {plan.requests} requests is the largest of them; give requests={needed} or more, or max"
            )
