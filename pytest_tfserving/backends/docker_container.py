"""A container of a server: its labels, mounts and ports, made and started through testcontainers' client of the engine.

Its DockerContainer is left out: it brings wait strategies, compose and asyncio, a fifth of all that is imported before
the engine is asked, and a second client, and keeps the container that it has failed to start to itself.
"""

from __future__ import annotations

import contextlib
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_tfserving.backends.base import ServerSpec, model_config
from pytest_tfserving.backends.docker_engine import Reach
from pytest_tfserving.backends.machine import machine_id
from pytest_tfserving.errors import StartupError

GRPC_PORT, REST_PORT = 8500, 8501  # what the official image's entry point listens on

# On every container: whose it is. A keeper holds the lock file at `lease` for as long as it lives.
LABEL = "pytest-tfserving"
MACHINE_LABEL, LEASE_LABEL = f"{LABEL}.machine", f"{LABEL}.lease"

# A file or directory of this machine, and where it is to be in the container.
Source = tuple[Path, str]

_MODELS = "/models"
_CONFIG = "/pytest-tfserving/models.config"

# The words of an engine that does not see a path of ours: it is remote, or we are in a container, or Docker Desktop
# does not share the folder. The configuration lies in a directory of this run, which no other machine has by chance.
_CANNOT_SEE = ("bind source path does not exist", "mounts denied")


def run(client: Any, spec: ServerSpec, workdir: Path, reach: Reach) -> Any:
    """docker-py's Container of a specification, started: each version lies read-only, or as a copy, under /models.

    `client` is testcontainers' DockerClient. Raises StartupError, and leaves no container, where the engine refuses.
    """
    from docker.errors import APIError

    config = workdir / "models.config"
    config.write_text(model_config(spec, _MODELS), encoding="utf-8")
    sources = [(config, _CONFIG)]
    sources += [(Path(path), f"{_MODELS}/{m.name}/{number}") for m in spec.models for number, path in m.versions]
    try:
        try:
            return _run(client, spec, workdir, reach, sources, mount=True)
        except APIError as error:
            if not any(text in str(error) for text in _CANNOT_SEE):
                raise
        return _run(client, spec, workdir, reach, sources, mount=False)
    except APIError as error:
        reason = error.explanation or error
        raise StartupError(f"container of {spec.program} cannot be started: {reason}") from error


def _run(client: Any, spec: ServerSpec, workdir: Path, reach: Reach, sources: list[Source], *, mount: bool) -> Any:
    from docker.types import Mount

    # A bind mount of the API, not -v: that one makes an empty folder where the source is missing.
    mounts = [Mount(target, str(source), type="bind", read_only=True) for source, target in sources if mount]
    container = client.create(
        spec.program,
        command=spec.flags(_CONFIG),
        mounts=mounts,
        labels={LABEL: "server", MACHINE_LABEL: machine_id(), LEASE_LABEL: str(workdir / "lock")},
        ports=_published(reach),
    )
    try:
        if not mount:
            with tempfile.TemporaryFile() as archive:
                _pack(sources, archive)
                container.put_archive("/", archive)
        client.start(container)
    except BaseException:
        with contextlib.suppress(Exception):  # the first error says more
            container.remove(force=True, v=True)
        raise
    return container


def _published(reach: Reach) -> dict[str, tuple[str] | None]:
    """The ports as docker-py wants them: an address alone, or None for all of them, lets the engine choose."""
    if reach.publish_on is None:
        return {}
    address = (reach.publish_on,) if reach.publish_on else None
    return {f"{port}/tcp": address for port in (GRPC_PORT, REST_PORT)}


def _pack(sources: list[Source], archive: Any) -> None:
    """A tar archive of files and of all files below directories, readable by whatever user the image has."""
    with tarfile.open(fileobj=archive, mode="w", dereference=True) as tar:
        for path, name in _files(sources):
            info = tar.gettarinfo(path, name)
            info.mode = 0o644
            with path.open("rb") as file:
                tar.addfile(info, file)
    archive.seek(0)


def _files(sources: list[Source]) -> Iterator[tuple[Path, str]]:
    for source, target in sources:
        if source.is_file():
            yield source, target
        for file in sorted(path for path in source.rglob("*") if path.is_file()):
            yield file, f"{target}/{file.relative_to(source).as_posix()}"
