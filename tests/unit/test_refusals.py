"""Requests that break a signature: what each kind does, over which transports it is wrong."""

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from pytest_tfserving.contracts.check import ExpectedSignature, find_size_conflicts
from pytest_tfserving.contracts.checks import INVALID_KINDS
from pytest_tfserving.contracts.refusals import invalid, possible_kinds
from pytest_tfserving.dtypes import DTYPES
from pytest_tfserving.errors import Code
from pytest_tfserving.grammar import parse_tensor_spec
from pytest_tfserving.schema import Signature
from pytest_tfserving.tensors import name_of

NO_LIMITS = settings(database=None, deadline=None, suppress_health_check=list(HealthCheck))


def signature(**specs):
    return Signature("serving_default", {name: parse_tensor_spec(spec) for name, spec in specs.items()}, {})


@pytest.mark.parametrize(
    ("specs", "kinds"),
    [
        ({}, ("extra",)),
        ({"x": "float32[?]"}, ("missing", "extra", "dtype", "rank")),
        ({"x": "float32[?, 3]"}, INVALID_KINDS),
        ({"x": "float32[]"}, ("missing", "extra", "dtype", "rank")),
        ({"x": "float32[...]"}, ("missing", "extra", "dtype")),
        ({"k": "float32[2] = ..."}, ("extra", "dtype", "rank", "size")),
    ],
    ids=str,
)
def test_only_what_the_signature_can_tell(specs, kinds):
    assert possible_kinds(signature(**specs)) == kinds


@settings(NO_LIMITS, max_examples=150)
@given(
    data=st.data(),
    kind=st.sampled_from(INVALID_KINDS),
    a=st.sampled_from(sorted(DTYPES)),
    b=st.sampled_from(sorted(DTYPES)),
)
def test_each_kind_breaks_the_signature_in_its_way_alone(data, kind, a, b):
    served = signature(a=f"{a}[?, 3]", b=f"{b}[2]", c="int32[] = 5")
    fits = ExpectedSignature("serving_default", served.inputs)
    one = data.draw(invalid(served, kinds=[kind]))
    assert (one.kind, one.code) == (kind, Code.INVALID_ARGUMENT)
    assert one.valid.keys() == {"a", "b", "c"}
    assert find_size_conflicts(fits, one.valid, {}) == []
    missing, extra = one.valid.keys() - one.inputs.keys(), one.inputs.keys() - one.valid.keys()
    changed = [name for name in one.valid.keys() & one.inputs.keys() if one.inputs[name] is not one.valid[name]]
    assert (len(missing), len(extra), len(changed)) == {"missing": (1, 0, 0), "extra": (0, 1, 0)}.get(kind, (0, 0, 1))
    assert "c" not in missing
    for name in changed:
        dtypes = [name_of(request[name]) for request in (one.valid, one.inputs)]
        shapes = [request[name].shape for request in (one.valid, one.inputs)]
        assert (dtypes[0] != dtypes[1]) is (kind == "dtype")
        assert (len(shapes[0]) != len(shapes[1])) is (kind == "rank")
        assert (shapes[0] == shapes[1]) is (kind == "dtype")
    if kind in ("rank", "size"):
        assert len(find_size_conflicts(fits, one.inputs, {})) == 1


def ways(specs, count=150, **given_kinds):
    """What one is told is wrong -> the transports over which it is, of as many as are drawn."""
    found = {}

    @settings(NO_LIMITS, max_examples=count, phases=[Phase.generate], derandomize=True)
    @given(invalid(signature(**specs), **given_kinds))
    def draw(one):
        found[one.what] = one.transports

    draw()
    return found


def one_that(what, **specs):
    """A request that is wrong in a certain way, drawn as often as it takes."""
    often = settings(NO_LIMITS, max_examples=5000, phases=[Phase.generate])
    return find(invalid(signature(**specs)), lambda one: one.what == what, settings=often)


BOTH, GRPC = ("grpc", "rest"), ("grpc",)


@pytest.mark.parametrize(
    ("wanted", "sent", "transports"),
    [
        ("float32", "int32", GRPC),  # JSON has one kind of number, and integers are read as floats
        ("float32", "float64", GRPC),
        ("float32", "string", BOTH),
        ("float32", "bool", BOTH),
        ("float32", "complex64", GRPC),
        ("int32", "float32", BOTH),
        ("int32", "int64", GRPC),
        ("int32", "bool", BOTH),
        ("bool", "int8", BOTH),
        ("bool", "string", BOTH),
        ("string", "uint8", BOTH),
        ("float16", "string", GRPC),  # REST reads no half at all
        ("complex64", "int32", GRPC),
    ],
)
def test_a_dtype_is_wrong_over_rest_where_its_json_is(wanted, sent, transports):
    assert one_that(f"has {sent} in 'x', which is {wanted}", x=f"{wanted}[]").transports == transports


@pytest.mark.parametrize("wanted", ["float16", "int32", "bool", "string", "complex64"])
def test_every_other_dtype_is_wrong_and_no_more(wanted):
    sent = {what.split()[1] for what in ways({"x": f"{wanted}[]"}, kinds=["dtype"], count=100)}
    assert wanted not in sent
    assert len(sent) > 5


@pytest.mark.parametrize(
    ("kind", "specs", "transports"),
    [
        ("missing", {"x": "float32[?]"}, BOTH),
        ("missing", {"x": "float16[?]"}, GRPC),
        ("extra", {"x": "float32[?]"}, GRPC),  # ignored in columns
        ("rank", {"x": "float32[?]"}, BOTH),
        ("size", {"x": "float32[2]"}, BOTH),
        ("missing", {"x": "float32[0, 2]"}, GRPC),
    ],
)
def test_where_it_is_wrong(kind, specs, transports):
    assert set(ways(specs, kinds=[kind]).values()) == {transports}


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("missing", "lacks input 'x'"),
        ("extra", "has an input 'unexpected', which the signature lacks"),
        ("extra", "has an input 'x_1', which the signature lacks"),
        ("rank", "has shape [1, 2, 1] in 'x', which is float32[?, 2]"),
        ("rank", "has shape [2] in 'x', which is float32[?, 2]"),
        ("size", "has shape [1, 3] in 'x', which is float32[?, 2]"),
        ("size", "has shape [1, 1] in 'x', which is float32[?, 2]"),
    ],
)
def test_what_is_wrong_is_said(kind, what):
    assert one_that(what, x="float32[?, 2]").kind == kind


def test_it_shrinks_to_a_small_request():
    smallest = find(invalid(signature(x="float32[?, 2]"), kinds=["rank"]), lambda one: True, settings=NO_LIMITS)
    np.testing.assert_array_equal(smallest.valid["x"], np.zeros((1, 2), "f4"))
    np.testing.assert_array_equal(smallest.inputs["x"], np.zeros((1, 2, 1), "f4"))


def test_nothing_is_drawn_of_kinds_that_the_signature_cannot_tell():
    assert invalid(signature(x="float32[?]"), kinds=["size"]).is_empty
