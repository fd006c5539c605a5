"""Addresses as a person types them -> what a client needs; and what is said of those that are none."""

import pytest

from pytest_tfserving.endpoint import Endpoint, Servable
from pytest_tfserving.errors import SpecError


@pytest.mark.parametrize(
    ("host", "rest_url", "grpc_target"),
    [
        ("127.0.0.1", "http://127.0.0.1:8501", "127.0.0.1:8500"),
        ("models.example", "http://models.example:8501", "models.example:8500"),
        ("::1", "http://[::1]:8501", "[::1]:8500"),
    ],
)
def test_both_ports_of_one_host(host, rest_url, grpc_target):
    assert Endpoint.at(host, rest_port=8501, grpc_port=8500) == Endpoint(rest_url, grpc_target)


@pytest.mark.parametrize(
    ("typed", "rest_url"),
    [
        ("http://host:8501", "http://host:8501"),
        ("http://host:8501/", "http://host:8501"),
        ("http://host:8501/v1", "http://host:8501"),
        ("http://host:8501/v1/", "http://host:8501"),
        ("host:8501", "http://host:8501"),
        ("https://host", "https://host"),
        ("https://host/serving/v1", "https://host/serving"),
        ("http://[::1]:8501", "http://[::1]:8501"),
    ],
)
def test_a_rest_address_is_a_base(typed, rest_url):
    assert Endpoint.of_addresses(typed, None) == Endpoint(rest_url, None)


@pytest.mark.parametrize("target", ["host:8500", "[::1]:8500", "dns:///host:8500", "unix:/tmp/socket"])
def test_a_grpc_target_is_taken_as_it_is(target):
    assert Endpoint.of_addresses(None, target) == Endpoint(None, target)
    assert Endpoint.of_addresses("", target) == Endpoint(None, target)


@pytest.mark.parametrize(
    ("rest_url", "grpc_target", "message"),
    [
        (None, None, "a running server needs --tfserving-rest-url or --tfserving-grpc-target, or both"),
        ("", "", "a running server needs --tfserving-rest-url or --tfserving-grpc-target, or both"),
        ("ftp://host", None, "--tfserving-rest-url: 'ftp://host' is no URL such as http://host:8501"),
        ("http://", None, "--tfserving-rest-url: 'http://' is no URL such as http://host:8501"),
        ("http://:8501", None, "--tfserving-rest-url: 'http://:8501' is no URL such as http://host:8501"),
        ("http://host:port", None, "--tfserving-rest-url: 'http://host:port' is no URL such as http://host:8501"),
        ("http://host:99999", None, "--tfserving-rest-url: 'http://host:99999' is no URL such as http://host:8501"),
        ("http://[::1", None, "--tfserving-rest-url: 'http://[::1' is no URL such as http://host:8501"),
        (
            None,
            "http://host:8500",
            "--tfserving-grpc-target: 'http://host:8500' is a URL; a target is host:port, such as host:8500",
        ),
    ],
)
def test_what_is_no_address_names_its_option(rest_url, grpc_target, message):
    with pytest.raises(SpecError) as caught:
        Endpoint.of_addresses(rest_url, grpc_target)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("rest_url", "grpc_target", "is_local"),
    [
        ("http://127.0.0.1:8501", "127.0.0.1:8500", True),
        ("http://localhost:8501", None, True),
        (None, "localhost:8500", True),
        ("http://[::1]:8501", "[::1]:8500", True),
        ("http://models.example:8501", None, False),
        (None, "models.example:8500", False),
        ("http://localhost:8501", "models.example:8500", False),
        ("http://models.example:8501", "localhost:8500", False),
        ("http://localhost.example:8501", None, False),
    ],
)
def test_it_is_local_where_every_address_is_this_machines(rest_url, grpc_target, is_local):
    assert Endpoint(rest_url, grpc_target).is_local is is_local


@pytest.mark.parametrize(
    ("endpoint", "text"),
    [
        (Endpoint("http://host:8501", "host:8500"), "http://host:8501 and grpc host:8500"),
        (Endpoint("http://host:8501"), "http://host:8501"),
        (Endpoint(grpc_target="host:8500"), "grpc host:8500"),
    ],
)
def test_an_endpoint_as_text(endpoint, text):
    assert str(endpoint) == text


@pytest.mark.parametrize(
    ("servable", "text"),
    [
        (Servable("mnist"), "mnist"),
        (Servable("mnist", version=0), "mnist version 0"),
        (Servable("mnist", label="stable"), "mnist label stable"),
    ],
)
def test_a_servable_as_text(servable, text):
    assert str(servable) == text
