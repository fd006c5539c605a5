"""What clients take besides arrays: features of a tf.Example, and inputs that are made to fit the signature."""

import math

import numpy as np
import pytest

from pytest_tfserving.clients.answers import example_proto, fit_inputs, plain_values
from pytest_tfserving.errors import TensorError
from pytest_tfserving.grammar import parse_tensor_spec
from pytest_tfserving.schema import Signature


class TestExamples:
    @pytest.mark.parametrize(
        ("value", "kind", "values"),
        [
            ("é", "bytes_list", [b"\xc3\xa9"]),
            (b"\xff", "bytes_list", [b"\xff"]),
            (["a", b"b"], "bytes_list", [b"a", b"b"]),
            (5, "int64_list", [5]),
            ([2**63 - 1, -(2**63)], "int64_list", [2**63 - 1, -(2**63)]),
            (True, "int64_list", [1]),
            ([True, 2], "int64_list", [1, 2]),
            (1.5, "float_list", [1.5]),
            ((1.5, -2.0), "float_list", [1.5, -2.0]),
            (math.inf, "float_list", [math.inf]),
            (np.array([1.5, 2], "f4"), "float_list", [1.5, 2.0]),
            (np.array([1, 2], "u1"), "int64_list", [1, 2]),
            (np.array(["a", "b"]), "bytes_list", [b"a", b"b"]),
            (np.array([b"\xff"], object), "bytes_list", [b"\xff"]),
            (np.array(3), "int64_list", [3]),
            (np.float32(1.5), "float_list", [1.5]),
            ([np.float32(1.5), np.float64(2)], "float_list", [1.5, 2.0]),
            ([np.int64(3), np.bool_(True)], "int64_list", [3, 1]),
        ],
        ids=repr,
    )
    def test_a_feature_is_of_its_values_kind(self, value, kind, values):
        feature = example_proto({"f": value}).features.feature["f"]
        assert feature.WhichOneof("kind") == kind
        assert list(getattr(feature, kind).value) == values

    @pytest.mark.parametrize("value", [[], (), np.zeros(0)], ids=repr)
    def test_a_feature_without_values_is_there_and_of_no_kind(self, value):
        example = example_proto({"f": value})
        assert list(example.features.feature) == ["f"]
        assert example.features.feature["f"].WhichOneof("kind") is None

    def test_every_feature_is_there(self):
        example = example_proto({"age": 35, "name": "a", "height": 1.5})
        assert sorted(example.features.feature) == ["age", "height", "name"]
        assert not example_proto({}).features.feature

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            ([1, 1.5], "feature 'f': values of one kind expected, received float and int"),
            (["a", 1], "feature 'f': values of one kind expected, received bytes and int"),
            ([b"a", True, 1.5], "feature 'f': values of one kind expected, received bool and bytes and float"),
            (None, "feature 'f': text, bytes or numbers expected, received None"),
            ([[1], [2]], "feature 'f': text, bytes or numbers expected, received [1]"),
            (np.zeros((2, 1)), "feature 'f': text, bytes or numbers expected, received [0.0]"),
            ({"a": 1}, "feature 'f': text, bytes or numbers expected, received {'a': 1}"),
            (1j, "feature 'f': text, bytes or numbers expected, received 1j"),
            (2**63, f"feature 'f': {2**63} does not fit int64"),
            ([1, -(2**63) - 1], f"feature 'f': {-(2**63) - 1} does not fit int64"),
        ],
        ids=repr,
    )
    def test_values_of_mixed_or_other_kinds_are_refused(self, value, message):
        with pytest.raises(TensorError) as caught:
            example_proto({"f": value})
        assert str(caught.value) == message

    def test_plain_values_are_bytes_and_pythons_own_numbers(self):
        values = plain_values("f", np.array([1.5], "f4"))
        assert values == [1.5]
        assert type(values[0]) is float
        assert plain_values("f", ["a", b"b", 1, True, 2.5]) == [b"a", b"b", 1, True, 2.5]


class TestFitInputs:
    SIGNATURE = Signature("s", {"x": parse_tensor_spec("float32[?]"), "n": parse_tensor_spec("int64[]")}, {})

    def test_values_take_the_signatures_dtypes(self):
        arrays = fit_inputs({"x": [1, 2], "n": 3}, self.SIGNATURE)
        assert {name: (array.dtype.name, array.tolist()) for name, array in arrays.items()} == {
            "x": ("float32", [1.0, 2.0]),
            "n": ("int64", 3),
        }

    def test_shapes_and_names_are_for_the_server_to_judge(self):
        arrays = fit_inputs({"x": [[1.0]], "other": [1.5], "text": ["a"]}, self.SIGNATURE)
        assert arrays["x"].shape == (1, 1)
        assert (arrays["other"].dtype, arrays["text"].dtype) == (np.float64, np.dtype(object))
        assert fit_inputs({}, self.SIGNATURE) == {}

    def test_without_a_signature_they_are_as_numpy_reads_them(self):
        assert fit_inputs({"x": [1, 2]}, None)["x"].dtype == np.array([1, 2]).dtype

    def test_a_value_that_does_not_fit_is_refused_by_name(self):
        with pytest.raises(TensorError, match="input 'n': the signature says int64, received float64"):
            fit_inputs({"x": [1], "n": 1.5}, self.SIGNATURE)
