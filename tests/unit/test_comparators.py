"""What each key of an output's rule says of two arrays, against numbers worked out by hand."""

import math
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pytest_tfserving.errors import SpecError
from pytest_tfserving.golden.comparators import elements, rows, whole
from pytest_tfserving.golden.comparators.custom import compare_custom
from pytest_tfserving.golden.comparators.pair import Pair, round_up
from pytest_tfserving.golden.comparators.ulps import ulps_between
from pytest_tfserving.golden.compare import compare
from pytest_tfserving.golden.output_rule import OutputRule, read_output_rule, read_output_rules
from pytest_tfserving.golden.tolerance import Tolerance, check_outputs_named

nan, inf = math.nan, math.inf
BFLOAT16 = ml_dtypes.bfloat16


def array(values, dtype="float32"):
    if dtype == "string":
        flat = np.empty(np.shape(values), object)
        flat[...] = np.vectorize(str.encode, otypes=[object])(np.array(values, object)) if np.size(values) else b""
        return flat
    return np.array(values, BFLOAT16 if dtype == "bfloat16" else dtype)


def differences(rule, expected, served, dtype="float32", **tolerance):
    """What breaks the rule of an output."""
    rules = {"y": read_output_rule("here", rule, Path(__file__).parent)} if rule else {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a test suite that turns warnings into errors must still get the comparison
        pair = {"y": array(expected, dtype)}, {"y": array(served, dtype)}
        return compare(*pair, Tolerance(**tolerance, outputs=rules)).differences


def difference(rule, expected, served, dtype="float32", **tolerance):
    (found,) = differences(rule, expected, served, dtype, **tolerance)
    return found


def holds(rule, expected, served, dtype="float32", **tolerance):
    return not differences(rule, expected, served, dtype, **tolerance)


class TestExact:
    @pytest.mark.parametrize(
        ("dtype", "expected", "served", "is_held"),
        [
            ("float32", [1.0], [1.0], True),
            ("float32", [1.0], [1 + 2**-23], False),
            ("float32", [0.0], [-0.0], True),
            ("float64", [inf, -inf], [inf, -inf], True),
            ("float32", [nan], [nan], False),
            ("bfloat16", [1.0], [1 + 2**-7], False),
            ("complex64", [1j], [1j], True),
            ("int64", [2**53], [2**53 + 1], False),
            ("bool", [True], [False], False),
            ("string", ["a"], ["b"], False),
        ],
    )
    def test_values_are_equal(self, dtype, expected, served, is_held):
        assert holds({"exact": True}, expected, served, dtype) is is_held
        assert holds({"exact": True}, expected, served, dtype, rtol=9.0, atol=9.0) is is_held

    def test_nan_equals_nan_where_asked(self):
        assert holds({"exact": True, "equal_nan": True}, [nan, 1], [nan, 1])
        assert not holds({"exact": True, "equal_nan": True}, [nan, 1], [1, 1])

    def test_exact_that_is_false_asks_nothing(self):
        assert holds({"exact": False}, [1], [1 + 2**-23])


class TestUlps:
    @pytest.mark.parametrize(
        ("dtype", "first", "second", "apart"),
        [
            ("float32", 1, 1 + 2**-23, 1),
            ("float32", 1, 1 - 2**-24, 1),
            ("float32", 1, 2, 2**23),
            ("float32", 0.0, -0.0, 0),
            ("float32", 2**-149, -(2**-149), 2),
            ("float64", 1, 1 + 2**-50, 4),
            ("float64", -1.7976931348623157e308, 1.7976931348623157e308, 2 * 0x7FEF_FFFF_FFFF_FFFF),
            ("float16", 1, 1 + 2**-10, 1),
            ("float16", 65504, -65504, 2 * 0x7BFF),
            ("bfloat16", 1, 1 + 2**-7, 1),
            ("bfloat16", -1, -1 - 2**-6, 2),
        ],
    )
    def test_how_many_numbers_lie_between(self, dtype, first, second, apart):
        for pair in ((first, second), (second, first)):
            assert ulps_between(*(array([value], dtype) for value in pair)).tolist() == [apart]

    def test_bytes_in_either_order(self):
        assert ulps_between(np.array([1, 2], ">f4"), np.array([1 + 2**-23, 2], "<f4")).tolist() == [1, 0]

    @given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.integers(0, 20))
    def test_so_many_steps_are_so_many_ulps(self, start, steps):
        end = np.float32(start)
        for _ in range(steps):
            end = np.nextafter(end, np.float32(inf))
        if np.isfinite(end):
            assert ulps_between(np.array([start], "f4"), np.array([end], "f4")) == steps

    @pytest.mark.parametrize(
        ("expected", "served", "is_held"),
        [
            ([1, 1], [1, 1 + 4 * 2**-23], True),
            ([1, 1], [1, 1 + 5 * 2**-23], False),
            ([inf], [inf], True),
            ([inf], [3.4028235e38], False),
            ([nan], [nan], False),
            ([1.0], [nan], False),
        ],
    )
    def test_at_most_so_many(self, expected, served, is_held):
        assert holds({"ulps": 4}, expected, served) is is_held

    def test_the_worst_and_what_would_have_passed(self):
        found = difference({"ulps": 4}, [1, 1, 1], [1 + 6 * 2**-23, 1, 1 + 37 * 2**-23])
        assert (found.worst, found.differing, found.total) == ((2,), 2, 3)
        assert [offender.error for offender in found.offenders] == [37, 6]
        assert found.would_pass == ("ulps=37",)
        assert holds({"ulps": 37}, [1, 1, 1], [1 + 6 * 2**-23, 1, 1 + 37 * 2**-23])

    def test_nan_equals_nan_where_asked(self):
        assert holds({"ulps": 0, "equal_nan": True}, [nan, 1], [nan, 1])
        assert difference({"ulps": 0}, [nan], [nan]).only_nan


