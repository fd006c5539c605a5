"""Durations and what a measurement is asked for, those that cannot be meant included."""

import pytest

from pytest_tfserving.errors import SpecError
from pytest_tfserving.latency.durations import duration_text, parse_duration
from pytest_tfserving.latency.plan import Budget, Load, Plan, read_plan


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("5ms", 5_000_000),
        ("1.5s", 1_500_000_000),
        ("250us", 250_000),
        ("250µs", 250_000),  # the micro sign
        ("250\u03bcs", 250_000),  # the Greek letter
        ("1ns", 1),
        (" 60 s ", 60_000_000_000),
        ("0.0005ms", 500),
    ],
)
def test_durations(text, nanoseconds):
    assert parse_duration(text) == nanoseconds


@pytest.mark.parametrize(
    "text",
    ["", "5", "ms", "5 m", "5min", "-5ms", "0ms", "0.1ns", "1e3ms", "5,5ms", "5ms 3us", "infs", "nan", "9" * 400 + "s"],
)
def test_what_is_no_duration(text):
    with pytest.raises(SpecError, match="a duration was expected, a number and ns, us, ms or s, such as 5ms"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (1, "1 ns"),
        (999, "999 ns"),
        (1_000, "1 us"),
        (99_900, "99.9 us"),
        (100_000, "0.1 ms"),
        (412_345, "0.412 ms"),
        (12_345_678, "12.3 ms"),
        (999_999_999, "1 s"),
        (1_500_000_000, "1.5 s"),
        (3_600_000_000_000, "3600 s"),
    ],
)
def test_durations_as_text(nanoseconds, text):
    assert duration_text(nanoseconds) == text


@pytest.mark.parametrize(
    ("table", "plan", "budget"),
    [
        ({"p50": "5ms"}, Plan(500, 50, Load(1)), Budget({"p50": 5_000_000})),
        (
            {"max": "1s", "p99": "20ms", "requests": 1000, "concurrency": 4, "warmup": 0, "failing": 0.01},
            Plan(1000, 0, Load(4), 0.01),
            Budget({"p99": 20_000_000, "max": 1_000_000_000}),
        ),
        ({"throughput": 100, "rate": 200}, Plan(load=Load(rate=200)), Budget(throughput=100)),
        ({"against": "old", "at_most": 1.2, "p50": None}, Plan(), Budget(at_most=1.2)),
    ],
)
def test_plans(table, plan, budget):
    assert read_plan(table, "here") == (plan, budget)


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({}, "nothing to keep: give p50, p90, p99, max, throughput, or against with at_most"),
        ({"p50": 5}, "p50=5; a duration was expected, a number and ns, us, ms or s, such as p50='5ms'"),
        ({"p50": "5"}, "p50='5'; a duration was expected"),
        ({"p50": "5ms", "requests": 0}, "requests=0; a whole number from 1 on was expected"),
        ({"p50": "5ms", "requests": 2.5}, "requests=2.5; a whole number"),
        ({"p50": "5ms", "concurrency": True}, "concurrency=True; a whole number from 1 on"),
        ({"p50": "5ms", "warmup": -1}, "warmup=-1; a whole number from 0 on"),
        ({"p50": "5ms", "rate": 0}, "rate=0; more than 0 was expected"),
        ({"p50": "5ms", "rate": "200/s"}, "rate='200/s'; a number was expected"),
        ({"p50": "5ms", "rate": float("nan")}, "rate=nan; a number was expected"),
        ({"p50": "5ms", "rate": 10**400}, f"rate={10**400}; a number was expected"),
        ({"p50": "5ms", "rate": 1e-3}, "500 requests at rate=0.001 take more than a day"),
        ({"p50": "5ms", "rate": 1e-320}, "500 requests at rate=9.99989e-321 take more than a day"),
        ({"p50": "5ms", "failing": 5}, "failing=5; the share of requests that may fail, below 1, was expected"),
        ({"p50": "5ms", "failing": 1.0}, "failing=1.0; the share of requests that may fail, below 1, was expected"),
        ({"p50": "5ms", "rate": 5, "concurrency": 4}, "rate and concurrency exclude each other"),
        ({"against": "a", "at_most": 2, "rate": 5}, "rate and against exclude each other"),
        (
            {"p50": "5ms", "requests": 50, "concurrency": 64},
            "50 requests leave clients without any; give requests=64 or more",
        ),
        (
            {"against": "a", "at_most": 2, "requests": 79, "concurrency": 4},
            "79 requests are too few to compare; give requests=80",
        ),
        ({"throughput": 100, "rate": 50}, "throughput=100 is never reached by requests that come at rate=50"),
        (
            {"p50": "5ms", "at_most": 1.2},
            "against and at_most belong together; give against, the export to compare with",
        ),
        ({"against": "old"}, "against and at_most belong together; give at_most, such as at_most=1.2"),
        (
            {"p99": "5ms", "requests": 99},
            "p99 of 99 requests is the largest of them; give requests=100 or more, or max",
        ),
        ({"p90": "5ms", "requests": 9}, "p90 of 9 requests is the largest of them; give requests=10"),
    ],
)
def test_what_cannot_be_meant(table, problem):
    with pytest.raises(SpecError) as caught:
        read_plan(table, "here")
    assert str(caught.value).startswith(f"here: {problem}")


@pytest.mark.parametrize(
    ("percentiles", "compared"),
    [({}, ("p50",)), ({"p99": 1}, ("p50", "p99")), ({"p90": 1, "p50": 1}, ("p50", "p90")), ({"max": 1}, ("p50",))],
)
def test_what_is_compared_with_a_baseline(percentiles, compared):
    assert Budget(percentiles, at_most=1.2).compared == compared


@pytest.mark.parametrize(
    ("requests", "failing", "most"), [(500, 0.0, 0), (500, 0.01, 5), (50, 0.01, 0), (100, 0.29, 29), (10, 0.99, 9)]
)
def test_how_many_may_fail(requests, failing, most):
    assert Plan(requests, failing=failing).most_errors == most
