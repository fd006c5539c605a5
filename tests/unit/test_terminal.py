"""What a failing test says, word for word."""

from pathlib import Path

import numpy as np
import pytest

from pytest_tfserving.contracts.check import ExpectedSignature, compare_signature
from pytest_tfserving.golden.check import Outcome
from pytest_tfserving.golden.compare import compare
from pytest_tfserving.golden.store import Case
from pytest_tfserving.golden.tolerance import Tolerance
from pytest_tfserving.grammar import parse_tensor_spec as spec
from pytest_tfserving.report.terminal import difference_table, golden_failure, signature_failure, table
from pytest_tfserving.schema import ModelSchema, Signature

WHERE = {"export": "/exports/mnist/1", "server": "http://127.0.0.1:8501 (embedded)"}


def schema(inputs, outputs, name="serving_default"):
    sides = [{alias: spec(text) for alias, text in side.items()} for side in (inputs, outputs)]
    return ModelSchema({name: Signature(name, *sides)})


def failure_of_signature(expected_inputs, expected_outputs, **sources):
    sides = [
        side and {alias: spec(text) for alias, text in side.items()} for side in (expected_inputs, expected_outputs)
    ]
    return signature_failure(compare_signature(ExpectedSignature("serving_default", *sides), sources), "mnist", WHERE)


def failure_of_golden(expected, served, **tolerance):
    outcome = Outcome(
        case=Case("ones", Path("goldens/mnist.json"), "ones", None, {}, {}, {}),
        transport="grpc",
        signature=Signature("serving_default", {}, {}),
        inputs={},
        outputs=served,
        comparison=compare(expected, served, Tolerance(**tolerance)),
        to_record=False,
    )
    return golden_failure(outcome, "mnist", "pytest --tfserving-update 'test_mnist.py::test_goldens[ones-grpc]'")


def test_a_signature_that_is_not_as_expected():
    text = failure_of_signature(
        {"image": "float32[batch, 28, 28]", "label": "string[batch]"},
        {"scores": "float32[batch, 10]"},
        export=schema({"image": "float32[?, 784]"}, {"scores": "float32[?, 10]", "classes": "int64[?]"}),
        server=schema({"image": "float32[?, 28, 28]"}, {"scores": "float32[?, 10]", "classes": "int64[?]"}),
    )
    assert text == (
        """\
signature 'serving_default' of mnist is not as expected

           tensor   expected                export           server
  inputs   image    float32[batch, 28, 28]  float32[?, 784]  float32[?, 28, 28]  <- differs
  inputs   label    string[batch]           -                -                   <- missing
  outputs  scores   float32[batch, 10]      float32[?, 10]   float32[?, 10]
  outputs  classes  -                       int64[?]         int64[?]            <- not expected

export: /exports/mnist/1
server: http://127.0.0.1:8501 (embedded)"""
    )


def test_a_signature_that_is_not_there():
    text = failure_of_signature(
        {"x": "float32[batch]"},
        None,
        export=schema({"x": "float32[?]"}, {}, name="serving_defualt"),
        server=ModelSchema({}),
    )
    assert text == (
        """\
signature 'serving_default' of mnist is not as expected

the export has no such signature; it has 'serving_defualt'. Did you mean 'serving_defualt'?
the server has no such signature; it has none

export: /exports/mnist/1
server: http://127.0.0.1:8501 (embedded)"""
    )


def test_a_golden_that_differs_in_values():
    expected = {"scores": np.array([[0.5, 0.25], [0.125, 1]], "f4"), "classes": np.array([7, 1])}
    served = {"scores": np.array([[0.5, 0.5], [0.125, 1.001]], "f4"), "classes": np.array([7, 3])}
    assert failure_of_golden(expected, served) == (
        """\
golden goldens/mnist.json [ones] differs from what mnist answers over grpc (signature 'serving_default')

  output   differing  worst at  expected  served  max abs error  max rel error
  scores   2 of 4     [0, 1]    0.25      0.5     0.25           1
  classes  1 of 2     [1]       1         3       2              2

compared with rtol=1e-05 atol=1e-08 (float32)

if the new answer is right: pytest --tfserving-update 'test_mnist.py::test_goldens[ones-grpc]'"""
    )


def test_a_golden_that_differs_in_more_than_values():
    expected = {"gone": np.zeros(1, "f4"), "y": np.zeros((2, 3), "f4"), "s": np.array([b"a"], object)}
    served = {"s": np.array([b"\xff"], object), "y": np.zeros((3, 2), "f4"), "new": np.zeros((), "i8")}
    assert failure_of_golden(expected, served) == (
        """\
golden goldens/mnist.json [ones] differs from what mnist answers over grpc (signature 'serving_default')

  output  expected       served
  gone    float32[1]     -              <- missing
  y       float32[2, 3]  float32[3, 2]  <- shape
  new     -              int64[]        <- unexpected

  output  differing  worst at  expected  served   max abs error  max rel error
  s       1 of 1     [0]       b'a'      b'\\xff'  -              -

if the new answer is right: pytest --tfserving-update 'test_mnist.py::test_goldens[ones-grpc]'"""
    )


NAN_HINT = "NaN equals NaN only where that is asked for: equal_nan=True in the marker"


@pytest.mark.parametrize(
    ("expected", "served", "equal_nan", "is_hinted"),
    [
        ([np.nan], [np.nan], False, True),
        ([np.nan, 1], [np.nan, 2], False, False),
        ([np.nan, 1], [np.nan, 2], True, False),
    ],
    ids=["NaN alone", "more than NaN", "asked for"],
)
def test_where_only_nan_beside_nan_differs_it_is_said_how_to_allow_it(expected, served, equal_nan, is_hinted):
    text = failure_of_golden({"y": np.array(expected)}, {"y": np.array(served)}, equal_nan=equal_nan)
    assert (NAN_HINT in text) is is_hinted


def test_the_tolerance_of_each_dtype_that_differs_is_said():
    zeros, ones = ({dtype: np.full(1, value, dtype) for dtype in ("float16", "float32")} for value in (0, 1))
    assert "compared with rtol=0.001 atol=1e-08 (float16), rtol=1e-05 atol=1e-08 (float32)" in failure_of_golden(
        zeros, ones
    )
    assert "compared with rtol=0.5 atol=0 (float16), rtol=0.5 atol=0 (float32)" in failure_of_golden(
        zeros, ones, rtol=0.5, atol=0.0
    )


def test_a_scalar_is_worst_at_no_index():
    (difference,) = compare({"y": np.array(1)}, {"y": np.array(2)}, Tolerance()).differences
    assert difference_table([difference])[1].split() == ["y", "1", "of", "1", "[]", "1", "2", "1", "1"]


def test_a_long_table_is_cut():
    lines = table([["head"], *([str(number)] for number in range(50))])
    assert len(lines) == 1 + 40 + 1
    assert lines[0] == "  head"
    assert lines[-2:] == ["  39", "  ... and 10 more"]
    assert len(table([["head"], *([str(number)] for number in range(40))])) == 1 + 40
