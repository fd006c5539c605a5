"""Which models share a server."""

import itertools
from pathlib import Path

import pytest

from pytest_tfserving.serve_request import ModelRequest, ServeRequest
from pytest_tfserving.sharing import share

A, B = ModelRequest(Path("a")), ModelRequest(Path("b"))
OTHER_A = ModelRequest(Path("elsewhere/a"))


def one(*models, **options):
    return ServeRequest(models, **options)


def servers(*requests):
    """The servers that the requests come to, each as the names of its models and how often it is asked for."""
    shared = share(requests)
    assert set(shared) == set(requests)
    found = {}
    for request in shared:
        whole = shared[request]
        assert set(request.models) <= set(whole.models)
        assert (whole.tags, whole.server_args) == (request.tags, request.server_args)
        found.setdefault(whole, []).append(request)
    return [("".join(model.servable.name for model in whole.models), len(users)) for whole, users in found.items()]


@pytest.mark.parametrize(
    ("requests", "expected"),
    [
        ([], []),
        ([one(A)], [("a", 1)]),
        ([one(A), one(A)], [("a", 1)]),
        ([one(A), one(B)], [("ab", 2)]),
        ([one(A, B), one(B), one(A)], [("ab", 3)]),
        # A name is one model on a server: another path, version, or set of labels is on another one.
        ([one(A), one(OTHER_A), one(B)], [("ab", 2), ("a", 1)]),
        ([one(A), one(ModelRequest(Path("a"), version=1))], [("a", 1), ("a", 1)]),
        ([one(A), one(ModelRequest(Path("a"), label="x", labels=(("x", 1),)))], [("a", 1), ("a", 1)]),
        ([one(A), one(ModelRequest(Path("a"), fixed=True))], [("a", 1), ("a", 1)]),
        ([one(A), one(OTHER_A), one(ModelRequest(Path("c"), name="b")), one(OTHER_A, B)], [("ab", 2), ("ab", 2)]),
        # Flags and tags are of a server as a whole.
        ([one(A), one(B, server_args=("--enable_batching",))], [("a", 1), ("b", 1)]),
        ([one(A), one(B, tags=("serve", "gpu")), one(B)], [("ab", 2), ("b", 1)]),
        # Isolated ones are what they asked for.
        ([one(A), one(B, isolated=True)], [("a", 1), ("b", 1)]),
        ([one(A, isolated=True), one(B, isolated=True)], [("a", 1), ("b", 1)]),
        ([one(A, isolated=True), one(A), one(B)], [("ab", 2), ("a", 1)]),
    ],
    ids=str,
)
def test_share(requests, expected):
    assert sorted(servers(*requests)) == sorted(expected)


@pytest.mark.parametrize("order", list(itertools.permutations([one(A), one(OTHER_A), one(B), one(OTHER_A, B)])))
def test_the_order_of_tests_decides_nothing(order):
    assert share(order) == share([one(A), one(OTHER_A), one(B), one(OTHER_A, B)])
