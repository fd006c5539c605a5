"""What contracts promise of every answer, checked on models that keep and break it, by really asking a server."""

import numpy as np
import pytest

from pytest_tfserving.contracts.batch import find_batch
from pytest_tfserving.contracts.check import ExpectedSignature
from pytest_tfserving.contracts.monotone import find_broken_trends
from pytest_tfserving.contracts.promises import read_promises
from pytest_tfserving.contracts.properties import find_broken_values
from pytest_tfserving.contracts.relations import find_broken_relations
from pytest_tfserving.grammar import parse_tensor_spec as spec
from pytest_tfserving.serve_request import ModelRequest, ServeRequest
from tests.conftest import MODELS
from tests.server.conftest import EXPORTS

ALL_WAYS = ("repeated", "alone", "order", "rest-rows", "rest-columns", "grpc")
X = np.array([4, 1, 9], "f4")
ROWS = np.array([[0, 1, 2], [3, 3, 3], [-1, 0, 1]], "f4")
TOKENS = np.array([[1, 2, 3], [4, 5, 6]], "i4")


@pytest.fixture
def ask(serving):
    """ask(export, signature): the signature as it is served, and what asks it in each way."""

    def ask(export, name):
        [served] = serving.serve(ServeRequest((ModelRequest(export),))).values()

        def rows(inputs):
            instances = [dict(zip(inputs, row, strict=True)) for row in zip(*inputs.values(), strict=True)]
            return served.rest.predict(instances=instances, signature_name=name)

        return served.signatures[name], {
            "grpc": lambda inputs: served.grpc.predict(inputs=inputs, signature_name=name),
            "rest-columns": lambda inputs: served.rest.predict(inputs=inputs, signature_name=name),
            "rest-rows": rows,
        }

    return ask


def find_broken(ask, export, name, inputs, table, expects=None):
    """What one request breaks of the promises in a table, as words."""
    signature, ways = ask(export, name)
    promises = read_promises(name, table, "the test")
    sides = [{alias: spec(text) for alias, text in side.items()} for side in (expects or {}).values()]
    expected = ExpectedSignature(name, *sides) if expects else None
    outputs = ways["grpc"](inputs)
    batch = find_batch(signature, expected, inputs, outputs)
    values = find_broken_values(promises, outputs)
    trends = find_broken_trends(promises, batch, inputs, outputs, ways["grpc"])
    relations = find_broken_relations(promises, signature, expected, inputs, outputs, ways["grpc"], ways)
    return [
        *(f"{one.output} {one.promise} {list(one.index)} {one.value}" for one in values),
        *(f"{one.output} {one.direction} {one.input} {one.problem}".strip() for one in trends),
        *(f"{one.relation} {one.variant} {one.problem}".strip() for one in relations),
    ]


@pytest.mark.parametrize(
    ("signature", "inputs", "table"),
    [
        ("softmax", {"x": ROWS}, {"outputs": {"probs": {"finite": True, "min": 0, "max": 1, "sums_to": 1}}}),
        ("softmax", {"x": ROWS}, {"same": ALL_WAYS}),
        ("softmax", {"x": ROWS[:1]}, {"same": ALL_WAYS}),
        ("root", {"x": X}, {"outputs": {"y": {"one_of": [1, 2, 3]}}, "same": ALL_WAYS}),
        (
            "root",
            {"x": X},
            {"inputs": {"x": {"min": 0}}, "outputs": {"y": {"finite": True, "increasing_in": "x"}}},
        ),
        ("scaled", {"x": X}, {"same": ("repeated", "alone", "order", "grpc")}),
        ("scaled", {"x": X, "by": np.array(-3, "f4")}, {"same": ("repeated", "alone", "order", "rest-columns")}),
        ("scaled", {"x": X}, {"outputs": {"y": {"increasing_in": "x"}}}),
        ("scaled", {"x": X, "by": np.array(-3, "f4")}, {"outputs": {"y": {"decreasing_in": "x", "increasing_in": "by"}}}),
        ("table", {"ids": np.array([2, 0])}, {"inputs": {"ids": {"min": 0, "max": 3}}, "outputs": {"y": {"increasing_in": "ids"}}}),
        ("tokens", {"ids": TOKENS}, {"same": ALL_WAYS}),
    ],
)  # fmt: skip
def test_promises_that_are_kept(ask, signature, inputs, table):
    assert find_broken(ask, EXPORTS / "promised", signature, inputs, table) == []


