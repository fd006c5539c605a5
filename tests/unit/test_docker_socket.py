"""What is at the socket need not be an engine."""

import socket
import threading

import pytest
from docker.models.images import Image

from pytest_tfserving.backends import docker_engine, docker_socket
from pytest_tfserving.errors import BackendError

DIGEST = "sha256:" + "0123456789abcdef" * 4


def answer(*body: str) -> bytes:
    text = "".join(body)
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode()


@pytest.fixture
def listening(tmp_path, monkeypatch):
    """listening(bytes): a socket that says this to the one who comes; its path."""
    listener = socket.socket(socket.AF_UNIX)
    monkeypatch.chdir(tmp_path)  # a socket's path must be short

    def listening(said: bytes) -> str:
        listener.bind("engine")
        listener.listen()

        def serve() -> None:
            guest, _ = listener.accept()
            with guest:
                guest.recv(4096)
                guest.sendall(said)

        threading.Thread(target=serve, daemon=True).start()
        return "engine"

    yield listening
    listener.close()


@pytest.mark.parametrize("digest", [DIGEST, DIGEST.removeprefix("sha256:")])  # some engines leave the name away
def test_the_short_id_is_that_of_docker_py(listening, digest):
    path = listening(answer(f'{{"Id": "{digest}"}}'))
    assert docker_socket.image_id(path, "an/image:1") == Image({"Id": digest}).short_id


def test_an_image_that_is_not_there(listening):
    path = listening(b'HTTP/1.1 404 Not Found\r\nContent-Length: 16\r\n\r\n{"message": "a"}')
    assert docker_socket.image_id(path, "a") is None


@pytest.mark.parametrize(
    "said",
    [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", *map(answer, ("[]", "no", "{}"))],
)
def test_what_is_no_engine_is_said_to_be_none(listening, monkeypatch, said):
    monkeypatch.setattr(docker_engine, "configured_address", lambda: f"unix://{listening(said)}")
    with pytest.raises(BackendError, match="no container engine answers at unix://engine"):
        docker_engine.image_id("a")


def test_a_socket_that_is_not_there(monkeypatch, tmp_path):
    monkeypatch.setattr(docker_engine, "configured_address", lambda: f"unix://{tmp_path}/none")
    with pytest.raises(BackendError, match="no such file or directory"):
        docker_engine.image_id("a")
