"""Rules over a whole set of cases: what is counted, pooled and averaged, worked out by hand."""

import math

import numpy as np
import pytest

from pytest_tfserving.errors import GoldenError, SpecError
from pytest_tfserving.golden.difference import Decades
from pytest_tfserving.golden.output_rule import OutputRule
from pytest_tfserving.golden.overall import Pooled
from pytest_tfserving.golden.tolerance import Tolerance

nan, inf = math.nan, math.inf


def pool(rule, *cases, dtype="float32", tolerance=None):
    """`cases` are (expected, served) of output y, called a, b, c, ..."""
    pooled = Pooled({"y": rule}, tolerance or Tolerance())
    for name, (expected, served) in zip("abcdefghij", cases, strict=False):
        pooled.add(name, {"y": np.array(expected, dtype)}, {"y": np.array(served, dtype)})
    return pooled


def only(pooled):
    [difference] = pooled.comparison().differences
    return difference


ROWS = ([[1, 2], [3, 4]], [[1, 2], [4, 3]])  # the best class of the second row is another


@pytest.mark.parametrize(
    ("rule", "cases", "dtype", "counted"),
    [
        ({}, [([1, 2], [1, 3]), ([1, 2, 3], [1, 2, 3])], "float32", (1, 5, "values")),
        ({"rtol": 0.1}, [([10, 10], [10.5, 12]), ([10], [20])], "float32", (2, 3, "values")),
        ({"exact": True}, [([1, 2], [1, 3]), ([4], [5])], "int64", (2, 3, "values")),
        ({"exact": True}, [([b"a", b"b"], [b"a", b"c"])], "object", (1, 2, "values")),
        ({"ulps": 1}, [([1.0, 2.0], [1.0, 3.0]), ([1.0], [1.0])], "float32", (1, 3, "values")),
        ({"argmax": True}, [ROWS, ROWS, ([1, 2], [1, 2])], "float32", (2, 5, "rows")),
        ({"top_k": 1}, [ROWS], "float32", (1, 2, "rows")),
        ({"cosine": 0.99}, [([[1, 0], [0, 1]], [[1, 0], [1, 0]]), ([1, 0], [1, 0])], "float32", (1, 3, "rows")),
        ({"unordered": True}, [([[1, 2], [3, 4]], [[2, 1], [3, 5]])], "int32", (1, 2, "rows")),
        ({"psnr": 40, "peak": 1}, [([[0, 0], [1, 1]], [[0, 0], [0, 0]]), ([0], [1])], "float32", (2, 3, "entries")),
    ],
    ids=lambda value: next(iter(value), "values") if isinstance(value, dict) else None,
)
def test_shares_are_of_all_cases(rule, cases, dtype, counted):
    pooled = pool(OutputRule(**rule), *cases, dtype=dtype)
    difference = only(pooled)
    assert (difference.differing, difference.total, difference.unit) == counted
    share = counted[0] / counted[1]
    assert pool(OutputRule(**rule, differing=share), *cases, dtype=dtype).comparison().holds
    below = only(pool(OutputRule(**rule, differing=share * 0.99), *cases, dtype=dtype))
    assert below.allowed == share * 0.99
    assert any(limit.startswith("differing=") for limit in below.would_pass)


@pytest.mark.parametrize(
    ("most", "holds"),
    [(0.5, True), (0.49, False), (0.0, False)],
)
def test_a_mean_is_of_all_values(most, holds):
    """Errors 1, 0 and 0, 1, 0.5, 0.5: 3 in 6 values, and 0.5 of each case's own means would be another."""
    pooled = pool(OutputRule(mean_absolute=most), ([1, 2], [2, 2]), ([0, 0, 0, 0], [0, 1, 0.5, -0.5]))
    comparison = pooled.comparison()
    assert comparison.holds is holds
    if not holds:
        [difference] = comparison.differences
        assert (difference.unit, difference.served, difference.would_pass) == ("answer", "0.5", ("mean_absolute=0.5",))
        assert [(offender.case, offender.error) for offender in difference.offenders] == [("a", 0.5), ("b", 0.5)]


def test_a_mean_with_nan_does_not_hold():
    pooled = pool(OutputRule(mean_absolute=1.0), ([1], [1]), ([1], [nan]))
    assert only(pooled).would_pass == ()
    assert only(pooled).offenders[0].case == "b"
    both = pool(OutputRule(mean_absolute=1.0, equal_nan=True), ([nan, 1], [nan, 2]), ([1], [1]))
    assert both.comparison().holds, "1 in 2 values"
    assert both.standings()[0].mean == 0.5


def test_what_is_said_of_all_cases():
    """Errors 1 and 0.25 of 4 and 10 in case a and b, 0.001 within the tolerance in c."""
    rule = OutputRule(rtol=0.01, atol=0.0, differing=0.2)
    difference = only(pool(rule, ([4, 4], [5, 4]), ([10, 10], [10.25, 10]), ([1], [1.001]), ([7], [7])))
    assert (difference.differing, difference.total, difference.cases) == (2, 6, 2)
    assert (difference.max_absolute, difference.max_relative) == (1.0, 0.25)
    assert difference.would_pass == ("rtol=0.3", "atol=1", "differing=0.4")
    assert [(o.case, o.at, o.expected, o.served) for o in difference.offenders] == [
        ("a", (0,), 4.0, 5.0),
        ("b", (0,), 10.0, 10.25),
    ]
    assert difference.decades == Decades(-1, (1, 1)), "those of cases that do not hold"


