"""Where a server answers: all that a client needs to know of a backend."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from pytest_tfserving.errors import SpecError

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Endpoint(NamedTuple):
    """Addresses of one model server; either may be missing where a server was only addressed.

    rest_url is a base such as `http://127.0.0.1:8501`, without a trailing slash; grpc_target is what gRPC calls a
    target, such as `127.0.0.1:8500`.
    """

    rest_url: str | None = None
    grpc_target: str | None = None

    @classmethod
    def at(cls, host: str, *, rest_port: int, grpc_port: int) -> Endpoint:
        """The endpoint of a server that listens on both ports of one host.

        >>> Endpoint.at("127.0.0.1", rest_port=8501, grpc_port=8500)
        Endpoint(rest_url='http://127.0.0.1:8501', grpc_target='127.0.0.1:8500')
        """
        bracketed = f"[{host}]" if ":" in host else host
        return cls(f"http://{bracketed}:{rest_port}", f"{bracketed}:{grpc_port}")

    @classmethod
    def of_addresses(cls, rest_url: str | None, grpc_target: str | None) -> Endpoint:
        """The endpoint of a running server, from addresses as a person types them."""
        if not rest_url and not grpc_target:
            raise SpecError("a running server needs --tfserving-rest-url or --tfserving-grpc-target, or both")
        if rest_url:
            if "://" not in rest_url:
                rest_url = f"http://{rest_url}"
            if not _is_url(rest_url):
                raise SpecError(f"--tfserving-rest-url: {rest_url!r} is no URL such as http://host:8501")
            rest_url = rest_url.rstrip("/").removesuffix("/v1")
        if grpc_target and grpc_target.startswith(("http://", "https://")):
            raise SpecError(
                f"--tfserving-grpc-target: {grpc_target!r} is a URL; a target is host:port, such as host:8500"
            )
        return cls(rest_url or None, grpc_target or None)

    @property
    def is_local(self) -> bool:
        """Whether every address is this machine's, so that no proxy may come between."""
        hosts = [urlsplit(self.rest_url).hostname] if self.rest_url else []
        hosts += [self.grpc_target.rpartition(":")[0].strip("[]")] if self.grpc_target else []
        return all(host in LOOPBACK for host in hosts)

    def __str__(self) -> str:
        return " and ".join(filter(None, [self.rest_url, self.grpc_target and f"grpc {self.grpc_target}"]))


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # half a bracket, or a port that is no port
        return False


class Servable(NamedTuple):
    """Which model of a server a client asks for: its name, and one version or label, or the newest."""

    name: str
    version: int | None = None
    label: str | None = None

    def __str__(self) -> str:
        if self.version is not None:
            return f"{self.name} version {self.version}"
        return f"{self.name} label {self.label}" if self.label is not None else self.name
