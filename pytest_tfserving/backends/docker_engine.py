"""The container engine: whether there is one, where it is, and what it can see of this machine."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pytest_tfserving.errors import BackendError

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


def configured_address() -> str | None:
    """Where an engine may be, found without loading the client library; None where there is no sign of one.

    The environment, testcontainers' properties file, the current docker context, or a socket in its usual place.
    """
    address = os.environ.get("TESTCONTAINERS_HOST_OVERRIDE") or os.environ.get("DOCKER_HOST")
    if address:
        return address
    home = Path.home()
    if (home / ".testcontainers.properties").exists():
        return "~/.testcontainers.properties"
    try:
        context = json.loads((home / ".docker" / "config.json").read_text()).get("currentContext", "default")
    except (OSError, ValueError, AttributeError):
        context = "default"
    if os.environ.get("DOCKER_CONTEXT", context) != "default":
        return f"docker context {os.environ.get('DOCKER_CONTEXT', context)}"
    socket = Path("/var/run/docker.sock")
    return f"unix://{socket}" if socket.exists() else None


def connect() -> Any:
    """testcontainers' DockerClient of an engine that answers. Raises BackendError where none does."""
    from docker.errors import DockerException
    from testcontainers.core.docker_client import DockerClient

    address = configured_address()
    try:
        client = DockerClient()
        client.client.ping()
    except (DockerException, OSError) as error:
        raise BackendError(
            f"no container engine answers{f' at {address}' if address else ''} ({_reason(error)}). "
            f"Start Docker, or let the run do without: --tfserving-backend embedded"
        ) from error
    return client


def is_remote(client: Any) -> bool:
    """Whether a port published on the engine's loopback interface would be out of our reach."""
    return client.host() not in _LOCAL


def engine_sees_our_paths(client: Any) -> bool:
    """Whether a path of this process means the same to the engine: it is local, and we are not in a container."""
    from testcontainers.core.utils import inside_container

    return not is_remote(client) and not inside_container() and not _is_tcp()


def _is_tcp() -> bool:
    # An engine behind a TCP address of this machine is a forwarded port or a virtual machine more often than not.
    return os.environ.get("DOCKER_HOST", "").startswith(("tcp://", "http://", "https://", "ssh://"))


def _reason(error: Exception) -> str:
    """The innermost words of an error that the client library has wrapped several times."""
    text = str(error)
    for known in ("Connection refused", "Permission denied", "No such file or directory", "timed out"):
        if known in text:
            return known.lower()
    return text.splitlines()[0][:200] if text else type(error).__name__