class TestTolerance:
    @pytest.mark.parametrize(
        ("rule", "dtype", "expected", "served", "is_held"),
        [
            ({"atol": 0.5}, "float32", [1], [1.5], True),
            ({"atol": 0.5, "rtol": 0}, "float32", [1], [1.6], False),
            ({"rtol": 0.1}, "float32", [10], [11], True),
            ({"atol": 1}, "uint8", [255, 0], [254, 1], True),
            ({"atol": 1}, "uint8", [255], [253], False),
            ({"atol": 1}, "int64", [-(2**63)], [2**63 - 1], False),
            ({"rtol": 0.5}, "int32", [-10], [-15], True),
            ({"equal_nan": True}, "float32", [nan], [nan], True),
            ({"equal_nan": False}, "float32", [nan], [nan], False),
        ],
    )
    def test_an_outputs_own(self, rule, dtype, expected, served, is_held):
        assert holds(rule, expected, served, dtype) is is_held

    def test_it_replaces_that_of_all_outputs_key_by_key(self):
        assert holds({"atol": 0.5}, [100], [101.5], rtol=0.01)
        assert not holds({"atol": 0.5, "rtol": 0}, [100], [101.5], rtol=0.01)
        assert not holds({"equal_nan": False}, [nan], [nan], equal_nan=True)

    def test_other_outputs_are_compared_as_before(self):
        rules = {"y": OutputRule(atol=1.0)}
        expected = {"y": np.zeros(1), "z": np.zeros(1)}
        found = compare(expected, {"y": np.ones(1), "z": np.ones(1)}, Tolerance(outputs=rules)).differences
        assert [difference.output for difference in found] == ["z"]


class TestWhatWouldHavePassed:
    @pytest.mark.parametrize(
        ("expected", "served", "passing"),
        [
            ([1.0], [1.25], ("rtol=0.3", "atol=0.3")),
            ([10.0, 1.0], [10.5, 1.0], ("rtol=0.05", "atol=0.5")),
            ([0.0], [0.002], ("atol=0.003",)),
            ([1.0], [nan], ()),
            ([inf], [1.0], ()),
        ],
    )
    def test_the_nearest_round_limit(self, expected, served, passing):
        assert difference({}, expected, served, "float64").would_pass == passing

    @given(
        st.sampled_from(["f2", "f4", "f8"]).flatmap(
            lambda dtype: st.tuples(*[hnp.arrays(dtype, 3, elements={"allow_nan": False, "allow_infinity": False})] * 2)
        )
    )
    def test_it_would_have(self, pair):
        expected, served = ({"y": values} for values in pair)
        for found in compare(expected, served, Tolerance()).differences:
            for text in found.would_pass:
                name, value = text.split("=")
                assert compare(expected, served, Tolerance(**{name: float(value)})).holds

    @pytest.mark.parametrize(
        ("value", "rounded"),
        [(0, 0), (0.0123, 0.02), (0.00099, 0.001), (1, 1), (9.5, 10), (123, 200), (inf, None), (nan, None), (-1, None)],
    )
    def test_a_limit_is_rounded_up_to_one_digit(self, value, rounded):
        assert round_up(value) == rounded

    def test_a_round_limit_goes_up_where_it_may_be_too_small(self):
        assert round_up(0.25, 1e-12) == round_up(0.2, 1e-12) == 0.3

    def test_integers_have_no_tolerance_of_all_outputs(self):
        assert difference({}, [1], [3], "int32").would_pass == ()
        assert difference({"atol": 1}, [1], [3], "int32").would_pass == ("rtol=2", "atol=3")


