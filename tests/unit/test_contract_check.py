"""A marker's signature beside the export's and the server's, and the sizes of one request and its answer."""

import numpy as np
import pytest

from pytest_tfserving.contracts.check import (
    ExpectedSignature,
    SignatureComparison,
    TensorRow,
    compare_signature,
    find_size_conflicts,
)
from pytest_tfserving.grammar import parse_tensor_spec as spec
from pytest_tfserving.schema import INIT_OP_SIGNATURE, ModelSchema, Signature


def specs(**texts):
    return {name: spec(text) for name, text in texts.items()}


def schema(inputs, outputs, name="predict"):
    return ModelSchema(
        {name: Signature(name, inputs, outputs), INIT_OP_SIGNATURE: Signature(INIT_OP_SIGNATURE, {}, {})}
    )


X, Y = spec("float32[?, 28]"), spec("int64[?]")
SERVED = schema({"x": X}, {"y": Y})


class TestCompareSignature:
    def test_it_holds_where_every_source_has_it(self):
        expected = ExpectedSignature("predict", specs(x="float32[batch, 28]"), specs(y="int64[batch]"))
        comparison = compare_signature(expected, {"export": SERVED, "server": SERVED})
        assert comparison == SignatureComparison(
            name="predict",
            rows=(
                TensorRow("inputs", "x", spec("float32[batch, 28]"), {"export": X, "server": X}),
                TensorRow("outputs", "y", spec("int64[batch]"), {"export": Y, "server": Y}),
            ),
            missing_in=(),
            known={"export": ("predict",), "server": ("predict",)},
        )
        assert comparison.holds

    @pytest.mark.parametrize(
        ("expected", "found", "holds"),
        [
            ("float32[3]", "float32[3]", True),
            ("float32[3]", "float32[4]", False),
            ("float32[3]", "float32[?]", False),
            ("float32[3]", "float64[3]", False),
            ("float32[batch]", "float32[?]", True),
            ("float32[?]", "float32[?]", True),
            ("float32[batch]", "float32[3]", False),
            ("float32[?]", "float32[3]", False),
            ("float32[batch]", "float32[?, ?]", False),
            ("float32[]", "float32[]", True),
            ("float32[]", "float32[?]", False),
            ("float32[...]", "float32[...]", True),
            ("float32[...]", "float64[...]", False),
            ("float32[...]", "float32[]", False),
            ("float32[...]", "float32[?, 3]", False),
            ("float32[3]", "float32[...]", False),
        ],
    )
    def test_dtype_and_shape_must_be_equal_and_an_open_dimension_must_be_open(self, expected, found, holds):
        comparison = compare_signature(
            ExpectedSignature("predict", {"x": spec(expected)}), {"server": schema({"x": spec(found)}, {})}
        )
        assert comparison.holds is comparison.rows[0].holds is holds

    @pytest.mark.parametrize(
        ("inputs", "rows"),
        [
            ({}, [("x", False)]),
            (specs(x="float32[?, 28]"), [("x", True)]),
            (specs(z="string[?]", x="float32[?, 28]"), [("z", False), ("x", True)]),
            (specs(renamed="float32[?, 28]"), [("renamed", False), ("x", False)]),
        ],
        ids=["one that is not expected", "as expected", "one that is not there", "renamed"],
    )
    def test_the_tensors_must_be_these_and_no_others(self, inputs, rows):
        comparison = compare_signature(ExpectedSignature("predict", inputs), {"server": SERVED})
        assert [(row.name, row.holds) for row in comparison.rows] == rows
        assert comparison.holds is all(held for _, held in rows)

    def test_tensors_that_are_not_expected_come_last_by_name(self):
        served = schema(specs(z="float32[]", b="float32[]", a="float32[]"), {})
        comparison = compare_signature(
            ExpectedSignature("predict", specs(q="int8[]", b="float32[]")), {"server": served}
        )
        assert [row.name for row in comparison.rows] == ["q", "b", "a", "z"]

    def test_a_side_that_is_not_given_is_not_checked(self):
        comparison = compare_signature(ExpectedSignature("predict", outputs={"y": Y}), {"server": SERVED})
        assert [row.side for row in comparison.rows] == ["outputs"]
        assert comparison.holds
        assert compare_signature(ExpectedSignature("predict"), {"server": SERVED}).holds

    def test_each_source_counts(self):
        other = schema({"x": spec("float32[?, 29]")}, {})
        expected = ExpectedSignature("predict", {"x": X})
        for sources in ({"export": SERVED, "server": other}, {"export": other, "server": SERVED}):
            assert not compare_signature(expected, sources).holds

    def test_a_signature_may_be_missing_in_some_sources(self):
        other = schema({}, {}, name="serving_default")
        comparison = compare_signature(ExpectedSignature("predict", {"x": X}), {"export": SERVED, "server": other})
        assert comparison.missing_in == ("server",)
        assert comparison.known == {"export": ("predict",), "server": ("serving_default",)}
        assert comparison.rows == (TensorRow("inputs", "x", X, {"export": X, "server": None}),)
        assert not comparison.holds

    def test_a_missing_signature_fails_even_if_nothing_of_it_is_expected(self):
        assert not compare_signature(ExpectedSignature("nosuch"), {"server": SERVED}).holds


