"""Golden JSON: every array survives bit by bit, a value that moves is a line that moves, a person's text stays."""

import json
import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pytest_tfserving.errors import GoldenError, TensorError
from pytest_tfserving.golden.exact import read_tensor, write_tensor
from pytest_tfserving.golden.text import Verbatim, dumps, is_exact, loads, with_verbatim
from pytest_tfserving.tensors import as_array, numpy_dtype

SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
PARTS = {"complex64": "float32", "complex128": "float64"}
TEXT = st.text(alphabet='aé日😀 "\\\n\0', max_size=12)
BITS = {"float16": "u2", "bfloat16": "u2", "float32": "u4", "float64": "u8"}


def through_text(array):
    return read_tensor(loads(dumps(write_tensor(array)), "golden.json"), "", "y")


def assert_same_bits(array, expected):
    """The same dtype, shape and bits; a NaN is any NaN."""
    assert isinstance(array, np.ndarray)
    assert (array.dtype, array.shape) == (expected.dtype, expected.shape)
    parts = [a.ravel().view(PARTS.get(a.dtype.name, a.dtype)) for a in (array, expected)]
    with np.errstate(invalid="ignore"):
        nan = np.isnan(parts[1].astype(np.float64))
        assert (np.isnan(parts[0].astype(np.float64)) == nan).all()
    assert parts[0][~nan].tobytes() == parts[1][~nan].tobytes()