class TestCosine:
    @pytest.mark.parametrize(
        ("expected", "served", "similarity"),
        [
            ([3, 4], [4, 3], 0.96),
            ([1, 0], [0, 1], 0),
            ([1, 1], [-2, -2], -1),
            ([1, 2], [10, 20], 1),
            ([1e30, 1e30], [1e30, 1e30], 1),
            ([1e30, 0], [1e30, 1e30], math.sqrt(0.5)),
            ([1e-40, 0], [1e-40, 1e-40], math.sqrt(0.5)),
            ([0, 0], [0, 0], 1),
            ([0, 0], [1, 0], 0),
        ],
    )
    def test_of_two_vectors(self, expected, served, similarity):
        assert holds({"cosine": max(-1.0, similarity - 1e-6)}, expected, served)
        if similarity < 1:
            found = difference({"cosine": min(1.0, similarity + 1e-6)}, expected, served)
            assert found.offenders[0].error == pytest.approx(1 - similarity)
            assert found.unit == "rows"

    def test_each_row_for_itself(self):
        expected = [[[1, 0], [3, 4]], [[1, 0], [1, 0]]]
        served = [[[1, 0], [4, 3]], [[1, 0], [0, 1]]]
        found = difference({"cosine": 0.99}, expected, served)
        assert (found.differing, found.total, found.worst) == (2, 4, (1, 1))
        assert (found.expected, found.served) == (">= 0.99", "0")
        assert [offender.at for offender in found.offenders] == [(1, 1), (0, 1)]

    def test_what_would_have_passed(self):
        found = difference({"cosine": 0.999}, [3, 4], [4, 3])
        assert found.would_pass == ("cosine=0.95",)  # 1 - 0.04, one digit up

    @pytest.mark.parametrize(
        ("expected", "served", "equal_nan", "is_held"),
        [
            ([nan, 1], [nan, 1], False, False),
            ([nan, 1], [nan, 1], True, True),
            ([nan, 1, 1], [nan, 2, 2], True, True),
            ([nan, 1], [1, 1], True, False),
            ([inf, 1], [inf, 1], False, True),
            ([inf, 1], [1, 1], False, False),
        ],
    )
    def test_nan_and_infinity(self, expected, served, equal_nan, is_held):
        assert holds({"cosine": 0.9, "equal_nan": equal_nan}, expected, served) is is_held

    @pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "int8", "uint64"])
    def test_of_other_dtypes(self, dtype):
        assert holds({"cosine": 0.9599}, [3, 4], [4, 3], dtype)
        assert not holds({"cosine": 0.9601}, [3, 4], [4, 3], dtype)


