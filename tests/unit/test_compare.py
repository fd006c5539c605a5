"""What of an answer differs from its golden: names, dtypes, shapes, then values and how far they are off."""

import math
import warnings

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pytest_tfserving.golden.compare import compare, describe
from pytest_tfserving.golden.difference import Difference
from pytest_tfserving.golden.tolerance import Tolerance

nan, inf = math.nan, math.inf


def difference(expected, served, **tolerance):
    """The difference of one output, or None."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a test suite that turns warnings into errors must still get the comparison
        differences = compare({"y": expected}, {"y": served}, Tolerance(**tolerance)).differences
    assert len(differences) <= 1
    return differences[0] if differences else None


def holds(expected, served, dtype="float32", **tolerance):
    return difference(np.array(expected, dtype), np.array(served, dtype), **tolerance) is None


class TestOutputs:
    A, B = np.zeros((2, 3), "f4"), np.zeros(4, "i8")

    def test_equal_answers_hold(self):
        comparison = compare({"a": self.A, "b": self.B}, {"b": self.B, "a": self.A}, Tolerance())
        assert comparison.holds
        assert comparison.differences == ()

    @pytest.mark.parametrize(
        ("expected", "served", "differences"),
        [
            ({"a": A, "b": B}, {"b": B}, [Difference("a", "missing", "float32[2, 3]", "-")]),
            ({"b": B}, {"a": A, "b": B}, [Difference("a", "unexpected", "-", "float32[2, 3]")]),
            ({"a": A}, {"a": A.astype("f8")}, [Difference("a", "dtype", "float32[2, 3]", "float64[2, 3]")]),
            ({"a": A}, {"a": A.T}, [Difference("a", "shape", "float32[2, 3]", "float32[3, 2]")]),
            ({"a": A}, {"a": B}, [Difference("a", "dtype", "float32[2, 3]", "int64[4]")]),
            (
                {"b": B, "a": A},
                {"z": B, "x": A},
                [
                    Difference("b", "missing", "int64[4]", "-"),
                    Difference("a", "missing", "float32[2, 3]", "-"),
                    Difference("x", "unexpected", "-", "float32[2, 3]"),
                    Difference("z", "unexpected", "-", "int64[4]"),
                ],
            ),
        ],
        ids=["missing", "unexpected", "dtype", "shape", "dtype before shape", "in the golden's order, then by name"],
    )
    def test_names_dtypes_and_shapes_must_be_equal(self, expected, served, differences):
        comparison = compare(expected, served, Tolerance())
        assert list(comparison.differences) == differences
        assert not comparison.holds

    @pytest.mark.parametrize("dtype", ["f4", "i8", "?", "O", "c8"])
    @pytest.mark.parametrize("shape", [(0,), (0, 3)], ids=str)
    def test_arrays_without_values_differ_in_shape_alone(self, dtype, shape):
        assert difference(np.zeros(shape, dtype), np.zeros(shape, dtype)) is None
        assert difference(np.zeros(shape, dtype), np.zeros((1, *shape), dtype)).kind == "shape"

    @pytest.mark.parametrize(
        ("array", "spec"),
        [(np.zeros((), "f4"), "float32[]"), (np.zeros((2, 3), "O"), "string[2, 3]"), (np.array(["a"]), "string[1]")],
        ids=["scalar", "objects", "text"],
    )
    def test_an_array_is_described_as_a_spec(self, array, spec):
        assert describe(array) == spec


class TestTolerance:
    @pytest.mark.parametrize(
        ("dtype", "rtol"),
        [("float32", 1e-5), ("float64", 1e-5), ("complex64", 1e-5), ("float16", 1e-3), ("bfloat16", 1.6e-2)],
    )
    def test_defaults_go_by_the_dtype(self, dtype, rtol):
        assert Tolerance().of(dtype) == (rtol, 1e-8)
        assert Tolerance(rtol=0.5).of(dtype) == (0.5, 1e-8)
        assert Tolerance(atol=0.5).of(dtype) == (rtol, 0.5)
        assert Tolerance(rtol=0, atol=0).of(dtype) == (0, 0)

    @pytest.mark.parametrize(
        ("dtype", "near", "far"),
        [
            ("float32", 1 + 9e-6, 1 + 1.2e-5),
            ("float64", 1 + 9e-6, 1 + 1.2e-5),
            ("float16", 1 + 2**-10, 1 + 2**-9),
            (ml_dtypes.bfloat16, 1 + 2**-7, 1 + 2**-5),
            ("complex64", 1 + 6e-6j, 1 + 2e-5j),
        ],
        ids=["float32", "float64", "float16", "bfloat16", "complex64"],
    )
    def test_one_last_place_of_a_short_dtype_is_near(self, dtype, near, far):
        assert holds(1, near, dtype)
        assert not holds(1, far, dtype)

    @pytest.mark.parametrize(
        ("expected", "served", "tolerance", "is_held"),
        [
            (100.0, 101.0, {"rtol": 0.01}, True),
            (101.0, 100.0, {"rtol": 0.00995}, True),
            (100.0, 101.0, {"rtol": 0.00995}, False),
            (1.0, 1.25, {"rtol": 0, "atol": 0.25}, True),
            (1.0, 1.25, {"rtol": 0, "atol": 0.24}, False),
            (0.0, 1e-9, {}, True),
            (0.0, 1e-7, {}, False),
            (0.0, -0.0, {"rtol": 0, "atol": 0}, True),
            (1.0, 1.0 + 2**-23, {"rtol": 0, "atol": 0}, False),
        ],
    )
    def test_it_is_relative_to_the_golden_and_inclusive(self, expected, served, tolerance, is_held):
        assert holds(expected, served, **tolerance) is is_held

    @pytest.mark.parametrize(
        ("expected", "served", "equal_nan", "is_held"),
        [
            ([nan], [nan], False, False),
            ([nan], [nan], True, True),
            ([nan], [1.0], True, False),
            ([1.0], [nan], True, False),
            ([inf], [inf], False, True),
            ([inf], [-inf], False, False),
            ([inf], [1.0], False, False),
            ([1.0], [inf], False, False),
            ([inf], [nan], True, False),
        ],
    )
    @pytest.mark.parametrize("dtype", ["float32", "bfloat16", "complex128"])
    def test_nan_and_infinity(self, expected, served, equal_nan, is_held, dtype):
        dtype = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
        assert holds(expected, served, dtype, equal_nan=equal_nan) is is_held

    @pytest.mark.parametrize("dtype", ["int32", "uint64", "bool", "object"])
    def test_it_is_for_floats_alone(self, dtype):
        one, other = (b"a", b"b") if dtype == "object" else (1, 0)
        assert not holds([one], [other], dtype, rtol=10, atol=10)


class TestValues:
    def test_how_many_differ_where_the_worst_is_and_the_largest_errors(self):
        expected = np.array([[1, 2, 3], [4, 5, 100]], "f4")
        served = np.array([[1, 2.5, 3], [4, 5, 101]], "f4")
        assert difference(expected, served) == Difference(
            output="y",
            kind="values",
            expected="100.0",
            served="101.0",
            differing=2,
            total=6,
            worst=(1, 2),
            max_absolute=1.0,
            max_relative=0.25,
        )

    @pytest.mark.parametrize(
        ("expected", "served", "worst"),
        [
            ([1, 2, 3], [1.1, 2.3, 3.2], (1,)),
            ([1, nan, 3], [1.1, 5, 9], (1,)),
            ([1, 2, 3], [9, 2, nan], (2,)),
            ([1, 2, 3], [9, 2, inf], (2,)),
            ([inf, 2, 3], [inf, 9, 3], (1,)),
            ([[1], [2]], [[1], [5]], (1, 0)),
            (1, 2, ()),
        ],
        ids=repr,
    )
    @pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
    def test_the_worst_is_what_goes_furthest_beyond_the_tolerance(self, expected, served, worst, dtype):
        assert difference(np.array(expected, dtype), np.array(served, dtype)).worst == worst

    def test_a_larger_error_may_be_nearer_to_the_tolerance(self):
        found = difference(np.array([1e6, 1.0]), np.array([1e6 + 100, 96.0]))  # 90 and 95 too far
        assert (found.worst, found.differing, found.max_absolute) == ((1,), 2, 100.0)

    def test_a_value_within_the_tolerance_is_never_the_worst(self):
        found = difference(np.array([1e9, 1.0]), np.array([1e9 + 100, 1.5]))
        assert (found.worst, found.differing) == ((1,), 1)
        assert found.max_absolute == 0.5
        found = difference(np.array([nan, inf, 1]), np.array([nan, inf, 2]), equal_nan=True)
        assert (found.worst, found.differing) == ((2,), 1)

    @pytest.mark.parametrize(
        ("expected", "served", "errors"),
        [
            ([0.0], [2.0], (2.0, inf)),
            ([4.0], [inf], (inf, inf)),
            ([inf], [-inf], (inf, None)),
            ([nan], [1.0], (None, None)),
            ([nan, 4.0], [1.0, 5.0], (1.0, 0.25)),
            ([1e308], [-1e308], (inf, inf)),
        ],
        ids=repr,
    )
    def test_errors_of_values_without_a_distance(self, expected, served, errors):
        found = difference(np.array(expected), np.array(served))
        assert (found.max_absolute, found.max_relative) == errors

    @pytest.mark.parametrize(
        ("expected", "served", "only_nan"),
        [([nan, 1], [nan, 1], True), ([nan, 1], [nan, 2], False), ([nan, 1], [nan, nan], False), ([1], [2], False)],
        ids=repr,
    )
    def test_it_is_known_whether_nan_beside_nan_is_all_that_differs(self, expected, served, only_nan):
        assert difference(np.array(expected), np.array(served)).only_nan is only_nan

    @pytest.mark.parametrize(
        ("dtype", "expected", "served", "errors"),
        [
            ("int32", 7, 5, (2.0, 2 / 7)),
            ("int8", -128, 127, (255.0, 255 / 128)),
            ("int64", -(2**63), 2**63 - 1, (float(2**64), 2.0)),
            ("int64", 2**53, 2**53 + 1, (1.0, 2.0**-53)),
            ("uint64", 0, 2**64 - 1, (float(2**64), inf)),
            ("uint8", 1, 0, (1.0, 1.0)),
        ],
    )
    def test_integers_are_exact_and_their_distance_does_not_wrap(self, dtype, expected, served, errors):
        found = difference(np.array([3, expected], dtype), np.array([3, served], dtype))
        assert (found.expected, found.served) == (str(expected), str(served))
        assert (found.worst, found.differing, found.total) == ((1,), 1, 2)
        assert (found.max_absolute, found.max_relative) == errors

    def test_the_worst_integer_is_the_furthest(self):
        found = difference(np.array([[1, 2], [3, 4]]), np.array([[2, 2], [-30, 5]]))
        assert (found.worst, found.expected, found.served, found.differing) == ((1, 0), "3", "-30", 3)

    @pytest.mark.parametrize(
        ("expected", "served", "shown"),
        [
            (np.array([True, False]), np.array([True, True]), ("False", "True")),
            (np.array([b"a", b"b\x00"], object), np.array([b"a", b"b"], object), ("b'b\\x00'", "b'b'")),
            (np.array([b"a", b"x" * 80], object), np.array([b"a", b""], object), ("b'" + "x" * 55 + "...", "b''")),
        ],
        ids=["bool", "bytes", "long bytes"],
    )
    def test_values_without_a_distance_show_the_first(self, expected, served, shown):
        found = difference(expected, served)
        assert (found.expected, found.served) == shown
        assert (found.worst, found.differing, found.total) == ((1,), 1, 2)
        assert (found.max_absolute, found.max_relative) == (None, None)

    def test_text_and_bytes_are_the_same_string(self):
        golden = np.array([b"a", "é".encode()], object)
        assert difference(golden, np.array(["a", "é"])) is None
        assert difference(golden, np.array(["a", "è"])).served == repr("è".encode())

    @pytest.mark.parametrize("dtype", ["f4", "i8", "?", "c16", "O"])
    def test_a_scalar_has_the_index_of_no_dimensions(self, dtype):
        one, other = (b"a", b"b") if dtype == "O" else (1, 0)
        found = difference(np.array(one, dtype), np.array(other, dtype))
        assert (found.worst, found.differing, found.total) == ((), 1, 1)

    @given(
        st.sampled_from(["f2", "f4", "f8", "c8", "i1", "i8", "u8", "?"]).flatmap(
            lambda dtype: st.tuples(*[hnp.arrays(dtype, (2, 3))] * 2)
        )
    )
    def test_any_two_arrays_can_be_compared(self, pair):
        expected, served = pair
        found = difference(expected, served, rtol=0, atol=0)
        if found is None:
            np.testing.assert_array_equal(served, expected)
        else:
            assert found.differing == (~(expected == served)).sum()
            assert expected[found.worst] != served[found.worst]