class TestTensors:
    @pytest.mark.parametrize(
        ("array", "written"),
        [
            (np.array([[1.5], [-0.0]], "f4"), {"dtype": "float32", "shape": [2, 1], "values": [[1.5], [-0.0]]}),
            (np.array(0.1, "f4"), {"dtype": "float32", "shape": [], "values": 0.1}),
            (np.array([0.1], "f2"), {"dtype": "float16", "shape": [1], "values": [0.1]}),
            (np.array([3.14], ml_dtypes.bfloat16), {"dtype": "bfloat16", "shape": [1], "values": [3.140625]}),
            (np.array([1e-45], "f4"), {"dtype": "float32", "shape": [1], "values": [1e-45]}),
            (
                np.array([math.nan, math.inf, -math.inf, 1]),
                {"dtype": "float64", "shape": [4], "values": ["NaN", "Infinity", "-Infinity", 1.0]},
            ),
            (np.array([2**64 - 1], "u8"), {"dtype": "uint64", "shape": [1], "values": [2**64 - 1]}),
            (np.array([True, False]), {"dtype": "bool", "shape": [2], "values": [True, False]}),
            (
                np.array([b"text", "é".encode(), b"\xff"], object),
                {"dtype": "string", "shape": [3], "values": ["text", "é", {"b64": "/w=="}]},
            ),
            (np.array(["é"]), {"dtype": "string", "shape": [1], "values": ["é"]}),
            (np.array([b"ab"]), {"dtype": "string", "shape": [1], "values": ["ab"]}),
            (
                np.array([1 - 2.5j, complex(math.nan, math.inf)], "c8"),
                {"dtype": "complex64", "shape": [2], "values": [[1.0, -2.5], ["NaN", "Infinity"]]},
            ),
            (np.zeros((2, 0), "i4"), {"dtype": "int32", "shape": [2, 0], "values": [[], []]}),
            (np.zeros((0, 3), "c8"), {"dtype": "complex64", "shape": [0, 3], "values": []}),
        ],
        ids=lambda value: value["dtype"] if isinstance(value, dict) else "",
    )
    def test_the_form_of_each_kind(self, array, written):
        assert write_tensor(array) == written
        assert str(write_tensor(array)) == str(written)  # 1 is no 1.0, 0.0 no -0.0
        assert is_exact(written)
        np.testing.assert_array_equal(through_text(array), as_array(array, written["dtype"]), strict=True)

    @pytest.mark.parametrize("dtype", BITS)
    @given(data=st.data())
    def test_any_float_survives_bit_by_bit(self, dtype, data):
        bits = data.draw(hnp.arrays(BITS[dtype], SHAPES))
        array = bits.view(numpy_dtype(dtype)) if bits.ndim else bits.reshape(1).view(numpy_dtype(dtype)).reshape(())
        assert_same_bits(through_text(array), array)

    @pytest.mark.parametrize("dtype", ["complex64", "complex128"])
    @given(data=st.data())
    def test_any_complex_number_survives_bit_by_bit(self, dtype, data):
        array = data.draw(hnp.arrays(dtype, SHAPES))
        assert_same_bits(through_text(array), array)

    @pytest.mark.parametrize(
        "dtype", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"]
    )
    @given(data=st.data())
    def test_any_integer_survives(self, dtype, data):
        array = data.draw(hnp.arrays(dtype, SHAPES))
        np.testing.assert_array_equal(through_text(array), array, strict=True)

    @given(hnp.arrays(object, SHAPES, elements=st.binary(max_size=6) | TEXT.map(str.encode)))
    def test_any_bytes_survive(self, array):
        np.testing.assert_array_equal(through_text(array), array, strict=True)

    @pytest.mark.parametrize("dtype", BITS)
    def test_the_numbers_at_the_edges_survive(self, dtype):
        info = ml_dtypes.finfo(numpy_dtype(dtype))
        edges = [0.0, -0.0, float(info.smallest_subnormal), float(info.tiny), float(info.max), float(info.min),
                 1 + float(info.eps), math.inf, -math.inf, math.nan]  # fmt: skip
        array = np.array(edges, numpy_dtype(dtype))
        assert_same_bits(through_text(array), array)

    def test_plain_values_take_the_signatures_dtype(self):
        np.testing.assert_array_equal(read_tensor([1, 2], "float32", "x"), np.array([1, 2], "f4"), strict=True)

    @pytest.mark.parametrize(
        ("written", "array"),
        [
            ({"dtype": "int8", "shape": [2, 2], "values": [1, 2, 3, 4]}, np.array([[1, 2], [3, 4]], "i1")),
            ({"dtype": "int8", "shape": [], "values": [1]}, np.array(1, "i1")),
            ({"dtype": "complex64", "shape": [2, 1], "values": [[1, 2], [3, 4]]}, np.array([[1 + 2j], [3 + 4j]], "c8")),
            ({"dtype": "int8", "shape": [0, 784], "values": []}, np.zeros((0, 784), "i1")),
        ],
        ids=["rows in one list", "a scalar in a list", "pairs in one list", "no values"],
    )
    def test_values_may_stand_in_one_list(self, written, array):
        np.testing.assert_array_equal(read_tensor(written, "", "x"), array, strict=True)

    @pytest.mark.parametrize(
        ("dtype", "shape", "values", "complaint"),
        [
            ("int8", [3], [1, 2], "'x': shape [3] is written, the values have [2]"),
            ("int8", [2, 2], [[1, 2]], "'x': shape [2, 2] is written, the values have [1, 2]"),
            ("int8", [2], [], "'x': shape [2] is written, the values have [0]"),
            ("int8", [0], [1], "'x': shape [0] is written, the values have [1]"),
            ("int8", [1], [300], "'x': 300 does not fit int8"),
            ("int8", [1], [1.5], "'x': int8 expected, received 1.5"),
            ("qint8", [1], [1], "serves no qint8 tensors"),
            (5, [1], [1], "'x': a dtype's name and a list of sizes expected, received 5 and [1]"),
            (["int8"], [1], [1], "a dtype's name and a list of sizes expected"),
            ("int8", 1, [1], "a dtype's name and a list of sizes expected, received 'int8' and 1"),
            ("int8", [-1, -1], [1], "a dtype's name and a list of sizes expected"),
            ("int8", [1.0], [1], "a dtype's name and a list of sizes expected"),
            ("int8", [True], [1], "a dtype's name and a list of sizes expected"),
            ("int8", ["a"], [1], "a dtype's name and a list of sizes expected"),
        ],
    )
    def test_values_shape_and_dtype_must_agree(self, dtype, shape, values, complaint):
        with pytest.raises(TensorError) as caught:
            read_tensor({"dtype": dtype, "shape": shape, "values": values}, "", "x")
        assert complaint in str(caught.value)

    @pytest.mark.parametrize("value", [[1], {"dtype": "int8"}, {"a": 1}, "int8", None], ids=repr)
    def test_other_values_are_no_recorded_tensors(self, value):
        assert not is_exact(value)


def changed_lines(before, after):
    """The numbers of the lines that a review shows."""
    lines = dumps(before).splitlines(), dumps(after).splitlines()
    assert len(lines[0]) == len(lines[1])
    return [number for number, (one, other) in enumerate(zip(*lines, strict=True)) if one != other]