class TestClasses:
    @pytest.mark.parametrize(
        ("rule", "expected", "served", "is_held"),
        [
            ({"argmax": True}, [0.1, 0.7, 0.2], [0.3, 0.4, 0.3], True),
            ({"argmax": True}, [0.1, 0.7, 0.2], [0.5, 0.4, 0.1], False),
            ({"argmax": True}, [0.5, 0.5, 0.0], [0.5, 0.4, 0.1], True),
            ({"argmax": True}, [0.5, 0.5, 0.0], [0.4, 0.5, 0.1], True),
            ({"argmax": True}, [0.6, 0.4, 0.0], [0.5, 0.5, 0.0], True),
            ({"argmax": True}, [0.4, 0.6, 0.0], [0.5, 0.5, 0.0], False),
            ({"argmax": True}, [0.4, 0.6, 0.0], [0.0, 0.0, 0.0], False),
            ({"argmax": True, "atol": 0.1}, [0.4, 0.6, 0.0], [0.55, 0.5, 0.0], False),
            ({"argmax": True}, [0.5, 0.45, 0.05], [0.45, 0.5, 0.05], False),
            ({"argmax": True, "atol": 0.06}, [0.5, 0.45, 0.05], [0.45, 0.5, 0.05], True),
            ({"top_k": 2}, [4, 3, 2, 1], [3, 4, 2, 1], True),
            ({"top_k": 2}, [4, 3, 2, 1], [4, 2, 3, 1], False),
            ({"top_k": 2}, [4, 3, 3, 1], [4, 2, 3, 1], True),
            ({"top_k": 2}, [4, 3, 2.5, 1], [4, 2, 3, 1], False),
            ({"top_k": 2, "atol": 0.5}, [4, 3, 2.5, 1], [4, 2, 3, 1], True),
            ({"top_k": 2}, [4, 3, 2, 1], [1, 1, 1, 1], True),
            ({"top_k": 2}, [1, 2, 3, 4], [1, 1, 1, 1], False),
            ({"top_k": 2}, [4, 3, 2, 3], [9, 1, 0, 1], True),
            ({"top_k": 4}, [4, 3, 2, 1], [1, 2, 3, 4], True),
            ({"top_k": 1}, [nan, 1], [nan, 1], False),
            ({"top_k": 1, "equal_nan": True}, [nan, 1, 2], [nan, 1, 2], True),
            ({"top_k": 1, "equal_nan": True}, [nan, 1, 2], [1, 1, 2], False),
            ({"argmax": True}, [-inf, 0.0], [-inf, 1.0], True),
            ({"argmax": True}, [inf, 0.0], [0.0, inf], False),
        ],
    )
    def test_the_best_of_a_row(self, rule, expected, served, is_held):
        assert holds(rule, expected, served) is is_held

    def test_both_are_shown(self):
        found = difference({"argmax": True}, [[0.25, 0.75], [0.5, 0.0]], [[0.25, 0.75], [0.5, 1.0]])
        assert (found.differing, found.total, found.unit, found.worst) == (1, 2, "rows", (1,))
        assert (found.expected, found.served) == ("0 (0.5)", "1 (1.0)")

    def test_a_share_of_rows_may_differ(self):
        expected, served = np.tile([1.0, 0.0], (200, 1)), np.tile([1.0, 0.0], (200, 1))
        served[7] = [0.0, 1.0]
        assert holds({"argmax": True, "differing": 0.005}, expected, served)
        served[8] = [0.0, 1.0]
        found = difference({"argmax": True, "differing": 0.005}, expected, served)
        assert (found.differing, found.total, found.allowed) == (2, 200, 0.005)
        assert found.would_pass == ("differing=0.01",)

    @given(hnp.arrays("f4", (3, 5), elements=st.floats(0, 1, width=32)), st.integers(1, 5))
    def test_scores_that_are_all_shifted_have_the_same_best(self, scores, k):
        assert holds({"top_k": k}, scores.astype("f8"), scores.astype("f8") * 2 + 1, "float64")


class TestUnordered:
    @pytest.mark.parametrize(
        ("dtype", "expected", "served", "is_held"),
        [
            ("string", ["a", "b", "b"], ["b", "a", "b"], True),
            ("string", ["a", "b", "b"], ["a", "a", "b"], False),
            ("string", [["a", "b"], ["c", "d"]], [["b", "a"], ["d", "c"]], True),
            ("string", [["a", "b"], ["c", "d"]], [["c", "d"], ["a", "b"]], False),
            ("int64", [2**53, 2**53 + 1], [2**53 + 1, 2**53], True),
            ("int64", [2**53, 2**53 + 1], [2**53, 2**53], False),
            ("bool", [True, False], [False, True], True),
        ],
    )
    def test_rows_are_multisets(self, dtype, expected, served, is_held):
        assert holds({"unordered": True}, expected, served, dtype) is is_held

    def test_what_is_missing_and_what_is_there_instead(self):
        found = difference(
            {"unordered": True}, [["a", "b", "b"], ["x", "y", "z"]], [["b", "c", "a"], ["z", "y", "x"]], "string"
        )
        assert (found.expected, found.served, found.worst) == ("lacks b'b'", "has b'c'", (0,))
        assert (found.differing, found.total) == (1, 2)


