"""The image of the docker backend: pinned, pulled where it is missing, and explained where it cannot be had."""

from __future__ import annotations

import platform
import time
from contextlib import suppress
from typing import Any

from pytest_tfserving.backends.base import Say
from pytest_tfserving.errors import BackendError

_SECONDS_BETWEEN_LINES = 2.0
_INSTEAD = "or let the run do without: --tfserving-backend embedded"


def ensure(client: Any, image: str, say: Say) -> Any:
    """The image, pulled with visible progress where the engine does not have it. Raises BackendError."""
    from docker.errors import APIError, ImageNotFound

    try:
        with suppress(ImageNotFound):
            return client.images.get(image)
        say(f"image {image} is not on this engine; pulling it")
        _pull(client, image, say)
        return client.images.get(image)
    except (APIError, _PullError) as error:
        raise BackendError(explain(image, str(getattr(error, "explanation", None) or error))) from error


def explain(image: str, error: str) -> str:
    """What a failed pull means and what to do, from the engine's words."""
    lower = error.lower()
    if "no matching manifest" in lower or "no image found in manifest list" in lower:
        return (
            f"{image} has no build for {platform.machine()}: tensorflow/serving is published for x86-64 only. "
            f"Build this package's own image for this machine (docker/README.md) and name it with "
            f"--tfserving-image, {_INSTEAD}"
        )
    if "toomanyrequests" in lower or "rate limit" in lower:
        return f"{image} cannot be pulled: the registry's rate limit is used up. Run `docker login`, wait, {_INSTEAD}"
    if "invalid reference" in lower:
        return f"{image!r} is no name of an image. Check the name given by --tfserving-image ({error})"
    if "not found" in lower or "manifest unknown" in lower or "access denied" in lower or "does not exist" in lower:
        return (
            f"there is no image {image} to pull. Check the name given by --tfserving-image; a private one "
            f"needs `docker login`; one of your own needs `docker build` first ({error})"
        )
    return (
        f"{image} cannot be pulled: the registry does not answer ({error}). "
        f"Get online and `docker pull {image}`, `docker load` it from a file, {_INSTEAD}"
    )


class _PullError(Exception):
    """An error that came in the stream of a pull's progress."""


def _pull(client: Any, image: str, say: Say) -> None:
    from docker.utils import parse_repository_tag

    repository, tag = parse_repository_tag(image)
    layers: dict[str, dict[str, tuple[int, int]]] = {"Downloading": {}, "Extracting": {}}
    shown = time.monotonic()
    for event in client.api.pull(repository, tag=tag or "latest", stream=True, decode=True):
        if "error" in event:
            raise _PullError(event["error"])
        detail, status = event.get("progressDetail") or {}, event.get("status")
        if status in layers and "total" in detail:
            layers[status][event["id"]] = (detail["current"], detail["total"])
        elif status in ("Download complete", "Pull complete"):  # the last event of a layer may be short of its total
            phase = layers["Downloading" if status == "Download complete" else "Extracting"]
            if event["id"] in phase:
                phase[event["id"]] = (phase[event["id"]][1],) * 2
        if time.monotonic() - shown >= _SECONDS_BETWEEN_LINES and layers["Downloading"]:
            shown = time.monotonic()
            phases = [f"{phase.lower()} {_megabytes(sizes)}" for phase, sizes in layers.items() if sizes]
            say(f"pulling {image}: {', '.join(phases)}")
    say(f"pulled {image}")


def _megabytes(sizes: dict[str, tuple[int, int]]) -> str:
    done, total = (sum(pair[i] for pair in sizes.values()) / 1e6 for i in (0, 1))
    return f"{done:.0f} of {total:.0f} MB"
