"""What measurements come to, how they stand to their budgets, and how that is told."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pytest_tfserving.errors import Code, RequestError
from pytest_tfserving.latency.load import Samples
from pytest_tfserving.latency.measure import TURN, measure, measure_against
from pytest_tfserving.latency.plan import Budget, Load, Plan
from pytest_tfserving.latency.result import Before, LatencyResult, summarize
from pytest_tfserving.latency.statistics import Ratio
from pytest_tfserving.report.latency import Place, latency_failure, latency_line, unclear_line
from pytest_tfserving.report.measurement_words import before_texts

MS = 10**6
PLACE = Place("half_plus_two", "grpc", "3 golden cases", "exports/1")


def refusal(message: str) -> RequestError:
    return RequestError(Code.UNAVAILABLE, message, transport="grpc", model="m", signature="s")


def measured(*milliseconds, errors=(), seconds=2.0, first=12 * MS):
    latencies = np.array(milliseconds, np.int64) * MS
    return summarize(first, [Samples(latencies, tuple(map(refusal, errors)), len(latencies) + len(errors), seconds)])


def test_rounds_are_one_measurement():
    of_two = summarize(
        7, [Samples(np.array([1 * MS]), (), 1, 0.5), Samples(np.array([3 * MS, 2 * MS]), (refusal("a"),), 3, 1.0)]
    )
    assert (of_two.first, of_two.answered, of_two.sent, of_two.failed, of_two.throughput) == (7, 3, 4, 1, 2.0)
    assert of_two.percentiles == {"p50": 2 * MS, "p90": 3 * MS, "p99": 3 * MS, "max": 3 * MS}
    assert of_two.errors == {"UNAVAILABLE over grpc (model m, signature s): a": 1}
    assert sum(of_two.histogram.counts) == 3


@pytest.mark.parametrize(
    ("budget", "standing"),
    [
        (Budget({"p50": 2 * MS}), "held"),
        (Budget({"p50": 2 * MS - 1}), "failed"),
        (Budget({"max": 3 * MS}), "held"),
        (Budget({"max": 2 * MS}), "failed"),
        (Budget(throughput=1.5), "held"),
        (Budget(throughput=1.6), "failed"),
    ],
)
def test_limits(budget, standing):
    [row] = LatencyResult(measured(1, 2, 3)).rows(Plan(), budget)
    assert row.standing == standing


@pytest.mark.parametrize(
    ("ratio", "standing"),
    [
        (Ratio(1.0, 0.9, 1.2), "held"),  # all of the interval is at most 1.2
        (Ratio(1.0, 0.9, 1.3), "unclear"),
        (Ratio(1.3, 1.2, 1.4), "unclear"),
        (Ratio(1.3, 1.21, 1.4), "failed"),  # none of it is
    ],
)
def test_a_ratio_fails_only_where_all_of_its_interval_is_too_large(ratio, standing):
    [row] = LatencyResult(measured(1), measured(1), {"p50": ratio}).rows(Plan(), Budget(at_most=1.2))
    assert (row.what, row.standing) == ("p50 ratio", standing)


@pytest.mark.parametrize(("failing", "errors", "standing"), [(0.0, 1, "failed"), (0.5, 2, "held"), (0.5, 3, "failed")])
@pytest.mark.parametrize("side", ["model", "baseline"])
def test_failed_requests_fail_unless_so_many_may(failing, errors, standing, side):
    bad, good = measured(1, 1, 1, errors=["e"] * errors), measured(1)
    result = LatencyResult(bad) if side == "model" else LatencyResult(good, bad)
    [row] = result.rows(Plan(4, failing=failing), Budget({}))
    assert (row.what, row.limit, row.measured, row.standing) == ("failing", int(failing * 4), errors, standing)


def test_where_nothing_was_answered_there_is_nothing_but_the_failures():
    result = LatencyResult(measured(errors=["gone"]))
    [row] = result.rows(Plan(), Budget({"p50": MS}))
    assert (row.what, row.standing) == ("failing", "failed")
    assert "1 failed: UNAVAILABLE" in latency_failure(result, [row], Plan(), PLACE, 1)
    assert latency_line(result, Plan(), PLACE).endswith("1 request by 1 client, 0 /s, 1 failed")


def test_json_can_carry_a_result():
    result = LatencyResult(measured(1, 2), measured(1), {"p50": Ratio(1.0, 0.5, 2.0)})
    plain = json.loads(json.dumps(result.to_plain()))
    assert plain["measured"]["percentiles"] == {"p50": MS, "p90": 2 * MS, "p99": 2 * MS, "max": 2 * MS}
    assert set(plain["measured"]["histogram"]) == {"edges", "counts", "unit"}
    assert plain["ratios"] == {"p50": {"value": 1.0, "low": 0.5, "high": 2.0}}


def test_the_line_of_a_summary():
    result = LatencyResult(measured(1, 2, 3), measured(2), {"p50": Ratio(1.0, 0.98, 1.0345)})
    result = result.after(Before(0, False), Before(1, False))
    assert latency_line(result, Plan(load=Load(4)), PLACE) == (
        "latency half_plus_two over grpc: p50 2 ms, max 3 ms, p50 1 times (0.98 to 1.03) that of exports/1, first call "
        "12 ms (no warm-up), that of exports/1 12 ms (1 warm-up request); 3 requests by 4 clients, 2 /s"
    )


@pytest.mark.parametrize(
    ("before", "text"),
    [
        (Before(0, False), "no warm-up"),
        (Before(1, False), "1 warm-up request"),
        (Before(12, True), "12 warm-up requests, asked before"),
        (Before(0, None), "no warm-up, perhaps asked before"),
        (Before(None, False), ""),
        (Before(), "perhaps asked before"),
    ],
)
def test_what_came_before_the_first_call(before, text):
    assert ", ".join(before_texts(before.warmups, before.asked)) == text
    line = latency_line(LatencyResult(measured(1)).after(before), Plan(), PLACE)
    assert f"first call 12 ms{f' ({text})' if text else ''}; " in line


def test_the_text_of_a_failure():
    result = LatencyResult(
        measured(1, 2, 30, errors=["a", "b", "a", "c", "d"]), measured(1, 2, 3), {"p50": Ratio(1.5, 1.3, 1.6)}
    )
    result = result.after(Before(0, False), Before(3, True))
    budget = Budget({"p50": 5 * MS, "max": 20 * MS}, throughput=1000, at_most=1.2)
    text = latency_failure(result, result.rows(Plan(), budget), Plan(), PLACE, 4)
    assert text.splitlines() == [
        "latency of half_plus_two over grpc is not within its budget",
        "",
        "              budget    measured",
        "  p50         5 ms      2 ms",
        "  max         20 ms     30 ms                   <- too long",
        "  throughput  1,000 /s  2 /s                    <- too few",
        "  p50 ratio   1.2       1.5 times (1.3 to 1.6)  <- too long",
        "  failing     0         5                       <- too many",
        "",
        "            p50   p90  p99  max    first call  answers",
        "  measured  2 ms  -    -    30 ms  12 ms       2 /s",
        "  baseline  2 ms  -    -    3 ms   12 ms       2 /s",
        "",
        "measured: 1 ms █  █          █ 31.6 ms",
        "measured: 2 failed: UNAVAILABLE over grpc (model m, signature s): a",
        "measured: 1 failed: UNAVAILABLE over grpc (model m, signature s): b",
        "measured: 1 failed: UNAVAILABLE over grpc (model m, signature s): c",
        "measured: 1 failed for other reasons",
        "baseline: 1 ms █  ██ 3.16 ms",
        "sent: 8 requests of 500, then it was given up (3 golden cases) by 1 client, after a first call of 12 ms (no "
        "warm-up) and 50 for warming up",
        "baseline: exports/1, asked by turns with the model, after a first call of 12 ms (3 warm-up requests, asked "
        "before)",
        "4 workers of pytest-xdist shared the machine; -n 0 leaves it to the measurement",
    ]


def test_a_ratio_that_cannot_be_told():
    [row] = LatencyResult(measured(1), measured(1), {"p99": Ratio(1.1, 0.8, 1.4)}).rows(Plan(), Budget(at_most=1.2))
    assert unclear_line(row, PLACE) == (
        "latency of half_plus_two over grpc: whether p99 is at most 1.2 times that of exports/1 cannot be told: it is "
        "1.1 times (0.8 to 1.4), with 99 % confidence. More requests tell more"
    )


def test_two_models_are_asked_by_turns_with_the_same_requests():
    asked = []
    result = measure_against(
        lambda number: asked.append(("new", number)),
        lambda number: asked.append(("old", number)),
        Plan(200, 3),
        Budget(),
    )
    firsts, warm, rest = asked[:2], asked[2:8], asked[8:]
    assert firsts == [("new", 0), ("old", 0)]
    assert warm == [("new", 0), ("new", 1), ("new", 2), ("old", 0), ("old", 1), ("old", 2)]
    turns = [rest[place : place + TURN] for place in range(0, len(rest), TURN)]
    assert [side for turn in turns for side in {side for side, _ in turn}] == ["new", "old", "old", "new"] * 20
    for side in ("new", "old"):
        assert [number for who, number in rest if who == side] == list(range(200))
    assert (result.measured.answered, result.baseline.answered, list(result.ratios)) == (200, 200, ["p50"])


def test_both_models_stop_when_one_fails():
    def refuse(number):
        if number == 6:
            raise refusal("gone")

    asked = []
    result = measure_against(asked.append, refuse, Plan(200, 0), Budget())
    assert result.baseline.failed == 1
    assert (result.measured.sent, result.baseline.sent) == (10, 7)


def test_the_first_call_must_be_answered():
    def refuse(number):
        raise refusal("gone")

    with pytest.raises(RequestError):
        measure(refuse, Plan())


def test_a_failure_while_warming_up_is_no_failure():
    """A server may refuse what it cannot take yet; only what is measured counts."""
    asked = []

    def send(number):
        asked.append(number)
        if len(asked) == 3:
            raise refusal("busy")

    assert measure(send, Plan(10, 5)).measured.failed == 0