class TestPsnr:
    def test_of_integers_the_peak_is_the_dtypes(self):
        # 10 log10(255**2 / 10**2) = 28.13
        expected, served = np.zeros((2, 4), "u1"), np.array([[0] * 4, [10] * 4], "u1")
        assert holds({"psnr": 28.13}, expected, served, "uint8")
        found = difference({"psnr": 28.14}, expected, served, "uint8")
        assert (found.differing, found.total, found.unit, found.worst) == (1, 2, "entries", (1,))
        assert (found.expected, found.served) == (">= 28.14 dB", "28.13 dB")
        assert found.would_pass == ("psnr=28",)

    def test_of_floats_the_peak_is_given(self):
        # 10 log10(10**2 / 1**2) = 20
        assert holds({"psnr": 20, "peak": 10}, [[1, 2], [3, 4]], [[2, 1], [4, 3]])
        assert not holds({"psnr": 20, "peak": 9}, [[1, 2], [3, 4]], [[2, 1], [4, 3]])

    def test_a_single_row_is_one_entry(self):
        assert holds({"psnr": 20, "peak": 10}, [1, 2, 3, 4], [3, 2, 3, 4])  # mean of squares 1
        assert difference({"psnr": 21, "peak": 10}, [1, 2, 3, 4], [3, 2, 3, 4]).unit == "answer"

    @pytest.mark.parametrize(
        ("expected", "served", "equal_nan", "is_held"),
        [
            ([nan, 1], [nan, 1], False, False),
            ([nan, 1], [nan, 1], True, True),
            ([nan, 1], [1, 1], True, False),
            ([inf, 1], [inf, 1], False, True),
            ([inf, 1], [1, 1], False, False),
        ],
    )
    def test_nan_and_infinity(self, expected, served, equal_nan, is_held):
        assert holds({"psnr": 1, "peak": 1, "equal_nan": equal_nan}, expected, served) is is_held


class TestMeanAbsolute:
    def test_the_mean_of_the_errors(self):
        assert holds({"mean_absolute": 0.5}, [1, 2, 3, 4], [1, 2, 3, 6])
        found = difference({"mean_absolute": 0.49}, [1, 2, 3, 4], [1, 2, 3, 6])
        assert (found.unit, found.expected, found.served) == ("answer", "mean error <= 0.49", "0.5")
        assert found.would_pass == ("mean_absolute=0.5",)

    @pytest.mark.parametrize(
        ("dtype", "expected", "served"),
        [("int8", [-128, 0], [127, 1]), ("complex64", [0, 0], [153.6 + 204.8j, 0]), ("bfloat16", [0, 0], [256, 0])],
    )
    def test_of_other_dtypes(self, dtype, expected, served):
        assert holds({"mean_absolute": 128.001}, expected, served, dtype)
        assert not holds({"mean_absolute": 127.99}, expected, served, dtype)

    def test_nan_is_left_out_where_asked(self):
        assert not holds({"mean_absolute": 1}, [nan, 1], [nan, 2])
        assert holds({"mean_absolute": 1, "equal_nan": True}, [nan, 1], [nan, 2])
        assert not holds({"mean_absolute": 0.9, "equal_nan": True}, [nan, 1], [nan, 2])

    def test_with_a_share_of_values(self):
        rule = {"mean_absolute": 0.0125, "differing": 0.1}
        expected, served = np.ones(100), np.ones(100)
        served[:10] = 1.125
        assert holds(rule, expected, served, "float64")
        served[10] = 1.125
        by_rule = [found.rule for found in differences(rule, expected, served, "float64")]
        assert by_rule == ["rtol=1e-05 atol=1e-08", "mean_absolute=0.0125"]


class TestDiffering:
    def test_a_share_of_values_may_be_out_of_tolerance(self):
        expected, served = np.zeros(1000, "f4"), np.zeros(1000, "f4")
        served[:5] = 1
        assert holds({"differing": 0.005}, expected, served)
        served[5] = 1
        found = difference({"differing": 0.005}, expected, served)
        assert (found.differing, found.allowed) == (6, 0.005)
        assert found.would_pass == ("atol=2", "differing=0.006")

    def test_of_strings(self):
        assert holds({"differing": 0.5}, ["a", "b"], ["a", "c"], "string")
        assert not holds({"differing": 0.4}, ["a", "b"], ["a", "c"], "string")


