"""What a contract or a marker promises of values, read from a plain table."""

import pytest

from pytest_tfserving.contracts.promises import (
    Padding,
    PromiseError,
    Promises,
    Values,
    check_promises,
    read_promises,
)
from pytest_tfserving.grammar import parse_tensor_spec as spec

WHERE = "half.tfserving.toml: [properties.serving_default]"


def read(**table):
    return read_promises("serving_default", table, WHERE)


def of_y(**values):
    return Promises("serving_default", {}, {"y": Values(**values)})


def test_everything_at_once():
    assert read(
        inputs={"area": {"min": 0, "max": 500}, "name": {"length": [1, 16]}},
        outputs={"price": {"finite": True, "min": 0.5, "increasing_in": "area"}},
        same=["alone", "rest-rows"],
        padding={"dimension": "length", "value": 7},
    ) == Promises(
        "serving_default",
        {"area": Values(min=0, max=500), "name": Values(length=(1, 16))},
        {"price": Values(finite=True, min=0.5, increasing_in=("area",))},
        ("alone", "rest-rows", "padding"),
        Padding("length", 7),
    )


def test_nothing_promises_nothing():
    assert read() == Promises("serving_default")


@pytest.mark.parametrize(
    ("written", "values"),
    [
        ({"finite": False}, {}),
        ({"min": 2**53 + 1}, {"min": 9007199254740993}),
        ({"min": 1, "max": 1}, {"min": 1, "max": 1}),
        ({"sums_to": 1}, {"sums_to": 1}),
        ({"one_of": [0, 0.5]}, {"one_of": (0, 0.5)}),
        ({"one_of": ["cat", {"b64": "/w=="}]}, {"one_of": ("cat", b"\xff")}),
        ({"one_of": ("cat", b"dog")}, {"one_of": ("cat", b"dog")}),
        ({"one_of": [True]}, {"one_of": (True,)}),
        ({"increasing_in": ["a", "b"], "decreasing_in": "c"}, {"increasing_in": ("a", "b"), "decreasing_in": ("c",)}),
    ],
)
def test_the_values_of_an_output(written, values):
    assert read(outputs={"y": written}) == of_y(**values)


def test_a_relation_that_is_named_twice_is_asked_once():
    assert read(same=["order", "alone", "order"]).same == ("order", "alone")


@pytest.mark.parametrize(
    ("table", "path", "problem"),
    [
        ({"output": {}}, "output", "no such key: 'output'; did you mean 'outputs'?"),
        ({"outputs": {"y": {"mim": 0}}}, "outputs.y.mim", "no such key: 'mim'; did you mean 'min'?"),
        ({"outputs": 5}, "outputs", "a table expected, received 5"),
        ({"outputs": {"y": True}}, "outputs.y", "a table expected, received True"),
        ({"outputs": {"y": {"min": "0"}}}, "outputs.y.min", "a finite number expected, received '0'"),
        ({"outputs": {"y": {"min": True}}}, "outputs.y.min", "a finite number expected, received True"),
        ({"outputs": {"y": {"max": float("nan")}}}, "outputs.y.max", "a finite number expected, received nan"),
        ({"outputs": {"y": {"max": 10**400}}}, "outputs.y.max", "a finite number expected, received 1000000"),
        ({"outputs": {"y": {"finite": 1}}}, "outputs.y.finite", "true or false expected, received 1"),
        ({"outputs": {"y": {"min": 2, "max": 1}}}, "outputs.y.min", "no value is at least 2 and at most 1"),
        ({"outputs": {"y": {"one_of": []}}}, "outputs.y.one_of", "a list of one or more values expected"),
        ({"outputs": {"y": {"one_of": "cat"}}}, "outputs.y.one_of", "a list of one or more values expected"),
        ({"outputs": {"y": {"one_of": [1, "a"]}}}, "outputs.y.one_of", "values of one kind"),
        ({"outputs": {"y": {"one_of": [1, True]}}}, "outputs.y.one_of", "values of one kind"),
        ({"outputs": {"y": {"one_of": [{"b64": "!"}]}}}, "outputs.y.one_of", "base64"),
        ({"outputs": {"y": {"one_of": [1], "max": 3}}}, "outputs.y.max", "does not go with one_of"),
        ({"outputs": {"y": {"one_of": [0], "min": 0}}}, "outputs.y.min", "does not go with one_of"),
        ({"outputs": {"y": {"length": [0, 1]}}}, "outputs.y.length", "is said of inputs only"),
        ({"outputs": {"y": {"increasing_in": 1}}}, "outputs.y.increasing_in", "an input's name, or a list of them"),
        (
            {"outputs": {"y": {"increasing_in": "x", "decreasing_in": ["x"]}}},
            "outputs.y.decreasing_in",
            "x is in increasing_in too",
        ),
        ({"inputs": {"x": {"increasing_in": "y"}}}, "inputs.x.increasing_in", "is said of outputs only"),
        ({"inputs": {"x": {"sums_to": 1}}}, "inputs.x.sums_to", "is said of outputs only"),
        ({"inputs": {"x": {"length": [4, 1]}}}, "inputs.x.length", "least <= most expected"),
        ({"inputs": {"x": {"length": 4}}}, "inputs.x.length", "[least, most] bytes expected"),
        ({"inputs": {"x": {"length": [0, 4], "min": 1}}}, "inputs.x.min", "does not go with length"),
        ({"same": "alone"}, "same", "a list expected"),
        ({"same": ["alon"]}, "same", "no such relation: 'alon'; did you mean 'alone'?"),
        ({"same": [1]}, "same", "a relation's name expected, received 1"),
        ({"same": ["padding"]}, "padding", "say what grows"),
        ({"padding": 3}, "padding", "a table expected, received 3"),
        ({"padding": {"value": 3}}, "padding.dimension", "the name of a dimension expected"),
        ({"padding": {"dimension": "a b"}}, "padding.dimension", "the name of a dimension expected"),
        (
            {"padding": {"dimension": "a", "values": 3}},
            "padding.values",
            "no such key: 'values'; did you mean 'value'?",
        ),
        ({"padding": {"dimension": "a", "value": [0]}}, "padding.value", "a number, a truth value or text expected"),
    ],
)
def test_what_cannot_be_meant(table, path, problem):
    with pytest.raises(PromiseError) as error:
        read(**table)
    assert ".".join(error.value.path) == path
    assert str(error.value).startswith(f"{WHERE}: {path}: ")
    assert problem in str(error.value)


