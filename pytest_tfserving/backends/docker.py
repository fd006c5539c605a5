"""A tensorflow/serving container, through testcontainers.

Runs in the keeper, which owns the container as it owns a process: so testcontainers' own reaper (Ryuk) is not started,
which would end the container with the process that asked for it first, and needs an image of its own. Should a keeper
be killed together with its run, the container's labels tell the next one that it may be removed.
"""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path
from typing import Any

from pytest_tfserving.backends import docker_container, docker_image, signals
from pytest_tfserving.backends.base import Say, ServerSpec, Started
from pytest_tfserving.backends.docker_container import GRPC_PORT, LEASE_LABEL, MACHINE_LABEL, REST_PORT
from pytest_tfserving.backends.docker_engine import Reach, connect, reach_of
from pytest_tfserving.backends.lock import is_held
from pytest_tfserving.backends.machine import machine_id
from pytest_tfserving.backends.process import Deadline
from pytest_tfserving.endpoint import Endpoint
from pytest_tfserving.errors import StartupError

# Chooses between oneDNN's kernels and Eigen's.
_SWITCHES = ("TF_ENABLE_ONEDNN_OPTS",)

# How long an engine that does not answer, or fails, is asked again to remove a container: it may be restarting.
# Shorter than pytest waits at its end for the keeper.
_REMOVAL_SECONDS = 15.0


def start(spec: ServerSpec, workdir: Path, log: Path, say: Say) -> ContainerServer:
    """Starts a container of the image `spec.program`; its models may still be loading when this returns."""
    client = connect()
    image = docker_image.ensure(client.client, spec.program, say)
    reach = reach_of(client)
    server = None
    try:
        with signals.put_off():  # a container that is being made when the run ends would be nobody's
            container = docker_container.run(client, spec, workdir, reach)
            server = ContainerServer(container, log)
        provenance = {"backend": "docker", "image": spec.program, "image_id": image.short_id, **_switches(container)}
        server.started = Started(server.endpoint(client, reach), provenance)
        with contextlib.suppress(OSError):  # others' containers are no reason to fail
            remove_leftovers(client.client)  # meanwhile the server loads its models
    except BaseException:
        if server:
            with signals.put_off():
                server.stop()
        raise
    return server


def _switches(container: Any) -> dict[str, str]:
    """What chooses kernels in the container's environment, which is its image's and not this process's."""
    listed = container.attrs.get("Config", {}).get("Env") or ()
    environment = dict(entry.partition("=")[::2] for entry in listed)
    return {name: environment[name] for name in _SWITCHES if name in environment}


def remove_leftovers(client: Any) -> list[str]:
    """Removes containers of this machine whose keeper is gone; gives their names. Other people's are not touched."""
    removed = []
    mine = {"label": f"{MACHINE_LABEL}={machine_id()}"}
    for container in client.containers.list(all=True, filters=mine, ignore_removed=True):
        if not is_held(Path(container.labels.get(LEASE_LABEL, ""))):
            with contextlib.suppress(Exception):  # another run may be removing it at the same moment
                container.remove(force=True, v=True)
                removed.append(container.name)
    return removed


class ContainerServer:
    """A container that a keeper owns. Its output is copied to `log` as it comes. `started` is set by who starts it."""

    started: Started

    def __init__(self, container: Any, log: Path) -> None:
        self._container = container
        self._log = log
        threading.Thread(target=self._copy_output, daemon=True).start()

    def endpoint(self, client: Any, reach: Reach) -> Endpoint:
        """Where it is reached. Raises StartupError, its whole output in the log, where it has ended already."""
        try:
            if reach.host is None:
                address = client.bridge_ip(self._container.id)
                return Endpoint.at(address, rest_port=REST_PORT, grpc_port=GRPC_PORT)
            self._container.reload()  # the engine chose the ports at the start
            ports = self._container.attrs["NetworkSettings"]["Ports"]
            rest, grpc = (int(ports[f"{port}/tcp"][0]["HostPort"]) for port in (REST_PORT, GRPC_PORT))
            return Endpoint.at(reach.host, rest_port=rest, grpc_port=grpc)
        except Exception as error:
            ended = self._ended()
            with contextlib.suppress(Exception):
                self._log.write_bytes(self._container.logs())
            raise StartupError(f"the container ended at once: {ended or error}") from error

    def wait(self) -> str:
        """See base.Server."""
        while True:
            # A read that timed out, or an engine that restarts: look again.
            with contextlib.suppress(Exception):
                self._container.wait(timeout=60)
            with contextlib.suppress(Exception):
                ended = self._ended()
                if ended:
                    return ended
            time.sleep(0.1)

    def stop(self) -> None:
        """See base.Server. Killed, not asked: the official image's shell does not pass SIGTERM on and waits 10 s."""
        deadline = Deadline(_REMOVAL_SECONDS)
        while True:
            try:
                self._container.remove(force=True, v=True)
            except OSError as error:  # docker-py's errors are requests'
                if getattr(error, "status_code", None) in (404, 409):  # it is gone, or its removal is under way
                    return
                if deadline.passed:
                    raise
                time.sleep(0.2)
            else:
                return

    def _ended(self) -> str | None:
        from docker.errors import NotFound

        try:
            self._container.reload()
        except NotFound:
            return "the container was removed"
        state = self._container.attrs["State"]
        if state["Status"] not in ("exited", "dead"):
            return None
        status = state["ExitCode"]
        # 128 + signal is how a container's shell reports a child that a signal ended.
        hint = {137: ", killed (out of memory?)", 132: ", illegal instruction: the image is built for another CPU"}
        return f"container exit status {status}{hint.get(status, '')}{' ' + state['Error'] if state['Error'] else ''}"

    def _copy_output(self) -> None:
        with self._log.open("ab", buffering=0) as output, contextlib.suppress(Exception):  # ends with the container
            for chunk in self._container.logs(stream=True, follow=True):
                output.write(chunk)