class TestCustom:
    @pytest.fixture(autouse=True)
    def module(self, tmp_path, monkeypatch):
        monkeypatch.delitem(sys.modules, "comparisons_here", raising=False)
        (tmp_path / "tests" / "goldens").mkdir(parents=True)
        (tmp_path / "tests" / "comparisons_here.py").write_text(
            "import numpy as np\n"
            "def same_sum(expected, served):\n    return expected.sum() == served.sum()\n"
            "def says(expected, served):\n    return 'the boxes moved' if served[0] else ''\n"
            "def asserts(expected, served):\n    assert served[0] == 0, 'not zero'\n    return True\n"
            "def writes(expected, served):\n    served[0] = 9\n    return True\n"
            "def forgets(expected, served):\n    pass\n"
            "def breaks(expected, served):\n    return 1 / 0\n"
            "NOTHING = 3\n"
        )
        (tmp_path / "broken_here.py").write_text("import no_such_module_at_all\n")
        self.base = tmp_path / "tests" / "goldens"

    def found(self, name, served):
        rules = {"y": read_output_rule("here", {"custom": name}, self.base)}
        return compare({"y": np.zeros(2)}, {"y": np.array(served, "f8")}, Tolerance(outputs=rules)).differences

    @pytest.mark.parametrize(
        ("function", "served", "problem"),
        [
            ("same_sum", [1, -1], None),
            ("same_sum", [1, 0], "it gave False"),
            ("says", [0, 1], None),
            ("says", [1, 0], "the boxes moved"),
            ("asserts", [0, 1], None),
            ("asserts", [1, 0], "not zero"),
        ],
    )
    def test_a_truth_value_or_text(self, function, served, problem):
        found = self.found(f"comparisons_here:{function}", served)
        assert [(d.served, d.unit, d.rule) for d in found] == (
            [(problem, "answer", f"custom=comparisons_here:{function}")] if problem else []
        )

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("comparisons_here:breaks", r"custom comparisons_here:breaks, called for output 'y', raised ZeroDivisionError: "
             r"division by zero \(.*comparisons_here.py:15: return 1 / 0\)"),
            ("comparisons_here:forgets", "gave None; True, False, or text that says what is wrong was expected"),
            ("comparisons_here:absent", "the module comparisons_here has no function absent"),
            ("comparisons_here:NOTHING", "has no function NOTHING"),
            ("no_module_of_that_name:f", "there is no module no_module_of_that_name, neither in .* nor on PYTHONPATH"),
            ("broken_here:f", "cannot be imported: ModuleNotFoundError: No module named 'no_such_module_at_all'"),
        ],
    )  # fmt: skip
    def test_a_function_that_cannot_be_used(self, name, message):
        with pytest.raises(SpecError, match=message):
            self.found(name, [0, 0])

    def test_what_it_writes_into_is_a_copy(self):
        served = np.zeros(2)
        rules = {"y": read_output_rule("here", {"custom": "comparisons_here:writes", "exact": True}, self.base)}
        assert compare({"y": np.zeros(2)}, {"y": served}, Tolerance(outputs=rules)).holds
        assert served.tolist() == [0, 0]

    def test_a_module_of_the_same_name_elsewhere_is_not_taken_for_it(self, tmp_path):
        assert self.found("comparisons_here:same_sum", [0, 0]) == ()
        (tmp_path / "tests" / "goldens" / "comparisons_here.py").touch()
        with pytest.raises(
            SpecError, match=r"means the module in .*goldens, but comparisons_here has been imported from"
        ):
            self.found("comparisons_here:same_sum", [0, 0])

    def test_a_module_that_can_be_imported_anyway(self):
        rules = {"y": read_output_rule("here", {"custom": "numpy:array_equal"}, self.base)}
        assert compare({"y": np.zeros(2)}, {"y": np.zeros(2)}, Tolerance(outputs=rules)).holds


