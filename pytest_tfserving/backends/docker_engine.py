"""The container engine: whether there is one, where it is, and what it can see of this machine."""

from __future__ import annotations

import ipaddress
import json
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_tfserving.endpoint import LOOPBACK
from pytest_tfserving.errors import BackendError


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
    usual = Path("/var/run/docker.sock")
    return f"unix://{usual}" if usual.exists() else None


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


def image_id(image: str) -> str | None:
    """The short id of an image, as docker-py has it; None where the engine has none of that name.

    pytest's own process asks this, and waits: an engine at a local socket is asked without the client library, whose
    import takes many times as long as the answer. Raises BackendError where no engine answers.
    """
    address = configured_address() or ""
    if address.startswith("unix://"):
        from pytest_tfserving.backends import docker_socket

        try:
            return docker_socket.image_id(address.removeprefix("unix://"), image)
        except (OSError, ValueError) as error:
            raise BackendError(f"no container engine answers at {address} ({_reason(error)})") from error
    from docker.errors import DockerException

    try:
        return str(connect().client.images.get(image).short_id)
    except DockerException:
        return None


@dataclass(frozen=True)
class Reach:
    """How this process gets at a container's ports.

    `publish_on` is the address of the engine's machine that they are published on, empty for all of its addresses,
    None where they are not published. `host` is where published ports are found; None means the container's own
    address on its network.
    """

    publish_on: str | None
    host: str | None


def reach_of(client: Any) -> Reach:
    """How containers of an engine are reached: on the loopback interface alone, wherever that is possible."""
    from testcontainers.core.config import testcontainers_config
    from testcontainers.core.utils import inside_container

    if testcontainers_config.tc_host_override:
        return Reach("", testcontainers_config.tc_host_override)
    host: str = client.host()
    if host not in LOOPBACK:
        return Reach("", host)
    if inside_container() and not _is_this_machine(client):
        return Reach(None, None)  # the engine's loopback interface is not ours, but we share a network with it
    return Reach("127.0.0.1", "127.0.0.1")


def _is_this_machine(client: Any) -> bool:
    """Whether the gateway of the engine's default network is an address of this machine: then its loopback is ours.

    /.dockerenv alone does not tell: virtual machines made from images have it, and so has --network host.
    """
    try:
        [config, *_] = client.client.networks.get("bridge").attrs["IPAM"]["Config"]
        # An engine that found its bridge in place does not list the gateway; it is the subnet's first address.
        gateway = config.get("Gateway") or str(next(ipaddress.ip_network(config["Subnet"]).hosts()))
        with socket.socket() as probe:
            probe.bind((gateway, 0))
    except Exception:  # no such network, no such key, not our address: all mean that nothing speaks for it
        return False
    return True


def _reason(error: Exception) -> str:
    """The innermost words of an error that the client library has wrapped several times."""
    text = str(error)
    for known in ("Connection refused", "Permission denied", "No such file or directory", "timed out"):
        if known in text:
            return known.lower()
    return text.splitlines()[0][:200] if text else type(error).__name__
