"""What a failing test says of promises that are not kept, word for word."""

import ml_dtypes
import numpy as np

from pytest_tfserving.contracts.monotone import BrokenTrend
from pytest_tfserving.contracts.properties import BrokenPromise
from pytest_tfserving.contracts.relations import BrokenRelation
from pytest_tfserving.golden.compare import compare
from pytest_tfserving.golden.tolerance import Tolerance
from pytest_tfserving.report.promises import promises_failure, request_text

REQUEST = {"x": np.array([0.1, -1], "f4")}


def failure_of(*broken):
    return promises_failure(broken, "prices", "serving_default", REQUEST, "goldens/two.json, over grpc")


def test_values():
    assert (
        failure_of(
            BrokenPromise("y", "finite", True, (1,), float("nan"), 1, 2),
            BrokenPromise("y", "min", 0, (1, 0), -0.5, 3, 4),
            BrokenPromise("probs", "sums_to", 1, (1,), 0.75, 1, 2),
            BrokenPromise("label", "one_of", ("cat", "dog"), (0,), b"horse", 1, 1),
            BrokenPromise("total", "missing", None),
        )
        == """\
signature 'serving_default' of prices does not keep what is promised (goldens/two.json, over grpc)

  output  promised             broken by                         at      value
  y       finite               1 of 2 values                     [1]     nan
  y       min 0                3 of 4 values                     [1, 0]  -0.5
  probs   rows sum to 1        1 of 2 rows                       [1]     0.75
  label   one of 'cat', 'dog'  1 of 1 value                      [0]     b'horse'
  total   an output            the answer has none of this name

request: {"inputs": {"x": [0.1, -1.0]}}"""
    )


def test_a_trend():
    lower, higher = {"x": np.array([1, 2], "f4")}, {"x": np.array([2, 3], "f4")}
    assert (
        failure_of(BrokenTrend("y", "increasing_in", "x", lower, higher, (0,), 1.0, 0.5, 2, 2))
        == """\
signature 'serving_default' of prices does not keep what is promised (goldens/two.json, over grpc)

y is promised to rise with x (increasing_in)
  2 of 2 values fall, the first at [0]: from 1.0 to 0.5
  lower:  {"inputs": {"x": [1.0, 2.0]}}
  higher: {"inputs": {"x": [2.0, 3.0]}}

request: {"inputs": {"x": [0.1, -1.0]}}"""
    )


def test_a_trend_that_cannot_be_told():
    higher = {"x": np.array([2, 3], "f4")}
    assert (
        failure_of(BrokenTrend("y", "decreasing_in", "x", REQUEST, higher, problem="INVALID_ARGUMENT: too much"))
        == """\
signature 'serving_default' of prices does not keep what is promised (goldens/two.json, over grpc)

y is promised to fall with x (decreasing_in)
  it cannot be told: INVALID_ARGUMENT: too much
  if clients never send such values of x, say so: inputs.x.max and min
  higher: {"inputs": {"x": [2.0, 3.0]}}

request: {"inputs": {"x": [0.1, -1.0]}}"""
    )


def test_relations():
    comparison = compare({"y": np.array([1, 2], "f4")}, {"y": np.array([1, 3], "f4")}, Tolerance())
    assert (
        failure_of(
            BrokenRelation("alone", "row 1", {"x": np.array([-1], "f4")}, comparison),
            BrokenRelation("repeated", "", REQUEST, comparison),
            BrokenRelation("in-process", problem="the export is not on this machine"),
        )
        == """\
signature 'serving_default' of prices does not keep what is promised (goldens/two.json, over grpc)

alone: the answer is not the same for a row alone as within its batch (row 1)
  output  differing  worst at  expected  served  max abs error  max rel error
  y       1 of 2     [1]       2.0       3.0     1              0.5
  sent: {"inputs": {"x": [-1.0]}}

repeated: the answer is not the same when the request is sent once more
  output  differing  worst at  expected  served  max abs error  max rel error
  y       1 of 2     [1]       2.0       3.0     1              0.5

in-process: there is no answer in-process, as tf.saved_model.load runs it: the export is not on this machine

request: {"inputs": {"x": [0.1, -1.0]}}"""
    )


def test_a_request_stands_as_a_golden_takes_it():
    assert (
        request_text(
            {
                "text": np.array([b"a", b"\xff"], object),
                "whole": np.array(2**53 + 1),
                "half": np.array([0.5, np.nan], ml_dtypes.bfloat16),
                "none": np.zeros((0, 3), "f4"),
            }
        )
        == """\
{"inputs": {"text": ["a", {"b64": "/w=="}], "whole": 9007199254740993, "half": [0.5, "NaN"], \
"none": {"dtype": "float32", "shape": [0, 3], "values": []}}}"""
    )


def test_a_large_request_is_its_tensors():
    large = {"x": np.ones(10_000, "f4"), "text": np.array(b"a" * 1000, object)}
    text = "b'" + "a" * 75 + "..."
    assert request_text(large) == f"x  float32[10000]  [{', '.join(['1.0'] * 8)}, ...], text  string[]  {text}"