@pytest.mark.parametrize(
    ("rule", "dtype", "value", "message"),
    [
        ({"cosine": 0.9}, "string", [["a"]], "cosine says nothing of output 'y', which is string; use exact or unordered"),
        ({"cosine": 0.9}, "complex64", [[1]], "cosine says nothing of output 'y', which is complex64; use rtol and atol"),
        ({"cosine": 0.9}, "float32", 1, "cosine is of rows, and output 'y' is a scalar; use rtol and atol, or exact"),
        ({"argmax": True}, "bool", [True], "argmax says nothing of output 'y', which is bool; use exact"),
        ({"top_k": 3}, "float32", [1, 2], "top_k=3 says nothing of output 'y', whose rows have 2 classes"),
        ({"psnr": 40}, "float32", [1], "psnr of output 'y', which is float32, needs a peak"),
        ({"psnr": 40}, "string", ["a"], "psnr says nothing of output 'y', which is string; use exact"),
        ({"mean_absolute": 1}, "bool", [True], "mean_absolute says nothing of output 'y', which is bool; use exact"),
        ({"unordered": True}, "float32", [1], "unordered says nothing of output 'y', which is float32; use rtol and atol"),
        ({"ulps": 4}, "int32", [1], "ulps says nothing of output 'y', which is int32; use exact"),
        ({"ulps": 4}, "complex64", [1], "ulps says nothing of output 'y', which is complex64; use rtol and atol"),
        ({"rtol": 1}, "string", ["a"], "rtol and atol says nothing of output 'y', which is string; use exact or unordered"),
        ({"atol": 1}, "bool", [True], "rtol and atol says nothing of output 'y', which is bool; use exact"),
    ],
    ids=str,
)  # fmt: skip
def test_a_dtype_that_a_key_says_nothing_of(rule, dtype, value, message):
    with pytest.raises(SpecError) as refused:
        differences(rule, value, value, dtype)
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize("rule", [{"cosine": 1}, {"psnr": 99, "peak": 1}, {"argmax": True}, {"mean_absolute": 0}, {"ulps": 0}, {"exact": True}, {"differing": 0.5}], ids=str)  # fmt: skip
@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 3)], ids=str)
def test_no_values_differ_in_nothing(rule, shape):
    assert holds(rule, np.zeros(shape), np.zeros(shape))


@pytest.mark.parametrize("rule", [{"cosine": 1}, {"exact": True}, {"argmax": True}], ids=str)
def test_dtype_and_shape_are_exact_whatever_the_rule(rule):
    rules = {"y": read_output_rule("here", rule, Path())}
    for other, kind in ((np.zeros((2, 3), "f8"), "dtype"), (np.zeros((3, 2), "f4"), "shape")):
        (found,) = compare({"y": np.zeros((2, 3), "f4")}, {"y": other}, Tolerance(outputs=rules)).differences
        assert found.kind == kind


@given(
    st.sampled_from(["f2", "f4", "f8", "i1", "u8"]).flatmap(lambda dtype: st.tuples(*[hnp.arrays(dtype, (3, 4))] * 2)),
    st.sampled_from(
        [{"exact": True}, {"cosine": 0.5}, {"argmax": True}, {"top_k": 2}, {"psnr": 3.0, "peak": 2.0},
         {"mean_absolute": 1.0}, {"atol": 1.0}, {"differing": 0.3}]
    ),
    st.booleans(),
)  # fmt: skip
def test_any_two_arrays_can_be_compared_by_any_key(pair, rule, equal_nan):
    expected, served = pair
    found = differences({**rule, "equal_nan": equal_nan}, expected, served, expected.dtype.name)
    for d in found:
        assert 0 < d.differing <= d.total
        assert d.offenders
    assert holds({**rule, "equal_nan": True}, expected, expected, expected.dtype.name)


RULES = [{}, {"exact": True}, {"ulps": 3}, {"cosine": 0.5}, {"argmax": True}, {"top_k": 2}, {"psnr": 3.0, "peak": 2.0}, {"mean_absolute": 1.0}]  # fmt: skip


@given(
    st.sampled_from(["f2", "f4", "f8"]).flatmap(lambda dtype: st.tuples(*[hnp.arrays(dtype, (5, 4))] * 2)),
    st.sampled_from(RULES),
    st.booleans(),
)
def test_blocks_make_no_difference(pair, rule, equal_nan):
    expected, served = pair
    served = np.where(np.arange(4) == 1, served, expected)
    rules = {"y": read_output_rule("here", {**rule, "equal_nan": equal_nan}, Path())}

    def found():
        comparison = compare({"y": expected}, {"y": served}, Tolerance(outputs=rules))
        return [repr((d, d.rule, d.would_pass, d.decades, d.offenders)) for d in comparison.differences]

    at_once = found()
    with pytest.MonkeyPatch.context() as patch:
        for module in (elements, rows, whole):
            patch.setattr(module, "_BLOCK", 3)
        in_blocks = found()
    assert in_blocks == at_once or rule.keys() & {"mean_absolute", "psnr"}  # sums of floats depend on their order
    assert bool(in_blocks) == bool(at_once)