class TestLayout:
    def test_a_golden_reads_like_this(self):
        document = {
            "signature_name": "serving_default",
            "cases": {
                "short": {
                    "inputs": {"x": [1.0, 2.0]},
                    "outputs": {"y": write_tensor(np.array([[2.5], [3]], "f4"))},
                },
                "long": {
                    "inputs": {"x": [[0.5] * 3, [1.5] * 3]},
                    "outputs": {"y": write_tensor(np.linspace(0, 1, 30).round(4).reshape(2, 15).astype("f4"))},
                },
            },
            "provenance": {"backend": "embedded"},
        }
        assert dumps(document) == (
            """\
{
  "signature_name": "serving_default",
  "cases": {
    "short": {
      "inputs": {"x": [1.0, 2.0]},
      "outputs": {
        "y": {"dtype": "float32", "shape": [2, 1], "values": [[2.5], [3.0]]}
      }
    },
    "long": {
      "inputs": {"x": [[0.5, 0.5, 0.5], [1.5, 1.5, 1.5]]},
      "outputs": {
        "y": {"dtype": "float32", "shape": [2, 15], "values": [
          [
            0.0, 0.0345, 0.069, 0.1034, 0.1379, 0.1724, 0.2069, 0.2414, 0.2759, 0.3103, 0.3448,
            0.3793, 0.4138, 0.4483, 0.4828
          ],
          [
            0.5172, 0.5517, 0.5862, 0.6207, 0.6552, 0.6897, 0.7241, 0.7586, 0.7931, 0.8276, 0.8621,
            0.8966, 0.931, 0.9655, 1.0
          ]
        ]}
      }
    }
  },
  "provenance": {"backend": "embedded"}
}
"""
        )

    def test_a_value_that_moves_is_a_line_that_moves(self):
        array = np.arange(1200, dtype=np.float64).reshape(100, 12)
        moved = array.copy()
        moved[41, 7] = 0.123456789
        assert changed_lines(write_tensor(array), write_tensor(moved)) == [42]

    def test_in_a_long_row_the_lines_before_it_stay(self):
        array = np.full(500, 0.125)
        moved = array.copy()
        moved[400] = 0.375
        assert len(changed_lines(write_tensor(array), write_tensor(moved))) == 1

    def test_lines_stay_within_their_width(self):
        document = {"outputs": {"y": write_tensor(np.linspace(0, 1, 3000).reshape(3, 1000))}}
        assert max(map(len, dumps(document).splitlines())) <= 100

    def test_text_is_not_escaped(self):
        assert dumps(["é"]) == '["é"]\n'

    DOCUMENTS = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
        lambda inner: st.lists(inner, max_size=8) | st.dictionaries(TEXT, inner, max_size=5),
        max_leaves=40,
    )

    @given(DOCUMENTS)
    def test_any_document_is_read_back_as_it_was(self, document):
        assert loads(dumps(document), "golden.json") == document
        assert str(loads(dumps(document), "golden.json")) == str(document)


class TestVerbatim:
    TEXT = """\
{
    "inputs": {"x": [[1,   2],
                     [3.50, 4e0]]},  "description":"as it\\u00e9 was",
    "outputs": {"inputs": [1]}
}"""

    def test_the_values_of_the_keys_are_their_own_text(self):
        document = with_verbatim(self.TEXT, ("inputs", "description"))
        assert document["inputs"] == '{"x": [[1,   2],\n                     [3.50, 4e0]]}'
        assert document["description"] == '"as it\\u00e9 was"'
        assert all(isinstance(document[key], Verbatim) for key in ("inputs", "description"))

    def test_they_are_written_as_they_stand(self):
        assert dumps(with_verbatim('{"inputs":  {"x":[ 1 ]}}', ("inputs",))) == '{\n  "inputs": {"x":[ 1 ]}\n}\n'

    def test_names_that_a_person_chose_are_no_keys(self):
        text = '{"cases": {"inputs": {"inputs": [ 1 ]}, "cases": {"inputs": [ 2 ]}}}'
        document = with_verbatim(text, ("inputs",), named="cases")
        assert document == {"cases": {"inputs": {"inputs": "[ 1 ]"}, "cases": {"inputs": "[ 2 ]"}}}

    @given(TestLayout.DOCUMENTS.filter(lambda document: isinstance(document, dict)), st.sampled_from([None, 1, "\t"]))
    def test_any_document_means_the_same(self, document, indent):
        text = json.dumps(document, indent=indent)
        assert with_verbatim(text, ()) == document
        assert json.loads(dumps(with_verbatim(text, tuple(document)))) == document


class TestLoads:
    def test_a_key_that_stands_twice_is_refused(self):
        with pytest.raises(GoldenError) as caught:
            loads('{"a": {"x": 1, "y": 2, "x": 3}}', "golden.json")
        assert str(caught.value) == "golden.json: key 'x' stands twice in one object; rename or remove one of them"

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "golden.json:1:1: not JSON: Expecting value"),
            ('{\n  "a": 1,\n  b: 2}', "golden.json:3:3: not JSON: Expecting property name enclosed in double quotes"),
            ("[1] 2", "golden.json:1:5: not JSON: Extra data"),
        ],
        ids=repr,
    )
    def test_what_is_no_json_is_shown_by_line_and_column(self, text, message):
        with pytest.raises(GoldenError) as caught:
            loads(text, "golden.json")
        assert str(caught.value) == message