class TestFindSizeConflicts:
    @pytest.mark.parametrize(
        ("inputs", "outputs", "sizes", "conflicts"),
        [
            (specs(x="float32[batch]"), specs(y="float32[batch]"), {"x": (3,), "y": (3,)}, []),
            (
                specs(x="float32[batch]"),
                specs(y="float32[batch]"),
                {"x": (3,), "y": (1,)},
                ["batch is 3 in input x and 1 in output y, float32[batch]"],
            ),
            (
                specs(a="int8[n]", b="int8[n]"),
                specs(),
                {"a": (2,), "b": (3,)},
                ["n is 2 in input a and 3 in input b, int8[n]"],
            ),
            (specs(x="int8[n, n]"), None, {"x": (2, 3)}, ["n is 2 in input x and 3 in input x, int8[n, n]"]),
            (specs(x="int8[n, m]"), None, {"x": (2, 3)}, []),
            (specs(x="int8[?]"), specs(y="int8[?]"), {"x": (2,), "y": (3,)}, []),
            (specs(x="int8[n, 28]"), None, {"x": (2, 28)}, []),
            (specs(x="int8[n, 28]"), None, {"x": (2, 29)}, ["input x has shape [2, 29]; int8[n, 28] was promised"]),
            (None, specs(y="int8[]"), {"y": (1,)}, ["output y has shape [1]; int8[] was promised"]),
            (specs(x="int8[n]"), None, {"x": (2, 1)}, ["input x has shape [2, 1]; int8[n] was promised"]),
            (specs(x="int8[...]"), None, {"x": (2, 1)}, []),
            (specs(x="int8[n]"), specs(y="int8[n]"), {"y": (3,)}, []),
            (specs(x="int8[0]"), None, {"x": (0,)}, []),
            (
                specs(x="int8[n]"),
                specs(y="int8[n]", z="int8[n]"),
                {"x": (1,), "y": (2,), "z": (3,)},
                ["n is 1 in input x and 2 in output y, int8[n]", "n is 1 in input x and 3 in output z, int8[n]"],
            ),
            (specs(x="int8[2, 3]"), None, {"x": (4, 5)}, ["input x has shape [4, 5]; int8[2, 3] was promised"]),
        ],
        ids=[
            "one batch", "two batches", "two inputs", "not square", "two names", "no name", "fixed", "fixed otherwise",
            "no scalar", "other rank", "unknown rank", "not sent", "empty", "each against the first",
            "two fixed otherwise",
        ],
    )  # fmt: skip
    def test_a_named_dimension_is_one_number_and_a_fixed_one_is_kept(self, inputs, outputs, sizes, conflicts):
        arrays = {name: np.zeros(shape, "i1") for name, shape in sizes.items()}
        sent = {name: array for name, array in arrays.items() if name in (inputs or {})}
        answered = {name: array for name, array in arrays.items() if name in (outputs or {})}
        assert find_size_conflicts(ExpectedSignature("s", inputs, outputs), sent, answered) == conflicts

    def test_what_a_number_was_bound_by_is_forgotten_with_the_request(self):
        expected = ExpectedSignature("s", specs(x="int8[n]"), specs(y="int8[n]"))
        for size in (1, 2):
            assert find_size_conflicts(expected, {"x": np.zeros(size)}, {"y": np.zeros(size)}) == []