def test_a_way_that_lets_one_case_not_pass_is_none():
    difference = only(pool(OutputRule(), ([0.0], [0.9]), ([1.0], [1.9])))
    assert difference.would_pass == ("atol=0.9",), "no rtol helps where the golden is zero"
    assert only(pool(OutputRule(cosine=0.99), ([3, 4], [4, 3]), ([1, 0], [1, 0]))).would_pass == ("cosine=0.95",)
    lowest = pool(OutputRule(psnr=60, peak=1), ([0.0], [0.5]), ([0.0], [0.125]))
    assert only(lowest).would_pass == ("psnr=6",), "6.02 dB and 18.06 dB"


def test_the_worst_are_kept_of_any_number_of_cases():
    pooled = Pooled({"y": OutputRule()}, Tolerance())
    for n in range(3000):
        pooled.add(f"c{n}", {"y": np.zeros(3, "f4")}, {"y": np.full(3, 1 + n % 1000, "f4")})
    difference = only(pooled)
    assert (difference.differing, difference.total, difference.cases) == (9000, 9000, 3000)
    assert len(difference.offenders) == 1000
    assert {offender.case for offender in difference.offenders[:9]} == {"c999", "c1999", "c2999"}


def test_several_outputs_and_cases_that_lack_some():
    pooled = Pooled({"a": OutputRule(differing=0.5), "b": OutputRule(exact=True)}, Tolerance())
    x, y = np.array([1.0, 2.0], "f4"), np.array([1.0, 3.0], "f4")
    assert pooled.add("one", {"a": x, "c": x}, {"a": x, "c": y})
    assert not pooled.add("two", {"b": x}, {"b": y})
    assert not pooled.add("three", {"a": x, "b": x}, {"a": y, "b": x})
    assert [d.output for d in pooled.comparison().differences] == ["b"]
    mean = Pooled({"a": OutputRule(mean_absolute=0.4)}, Tolerance())
    assert not mean.add("one", {"a": x}, {"a": y})
    assert mean.add("two", {"a": x}, {"a": x})
    standings = {s.output: (s.differing, s.total, s.cases, s.holds) for s in pooled.standings()}
    assert standings == {"a": (1, 4, 2, True), "b": (1, 4, 2, False)}


@pytest.mark.parametrize(
    ("expected", "served"),
    [
        ({"y": np.zeros(2, "f4")}, {}),
        ({}, {"y": np.zeros(2, "f4")}),
        ({"y": np.zeros(2, "f4")}, {"y": np.zeros(2, "f8")}),
        ({"y": np.zeros(2, "f4")}, {"y": np.ones(3, "f4")}),
    ],
    ids=["missing", "unexpected", "dtype", "shape"],
)
def test_another_form_is_a_difference_of_its_case_alone(expected, served):
    pooled = Pooled({"y": OutputRule()}, Tolerance())
    pooled.add("one", expected, served)
    assert pooled.comparison().holds
    assert pooled.standings() == []


def test_an_output_that_no_case_has_is_an_error():
    pooled = Pooled({"y": OutputRule()}, Tolerance())
    pooled.add("one", {"x": np.zeros(1)}, {"x": np.zeros(1)})
    with pytest.raises(GoldenError, match=r"overall\['y'\]: none of the cases has that output"):
        pooled.comparison()
    pooled.add("two", None, {"y": np.zeros(1)})
    assert pooled.comparison().holds, "it is recorded now"


def test_a_rule_that_says_nothing_of_the_dtype():
    with pytest.raises(SpecError, match="cosine says nothing of output 'y', which is string"):
        pool(OutputRule(cosine=0.9), ([b"a"], [b"b"]), dtype="object")


@pytest.mark.parametrize(
    ("rule", "dtype", "asked"),
    [
        ({}, "float32", "rtol=1e-05 atol=1e-08"),
        ({"rtol": 0.1}, "float32", "rtol=0.1 atol=1e-08"),
        ({}, "int32", "exact"),
        ({"exact": True}, "float32", "exact"),
        ({"ulps": 4}, "float32", "ulps=4"),
        ({"cosine": 0.999}, "float32", "cosine=0.999"),
        ({"argmax": True}, "float32", "argmax"),
        ({"top_k": 1}, "float32", "top_k=1"),
        ({"unordered": True}, "int32", "unordered"),
        ({"psnr": 40, "peak": 1}, "float32", "psnr=40"),
        ({"mean_absolute": 0.5}, "float32", "mean_absolute=0.5"),
    ],
)
def test_what_was_asked_is_said_whether_or_not_it_holds(rule, dtype, asked):
    """Two keys of a rule are told apart where one of them alone is broken."""
    [holding] = pool(OutputRule(**rule), ([1, 2], [1, 2]), dtype=dtype).standings()
    assert (holding.rule, holding.holds) == (asked, True)
    broken = pool(OutputRule(**rule), ([1, 2], [1, 2]), ([1, 2], [5, 4]), dtype=dtype)
    assert [(s.rule, s.holds) for s in broken.standings()] == [(asked, False)]
    assert only(broken).rule == asked


def test_the_tolerance_is_for_what_the_rule_leaves_open():
    tolerance = Tolerance(rtol=0.5, equal_nan=True)
    assert pool(OutputRule(), ([2, nan], [3, nan]), tolerance=tolerance).comparison().holds
    assert not pool(OutputRule(rtol=0.1), ([2, nan], [3, nan]), tolerance=tolerance).comparison().holds


@pytest.mark.parametrize("differing", [0.0, 0.5])
def test_arrays_without_values_break_nothing(differing):
    pooled = pool(OutputRule(differing=differing, mean_absolute=0.0), ([], []))
    assert pooled.comparison().holds
