"""Running servers as a person types them on a command line, beside exports and contract files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote

from google.protobuf import json_format
from google.protobuf.message import DecodeError

from pytest_tfserving.endpoint import Endpoint, Servable
from pytest_tfserving.errors import BackendError, SpecError

FORMS = "http://host:8501/v1/models/NAME, grpc://host:8500/NAME; with /versions/N or /labels/L behind it"

_OF_MODEL = r"(?P<name>[^/]+?)(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/]+))?"
_REST = re.compile(rf"(?P<base>https?://.+)/v1/models/{_OF_MODEL}(?:/metadata)?/?")
_GRPC = re.compile(rf"grpc://(?P<target>[^/]+)/{_OF_MODEL}/?")


def is_address(place: str) -> bool:
    """Whether a server is meant, and no path."""
    return "://" in place


def read_address(address: str) -> tuple[Endpoint, Servable]:
    """Where a served model answers, over the one transport that the address names. Raises SpecError."""
    rest, grpc = _REST.fullmatch(address), _GRPC.fullmatch(address)
    match = rest or grpc
    if match is None:
        raise SpecError(
            f"{address!r} is no address of a served model; write http://host:8501/v1/models/NAME or "
            f"grpc://host:8500/NAME, with /versions/N or /labels/L behind it for one version"
        )
    version, label = match["version"], match["label"]
    servable = Servable(unquote(match["name"]), int(version) if version else None, unquote(label) if label else None)
    if rest:
        return Endpoint.of_addresses(rest["base"], None), servable
    return Endpoint.of_addresses(None, match["target"]), servable


@contextmanager
def as_tensorflow_serving(address: str) -> Iterator[None]:
    """Metadata of another kind than TensorFlow Serving's, which anything may answer, as a BackendError."""
    try:
        yield
    except (LookupError, TypeError, ValueError, json_format.Error, DecodeError) as error:
        raise BackendError(f"{address} does not answer as TensorFlow Serving does: {error!r}") from error
