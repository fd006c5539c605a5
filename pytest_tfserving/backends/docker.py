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
from typing import Any, cast

from pytest_tfserving.backends import docker_image
from pytest_tfserving.backends.base import Say, ServerSpec, Started, model_config
from pytest_tfserving.backends.docker_engine import Reach, connect, reach_of
from pytest_tfserving.backends.lock import is_held
from pytest_tfserving.backends.machine import machine_id
from pytest_tfserving.endpoint import Endpoint
from pytest_tfserving.errors import StartupError

GRPC_PORT, REST_PORT = 8500, 8501  # what the official image's entry point listens on
MODELS = "/models"
CONFIG = "/pytest-tfserving/models.config"

# On every container: whose it is. A keeper holds the lock file at `lease` for as long as it lives.
LABEL = "pytest-tfserving"
MACHINE_LABEL, LEASE_LABEL = f"{LABEL}.machine", f"{LABEL}.lease"

# Chooses between oneDNN's kernels and Eigen's.
_SWITCHES = ("TF_ENABLE_ONEDNN_OPTS",)

# The words of an engine that does not see a path of ours: it is remote, or we are in a container, or Docker Desktop
# does not share the folder. The configuration lies in a directory of this run, which no other machine has by chance.
_CANNOT_SEE = ("bind source path does not exist", "mounts denied")


def start(spec: ServerSpec, workdir: Path, log: Path, say: Say) -> ContainerServer:
    """Starts a container of the image `spec.program`; its models may still be loading when this returns."""
    from docker.errors import APIError
    from testcontainers.core.config import testcontainers_config

    testcontainers_config.ryuk_disabled = True
    client = connect()
    remove_leftovers(client.client)
    image = docker_image.ensure(client.client, spec.program, say)
    reach = reach_of(client)
    for mount in (True, False):
        container = _container(spec, workdir, reach, mount=mount)
        try:
            container.start()
        except BaseException as error:
            with contextlib.suppress(APIError):
                container.stop()
            if not isinstance(error, APIError):
                raise
            if mount and any(text in str(error) for text in _CANNOT_SEE):
                continue
            reason = error.explanation or error
            raise StartupError(f"container of {spec.program} cannot be started: {reason}") from error
        break
    provenance = {"backend": "docker", "image": spec.program, "image_id": image.short_id, **_switches(container)}
    return ContainerServer(container, log, reach, provenance)


def _switches(container: Any) -> dict[str, str]:
    """What chooses kernels in the container's environment, which is its image's and not this process's."""
    listed = container.get_wrapped_container().attrs.get("Config", {}).get("Env") or ()
    environment = dict(entry.partition("=")[::2] for entry in listed)
    return {name: environment[name] for name in _SWITCHES if name in environment}


def remove_leftovers(client: Any) -> list[str]:
    """Removes containers of this machine whose keeper is gone; gives their names. Other people's are not touched."""
    removed = []
    for container in client.containers.list(all=True, filters={"label": f"{MACHINE_LABEL}={machine_id()}"}):
        if not is_held(Path(container.labels.get(LEASE_LABEL, ""))):
            with contextlib.suppress(Exception):  # another run may be removing it at the same moment
                container.remove(force=True, v=True)
                removed.append(container.name)
    return removed


class ContainerServer:
    """A container that a keeper owns. Its output is copied to `log` as it comes."""

    def __init__(self, container: Any, log: Path, reach: Reach, provenance: dict[str, str]) -> None:
        self._container = container
        self._wrapped = container.get_wrapped_container()
        self._reach = reach
        threading.Thread(target=self._copy_output, args=(log,), daemon=True).start()
        try:
            self.started = Started(self._endpoint(), provenance)
        except Exception as error:
            ended = self._ended()
            log.write_bytes(self._wrapped.logs())
            self.stop()
            raise StartupError(f"the container ended at once: {ended or error}") from error

    def wait(self) -> str:
        """See base.Server."""
        while True:
            # A read that timed out, or an engine that restarts: look again.
            with contextlib.suppress(Exception):
                self._wrapped.wait(timeout=60)
            with contextlib.suppress(Exception):
                ended = self._ended()
                if ended:
                    return ended
            time.sleep(0.1)

    def stop(self) -> None:
        """See base.Server. Killed, not asked: the official image's shell does not pass SIGTERM on and waits 10 s."""
        from docker.errors import APIError, NotFound

        with contextlib.suppress(NotFound):
            try:
                self._container.stop(force=True, delete_volume=True)
            except APIError as error:
                if error.status_code != 409:  # 409: its removal is under way
                    raise

    def _endpoint(self) -> Endpoint:
        client = self._container.get_docker_client()
        if self._reach.host is None:
            address = client.bridge_ip(self._wrapped.id)
            return Endpoint.at(address, rest_port=REST_PORT, grpc_port=GRPC_PORT)
        rest, grpc = (int(client.port(self._wrapped.id, port)) for port in (REST_PORT, GRPC_PORT))
        return Endpoint.at(self._reach.host, rest_port=rest, grpc_port=grpc)

    def _ended(self) -> str | None:
        from docker.errors import NotFound

        try:
            self._wrapped.reload()
        except NotFound:
            return "the container was removed"
        state = self._wrapped.attrs["State"]
        if state["Status"] not in ("exited", "dead"):
            return None
        status = state["ExitCode"]
        # 128 + signal is how a container's shell reports a child that a signal ended.
        hint = {137: ", killed (out of memory?)", 132: ", illegal instruction: the image is built for another CPU"}
        return f"container exit status {status}{hint.get(status, '')}{' ' + state['Error'] if state['Error'] else ''}"

    def _copy_output(self, log: Path) -> None:
        with log.open("ab", buffering=0) as output, contextlib.suppress(Exception):  # ends with the container
            for chunk in self._wrapped.logs(stream=True, follow=True):
                output.write(chunk)


def _container(spec: ServerSpec, workdir: Path, reach: Reach, *, mount: bool) -> Any:
    """The container, configured: each version mounted read-only under /models, or copied there before the start."""
    from docker.types import Mount
    from testcontainers.core.container import DockerContainer

    config = workdir / "models.config"
    config.write_text(model_config(spec, MODELS), encoding="utf-8")
    container = DockerContainer(spec.program).with_command(spec.flags(CONFIG))
    sources = [(Path(path), f"{MODELS}/{m.name}/{number}") for m in spec.models for number, path in m.versions]
    mounts = []
    if mount:
        # A bind mount of the API, not -v: that one makes an empty folder where the source is missing.
        mounts = [
            Mount(target, str(source), type="bind", read_only=True) for source, target in [*sources, (config, CONFIG)]
        ]
    else:
        container.with_copy_into_container(config, CONFIG)
        for source, target in sources:
            for file in sorted(path for path in source.rglob("*") if path.is_file()):
                container.with_copy_into_container(file, f"{target}/{file.relative_to(source).as_posix()}")
    labels = {LABEL: "server", MACHINE_LABEL: machine_id(), LEASE_LABEL: str(workdir / "lock")}
    container.with_kwargs(mounts=mounts, labels=labels)
    if reach.publish_on is not None:
        # An address alone, or None for all of them, lets the engine choose the port; testcontainers' type knows only
        # the latter form.
        address = cast(int, (reach.publish_on,)) if reach.publish_on else None
        container.ports = {f"{GRPC_PORT}/tcp": address, f"{REST_PORT}/tcp": address}
    return container
