"""What a measurement came to, as plain values, and how it stands to its budget."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, NamedTuple

import numpy as np

from pytest_tfserving.latency.load import Samples
from pytest_tfserving.latency.plan import PERCENTILES, Budget, Plan
from pytest_tfserving.latency.statistics import Histogram, Ratio, histogram, percentile

# `unclear`: the interval of a ratio holds the limit, so that the run cannot tell.
Standing = Literal["held", "failed", "unclear"]


@dataclass(frozen=True)
class Before:
    """What a model had answered before its first call here; None is not known.

    `warmups` counts the requests of this signature that the server itself has sent, from assets.extra; `asked` says
    whether tests have asked the model.
    """

    warmups: int | None = None
    asked: bool | None = None


@dataclass(frozen=True)
class Measured:
    """The answers of one model. Durations are in nanoseconds.

    `first` is the first call's, before the others warmed the model up, and after what `before` says; `percentiles`
    (PERCENTILES) and `histogram` are those of `answered` requests, None where none was. `errors` counts failed requests
    by the message.
    """

    first: int
    answered: int
    sent: int
    seconds: float
    percentiles: Mapping[str, int] = field(hash=False)
    histogram: Histogram | None
    errors: Mapping[str, int] = field(hash=False)
    before: Before = Before()

    @property
    def throughput(self) -> float:
        """Answers per second."""
        return self.answered / self.seconds

    @property
    def failed(self) -> int:
        """Requests that were refused or got no answer."""
        return self.sent - self.answered


class Row(NamedTuple):
    """One limit and what was measured: nanoseconds of a percentile, a number or a Ratio of anything else."""

    what: str
    limit: float
    measured: float | Ratio
    standing: Standing

    def to_plain(self) -> dict[str, Any]:
        """The row as values that JSON can carry; of a ratio without its interval, which LatencyResult has."""
        measured = self.measured.value if isinstance(self.measured, Ratio) else self.measured
        return {**self._asdict(), "measured": measured}


@dataclass(frozen=True)
class LatencyResult:
    """A measurement; with a baseline, that one's beside it, and the ratios of percentiles by their names."""

    measured: Measured
    baseline: Measured | None = None
    ratios: Mapping[str, Ratio] = field(default_factory=dict, hash=False)

    def after(self, model: Before, baseline: Before | None = None) -> LatencyResult:
        """The same with what came before the first calls."""
        measured = replace(self.measured, before=model)
        beside = replace(self.baseline, before=baseline or Before()) if self.baseline else None
        return replace(self, measured=measured, baseline=beside)

    def rows(self, plan: Plan, budget: Budget) -> list[Row]:
        """How the measurement stands to each limit. Where nothing was answered there is only the one of failures."""
        rows = []
        for name, limit in budget.percentiles.items():
            if name in self.measured.percentiles:
                found = self.measured.percentiles[name]
                rows.append(Row(name, limit, found, "held" if found <= limit else "failed"))
        if budget.throughput is not None:
            found_rate = self.measured.throughput
            rows.append(
                Row(
                    "throughput", budget.throughput, found_rate, "held" if found_rate >= budget.throughput else "failed"
                )
            )
        for name, ratio in self.ratios.items():
            assert budget.at_most is not None
            rows.append(Row(f"{name} ratio", budget.at_most, ratio, _standing(ratio, budget.at_most)))
        failed = max(self.measured.failed, self.baseline.failed if self.baseline else 0)
        if failed or plan.failing:
            rows.append(Row("failing", plan.most_errors, failed, "held" if failed <= plan.most_errors else "failed"))
        return rows

    def to_plain(self) -> dict[str, Any]:
        """The result as values that JSON can carry."""
        return asdict(self)


def summarize(first: int, rounds: Sequence[Samples]) -> Measured:
    """What all rounds together came to."""
    latencies = np.concatenate([samples.latencies for samples in rounds])
    errors = Counter(str(error) for samples in rounds for error in samples.errors)
    return Measured(
        first=first,
        answered=len(latencies),
        sent=sum(samples.sent for samples in rounds),
        seconds=sum(samples.seconds for samples in rounds),
        percentiles={name: percentile(latencies, percent) for name, percent in PERCENTILES.items()}
        if len(latencies)
        else {},
        histogram=histogram(latencies) if len(latencies) else None,
        errors=dict(errors.most_common()),
    )


def _standing(ratio: Ratio, at_most: float) -> Standing:
    if ratio.high <= at_most:
        return "held"
    return "failed" if ratio.low > at_most else "unclear"
