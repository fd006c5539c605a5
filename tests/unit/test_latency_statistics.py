"""Percentiles, distributions and ratios, by numbers that a person can work out."""

import numpy as np
import pytest

from pytest_tfserving.latency.statistics import CONFIDENCE, Histogram, histogram, percentile, ratio


def latencies(*values):
    return np.array(values, np.int64)


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([7], 1, 7),
        ([7], 100, 7),
        ([2, 1], 50, 1),
        ([3, 1, 2], 50, 2),
        ([4, 3, 2, 1], 50, 2),  # two of four do not exceed 2
        (range(1, 101), 90, 90),
        (range(1, 101), 99, 99),
        (range(1, 101), 100, 100),
        (range(1, 1001), 99, 990),
        ([1] * 99 + [500], 99, 1),
        ([1] * 98 + [500] * 2, 99, 500),
    ],
)
def test_a_percentile_is_the_smallest_latency_that_so_many_do_not_exceed(values, percent, expected):
    assert percentile(latencies(*reversed(list(values))), percent) == expected


def test_a_distribution_has_ten_columns_a_power_of_ten():
    # 1 us, 1.1 us, 2 us and 9.9 us; the edges between are 10 ** (1/10), 10 ** (2/10), ...
    assert histogram(latencies(1000, 1100, 2000, 9900)) == Histogram(
        edges=(1.0, 1.26, 1.58, 2.0, 2.51, 3.16, 3.98, 5.01, 6.31, 7.94, 10.0),
        counts=(2, 0, 0, 1, 0, 0, 0, 0, 0, 1),
    )


@pytest.mark.parametrize("value", [0, 1, 999, 1000, 1_258_925, 1_258_926, 10**9, 3600 * 10**9])
def test_a_distribution_counts_every_latency(value):
    found = histogram(latencies(value, value))
    assert found.counts == (2,)
    assert found.edges[0] <= max(value / 1e3, 1e-3) < found.edges[1]


def rounds(*of):
    return [latencies(*one) for one in of]


def test_rounds_that_are_alike_have_a_ratio_without_doubt():
    found = ratio(rounds(*[[30, 30, 60]] * 5), rounds(*[[20, 20, 50]] * 5), 50)
    assert (found.value, found.low, found.high) == (1.5, 1.5, 1.5)


def test_each_percentile_has_a_ratio_of_its_own():
    found = ratio(rounds(*[[30, 30, 60]] * 5), rounds(*[[20, 20, 50]] * 5), 99)
    assert (found.value, found.low, found.high) == (1.2, 1.2, 1.2)


def test_what_slows_both_sides_of_a_round_down_does_not_widen_the_interval():
    slowness = range(10, 30)
    found = ratio(rounds(*[[3 * s] * 5 for s in slowness]), rounds(*[[2 * s] * 5 for s in slowness]), 50)
    assert (found.value, found.low, found.high) == (1.5, 1.5, 1.5)


def test_rounds_that_differ_widen_the_interval():
    # In half of the rounds the new one takes as long as the old one, in the others three times as long.
    found = ratio(rounds(*[[10] * 5, [30] * 5] * 10), rounds(*[[10] * 5] * 20), 50)
    assert (found.low, found.high) == (1.0, 3.0)


def test_many_latencies_are_judged_as_few_are():
    few = ratio(rounds(*[range(100, 200)] * 20), rounds(*[range(50, 100)] * 20), 50)
    many = ratio(rounds(*[range(10_000, 20_000)] * 20), rounds(*[range(5_000, 10_000)] * 20), 50)
    assert many.value == pytest.approx(few.value, rel=0.02)
    assert many.low == pytest.approx(2, rel=0.02)
    assert many.high == pytest.approx(2, rel=0.02)


def test_the_interval_holds_the_true_ratio_as_often_as_it_says():
    """50 runs of 20 rounds, each of them slowed down by the machine; the true ratio of both percentiles is 1.1."""
    random = np.random.default_rng(7)
    missed = {50: 0, 99: 0}
    for _ in range(50):
        machine = np.exp(random.normal(0, 0.15, 20))
        side = lambda factor, m=machine: [  # noqa: E731
            (factor * 4e5 * slow * np.exp(np.abs(random.normal(0, 0.4, 25)))).astype(np.int64) for slow in m
        ]
        new, old = side(1.1), side(1.0)
        for percent in missed:
            found = ratio(new, old, percent)
            missed[percent] += not found.low <= 1.1 <= found.high
    assert CONFIDENCE == 99
    assert max(missed.values()) <= 2
