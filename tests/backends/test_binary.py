"""A local tensorflow_model_server: its ports, and the proof that it is the one that answers on them"""

import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from pytest_tfserving.backends import binary as backend
from pytest_tfserving.backends.base import ServableSpec, ServerSpec
from pytest_tfserving.errors import StartupError
from tests.conftest import MODELS, wait_until


@pytest.fixture
def spec(binary):
    return ServerSpec(
        "binary", binary, (ServableSpec("numbers", ((1, str(MODELS / "numbers" / "1")),)),), startup_timeout=30
    )


@pytest.fixture
def start(spec, tmp_path):
    """Starts the server in this process, as its keeper would, and stops it afterwards."""
    started, said = [], []

    def start():
        workdir = tmp_path / str(len(started))
        workdir.mkdir()
        server = backend.start(spec, workdir, tmp_path / "log", said.append)
        started.append(server)
        return server.started.endpoint, said

    yield start
    for server in started:
        server.stop()


def test_answers_on_ports_of_the_loopback_interface(start):
    endpoint, said = start()
    assert endpoint.rest_url.startswith("http://127.0.0.1:")
    assert not said


def test_a_listener_on_either_port_is_not_mistaken_for_the_server(start, monkeypatch):
    taken, free = [], backend.free_ports
    for _ in range(2):
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        taken.append(listener)
    ports = iter([(taken[0].getsockname()[1], free()[1]), (free()[0], taken[1].getsockname()[1])])
    monkeypatch.setattr(backend, "free_ports", lambda: next(ports, None) or free())
    endpoint, said = start()
    assert len(said) == 2
    assert all("was taken by somebody else" in line for line in said)
    assert str(taken[0].getsockname()[1]) not in str(endpoint)
    for listener in taken:
        listener.close()


@pytest.mark.parametrize("which", ["grpc", "rest", "both"])
def test_a_model_server_with_the_same_model_is_not_mistaken_for_ours(start, monkeypatch, tmp_path, which):
    # The trap: gRPC servers share a port through SO_REUSEPORT, and then both answer, in turns.
    other_grpc, other_rest = backend.free_ports()
    log = (tmp_path / "other.log").open("w")
    other = subprocess.Popen(
        [
            sys.executable, "-m", "pytest_tfserving.server", f"--port={other_grpc}", f"--rest_api_port={other_rest}",
            "--model_name=numbers", f"--model_base_path={MODELS / 'numbers'}",
        ],
        stderr=log,
    )  # fmt: skip
    try:
        assert wait_until(lambda: backend._answers(other_rest) and backend._answers(other_grpc))
        free = backend.free_ports
        first = {
            "grpc": (other_grpc, free()[1]), "rest": (free()[0], other_rest), "both": (other_grpc, other_rest),
        }[which]  # fmt: skip
        ports = iter([first])
        monkeypatch.setattr(backend, "free_ports", lambda: next(ports, None) or free())
        endpoint, said = start()
        assert len(said) == 1
        assert str(other_grpc) not in str(endpoint)
        assert str(other_rest) not in str(endpoint)
    finally:
        other.kill()
        other.wait()


def test_ports_that_are_always_taken_end_in_an_error(spec, tmp_path, monkeypatch):
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as other:  # one that answers, so that none waits
        thread = threading.Thread(target=other.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setattr(backend, "free_ports", lambda: (other.server_port,) * 2)
        try:
            with pytest.raises(StartupError, match="taken by somebody else 3 times"):
                backend.start(spec, tmp_path, tmp_path / "log", lambda line: None)
        finally:
            other.shutdown()
            thread.join()


def test_a_program_that_ends_is_explained(spec, tmp_path):
    with pytest.raises(StartupError, match="/bin/false ended before it was ready: exit status 1"):
        backend.start(spec._replace(program="/bin/false"), tmp_path, tmp_path / "log", lambda line: None)
