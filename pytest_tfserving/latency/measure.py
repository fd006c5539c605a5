"""Measures one model, or two in alternating rounds: first call, warm-up, and then what counts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from time import perf_counter_ns

from pytest_tfserving.latency.load import Samples, Send, run_load, undisturbed
from pytest_tfserving.latency.plan import LEAST_TURNS, PERCENTILES, Budget, Plan
from pytest_tfserving.latency.result import LatencyResult, summarize
from pytest_tfserving.latency.statistics import ratio

# Requests of each client in a model's turn. The shorter turns are, the more alike is what disturbs both models: with
# the median of 500 requests on a machine as busy as can be, intervals are a quarter as wide as with turns of 25.
TURN = 5
_MOST_TURNS = 500


def measure(send: Send, plan: Plan) -> LatencyResult:
    """Measures what `send` asks. Raises RequestError where its first request fails."""
    with undisturbed():
        first = _first_call(send)
        _warm_up(send, plan)
        samples = run_load(send, range(plan.requests), plan.load, plan.most_errors)
    return LatencyResult(summarize(first, [samples]))


def measure_against(send: Send, baseline: Send, plan: Plan, budget: Budget) -> LatencyResult:
    """Measures two models with the same requests on the same machine, by turns: new, old, old, new, and so on.

    A machine that gets slower or quicker meanwhile does so for both. Raises RequestError where the first request of
    either fails.
    """
    sends = (send, baseline)
    rounds: tuple[list[Samples], list[Samples]] = ([], [])
    with undisturbed():
        firsts = [_first_call(each) for each in sends]
        for each in sends:
            _warm_up(each, plan)
        for place, numbers in enumerate(_turns(plan)):
            for side in (0, 1) if place % 2 == 0 else (1, 0):
                spent = sum(len(samples.errors) for samples in rounds[side])
                rounds[side].append(run_load(sends[side], numbers, plan.load, plan.most_errors - spent))
            if any(sum(len(samples.errors) for samples in side) > plan.most_errors for side in rounds):
                break
    new, old = (summarize(first, samples) for first, samples in zip(firsts, rounds, strict=True))
    ratios = {}
    if new.answered and old.answered:
        mine, theirs = ([samples.latencies for samples in side] for side in rounds)
        ratios = {name: ratio(mine, theirs, PERCENTILES[name]) for name in budget.compared}
    return LatencyResult(new, old, ratios)


def _first_call(send: Send) -> int:
    begun = perf_counter_ns()
    send(0)
    return perf_counter_ns() - begun


def _warm_up(send: Send, plan: Plan) -> None:
    if plan.warmup:
        run_load(send, range(plan.warmup), plan.load, plan.warmup)


def _turns(plan: Plan) -> Sequence[range]:
    """The requests' numbers, in turns that are as equal as can be."""
    count = max(min(plan.requests // (TURN * plan.load.concurrency), _MOST_TURNS), LEAST_TURNS)
    limits = [place * plan.requests // count for place in range(count + 1)]
    return [range(*pair) for pair in pairwise(limits)]
