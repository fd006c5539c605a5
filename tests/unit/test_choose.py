"""Which backend `auto` takes, and what it says of those it passed over"""

import sys

import pytest

from pytest_tfserving.backends import choose as module
from pytest_tfserving.backends.choose import choose
from pytest_tfserving.errors import BackendError


@pytest.fixture
def machine(monkeypatch):
    """A machine on which nothing is to be had, but for what a test gives it."""

    def machine(*, docker=None, binary=None, tensorflow=True):
        monkeypatch.setattr(module, "_why_not_docker", lambda image: docker)
        monkeypatch.setattr(module, "_find_binary", lambda name: binary)
        monkeypatch.setattr(module, "_why_not_embedded", lambda: None if tensorflow else "no tensorflow in /venv")

    return machine


def chosen(backend="auto", has_address=False, binary=None):
    return choose(backend, image="some/image:1", binary=binary, has_address=has_address)


@pytest.mark.parametrize(
    ("has", "has_address", "expected"),
    [
        ({}, True, "remote"),
        ({}, False, "docker some/image:1 (remote: no address given)"),
        (
            {"docker": "no engine", "binary": "/bin/tms"},
            False,
            "binary /bin/tms (remote: no address given; docker: no engine)",
        ),
        (
            {"docker": "no engine"},
            False,
            "embedded (remote: no address given; docker: no engine; binary: no tensorflow_model_server on PATH)",
        ),
    ],
    ids=["address", "engine with the image", "binary", "nothing else"],
)
def test_auto_takes_the_first_that_can_be_had(machine, has, has_address, expected):
    machine(**has)
    assert str(chosen(has_address=has_address)) == expected


def test_auto_lists_every_reason_where_nothing_can_be_had(machine):
    machine(docker="no engine", tensorflow=False)
    with pytest.raises(BackendError) as nothing:
        chosen()
    assert str(nothing.value).splitlines() == [
        "nothing here can serve a model:",
        "  remote: no address given",
        "  docker: no engine",
        "  binary: no tensorflow_model_server on PATH",
        "  embedded: no tensorflow in /venv",
    ]


@pytest.mark.parametrize("backend", ["docker", "embedded"])
def test_a_named_backend_is_taken_as_it_is(machine, backend):
    machine(docker="no engine")
    choice = chosen(backend)
    assert (choice.backend, choice.passed_over) == (backend, ())
    assert choice.program == {"docker": "some/image:1", "embedded": sys.executable}[backend]


@pytest.mark.parametrize(
    ("backend", "message"),
    [
        ("remote", "needs an address: --tfserving-rest-url"),
        ("binary", "no executable /x; give one with --tfserving-binary"),
        ("embedded", "cannot run: no tensorflow in /venv"),
    ],
)
def test_a_named_backend_that_cannot_be_had_is_an_error(machine, backend, message):
    machine(tensorflow=False)
    with pytest.raises(BackendError, match=message):
        chosen(backend, binary="/x")