@pytest.mark.parametrize(
    ("export", "signature", "inputs", "table", "broken"),
    [
        ("promised", "root", {"x": -X}, {"outputs": {"y": {"finite": True}}}, ["y finite [0] nan"]),
        ("promised", "softmax", {"x": ROWS}, {"outputs": {"probs": {"min": 0.1}}}, ["probs min [0, 0] 0.090030566"]),
        ("promised", "running", {"x": X}, {"same": ("alone", "order")}, ["alone row 2", "order reversed"]),
        ("promised", "centred", {"x": X}, {"same": ("order", "alone")}, ["alone row 2"]),
        ("promised", "scaled", {"x": X, "by": np.array(-3, "f4")}, {"outputs": {"y": {"increasing_in": "x"}}}, ["y increasing_in x"]),
        ("promised", "slope", {"x": ROWS[:, :2]}, {"outputs": {"y": {"increasing_in": "x"}}}, ["y increasing_in x"]),
        ("promised", "wave", {"x": X}, {"outputs": {"y": {"increasing_in": "x"}}}, ["y increasing_in x"]),
        ("batched", "double", {"x": X}, {"same": ("alone", "order", "repeated")}, ["alone row 0"]),
        ("batched", "words", {"s": np.array([b"a", b"b"], object)}, {"same": ALL_WAYS}, ["alone row 0"]),
        ("batched", "mean", {"x": X}, {"same": ("order",)}, []),
    ],
)  # fmt: skip
def test_promises_that_are_broken(ask, export, signature, inputs, table, broken):
    assert find_broken(ask, EXPORTS / export, signature, inputs, table) == broken


def test_a_model_that_counts_its_calls(ask):
    counter = MODELS.parent / "upstream" / "counter"
    assert find_broken(ask, counter, "incr_counter", {}, {"same": ["repeated"]}) == ["repeated"]
    assert find_broken(ask, counter, "get_counter", {}, {"same": ["repeated", "grpc"]}) == []


@pytest.mark.parametrize(("signature", "broken"), [("tokens", []), ("average", ["padding length 3 grown by 1"])])
def test_padding(ask, signature, broken):
    expects = {"inputs": {"ids": "int32[batch, length]"}, "outputs": {"echo": "int32[batch, length]"}}
    table = {"padding": {"dimension": "length", "value": 0}}
    assert find_broken(ask, EXPORTS / "promised", signature, {"ids": TOKENS}, table, expects) == broken


def test_what_the_server_refuses_is_broken_with_its_words(ask):
    [refused] = find_broken(ask, EXPORTS / "batched", "mean", {"x": X}, {"same": ["rest-rows"]})
    assert refused.startswith("rest-rows  INVALID_ARGUMENT over rest, HTTP 400")
    [refused] = find_broken(ask, EXPORTS / "promised", "scaled", {"x": X}, {"same": ["rest-columns"]})
    assert "Missing named input: by" in refused  # REST knows no defaults
    [refused] = find_broken(
        ask, EXPORTS / "promised", "table", {"ids": np.array([3])}, {"outputs": {"y": {"increasing_in": "ids"}}}
    )
    assert "is not in [0, 4)" in refused
    [problem] = find_broken(ask, EXPORTS / "batched", "mean", {"x": X}, {"same": ["alone"]})
    assert "output y [] has no batch dimension" in problem