@given(
    st.sampled_from(["f4", "f8"]).flatmap(lambda dtype: st.tuples(*[hnp.arrays(dtype, 7)] * 2)),
    st.floats(0, 2),
    st.floats(0, 1e3),
    st.booleans(),
)
def test_a_tolerance_is_numpys(pair, rtol, atol, equal_nan):
    expected, served = (values.astype("f8") for values in pair)
    with np.errstate(all="ignore"):
        close = np.isclose(served, expected, rtol, atol, equal_nan)
    found = differences({}, *pair, pair[0].dtype.name, rtol=rtol, atol=atol, equal_nan=equal_nan)
    assert sum(d.differing for d in found) == (~close).sum()


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (3, "here is 3; a mapping of exact, ulps, "),
        ({}, "here is {}; a mapping of exact, ulps, "),
        ({"cosin": 0.9}, "here: unknown key 'cosin'; did you mean 'cosine'? (known: exact, ulps, "),
        ({"cosine": 1.5}, "here: cosine is 1.5; a number from -1 to 1 expected"),
        ({"cosine": nan}, "here: cosine is nan; a number from -1 to 1 expected"),
        ({"ulps": 1.0}, "here: ulps is 1.0; a whole number that is not negative expected"),
        ({"top_k": 0}, "here: top_k is 0; a whole number from 1 on expected"),
        ({"exact": 1}, "here: exact is 1; True or False expected"),
        ({"differing": 50}, "here: differing is 50; a share from 0 to 1 expected"),
        (
            {"custom": "boxes"},
            "here: custom is 'boxes'; the name of a function, such as 'comparisons:same_boxes', expected",
        ),
        ({"exact": True, "ulps": 4}, "here: exact and ulps exclude each other; each limits every value; give one"),
        ({"ulps": 4, "atol": 1e-3}, "here: ulps and rtol and atol exclude each other"),
        ({"peak": 255}, "here: peak belongs to psnr, such as 'psnr': 40, 'peak': 255"),
    ],
    ids=str,
)
def test_a_rule_that_cannot_be_meant(rule, message):
    with pytest.raises(SpecError) as refused:
        read_output_rule("here", rule, Path())
    assert str(refused.value).startswith(message)


def test_rules_are_by_output():
    with pytest.raises(SpecError, match=r"here: outputs='scores'; rules by output expected, such as \{'scores'"):
        read_output_rules("here", "scores", Path())
    assert read_output_rules("here", {"a": {"ulps": 4}}, Path()) == {"a": OutputRule(ulps=4)}


def test_a_rule_of_no_output_is_refused():
    tolerance = Tolerance(outputs={"score": OutputRule(ulps=4)})
    with pytest.raises(
        SpecError, match=r"outputs\['score'\] is of no output; did you mean 'scores'\? \(known: 'classes', 's"
    ):
        check_outputs_named(tolerance, {"scores", "classes"})


def test_a_tolerance_travels_as_plain_values():
    rules = {"y": read_output_rule("here", {"custom": "a.b:c", "differing": 0.5}, Path("/tests"))}
    for tolerance in (Tolerance(), Tolerance(0.5, 0.25, True, rules)):
        assert Tolerance.from_plain(asdict(tolerance)) == tolerance


def test_a_function_of_ones_own_is_looked_for_by_one_thread_at_a_time(tmp_path, monkeypatch):
    """Two that have Python forget what it knows of sys.path forget the same entry, and one of them finds it gone."""
    (tmp_path / "own_of_threads.py").write_text("def check(expected, served): return True\n")
    for n in range(2000):
        monkeypatch.setitem(sys.path_importer_cache, f"/gone/{n}.zip", None)
    pair = Pair("y", "float32", np.zeros(1, "f4"), np.zeros(1, "f4"), 0.0, 0.0, False)
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as threads:
            found = list(threads.map(lambda _: compare_custom(pair, "own_of_threads:check", str(tmp_path)), range(8)))
    finally:
        sys.setswitchinterval(switch)
    assert found == [None] * 8