SIGNATURE = (
    {"x": spec("float32[batch, length]"), "ids": spec("int64[batch]"), "s": spec("string[batch]")},
    {"y": spec("float32[batch]"), "label": spec("string[batch]"), "z": spec("complex64[batch]"), "ok": spec("bool[3]")},
)


@pytest.mark.parametrize(
    "table",
    [
        {"outputs": {"y": {"finite": True, "min": 0, "sums_to": 1, "increasing_in": ["x", "ids"]}}},
        {"outputs": {"label": {"one_of": ["a"]}, "ok": {"one_of": [True]}, "z": {"one_of": [1], "finite": True}}},
        {"inputs": {"s": {"length": [0, 3]}, "ids": {"min": 0}}},
        {"padding": {"dimension": "length"}},
    ],
)
def test_promises_that_suit_the_signature(table):
    check_promises(read(**table), *SIGNATURE, WHERE)


@pytest.mark.parametrize(
    ("table", "path", "problem"),
    [
        ({"outputs": {"labels": {}}}, "outputs.labels", "no such output: 'labels'; did you mean 'label'?"),
        ({"inputs": {"id": {}}}, "inputs.id", "no such input: 'id'; did you mean 'ids'?"),
        ({"outputs": {"label": {"min": 0}}}, "outputs.label.min", "says nothing of string"),
        ({"outputs": {"z": {"max": 0}}}, "outputs.z.max", "says nothing of complex64"),
        ({"outputs": {"ok": {"finite": True}}}, "outputs.ok.finite", "says nothing of bool"),
        ({"outputs": {"y": {"one_of": ["a"]}}}, "outputs.y.one_of", "says nothing of float32"),
        ({"outputs": {"ok": {"one_of": [1]}}}, "outputs.ok.one_of", "says nothing of bool"),
        ({"inputs": {"x": {"length": [0, 3]}}}, "inputs.x.length", "says nothing of float32"),
        ({"outputs": {"y": {"increasing_in": "idz"}}}, "outputs.y.increasing_in", "did you mean 'ids'?"),
        ({"outputs": {"y": {"increasing_in": "s"}}}, "outputs.y.increasing_in", "s is string; only a number can grow"),
        ({"outputs": {"label": {"increasing_in": "x"}}}, "outputs.label.increasing_in", "says nothing of string"),
        ({"padding": {"dimension": "lenght"}}, "padding.dimension", "did you mean 'length'?"),
    ],
)
def test_promises_that_do_not_suit_the_signature(table, path, problem):
    with pytest.raises(PromiseError, match=r"^half") as error:
        check_promises(read(**table), *SIGNATURE, WHERE)
    assert ".".join(error.value.path) == path
    assert problem in str(error.value)


def test_a_side_that_is_not_known_is_not_checked():
    check_promises(read(outputs={"q": {"min": 0, "increasing_in": "r"}}, padding={"dimension": "a"}), None, None, WHERE)


def test_a_signature_that_names_no_dimension_does_not_deny_one():
    check_promises(read(padding={"dimension": "a"}), {"x": spec("float32[?, 3]")}, {}, WHERE)
