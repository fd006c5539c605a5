"""A leased server, as its users see it: files in its directory, and a connection to its keeper (lease_keeper.py)."""

from __future__ import annotations

import http.client
import json
import select
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from pytest_tfserving.backends import keeper
from pytest_tfserving.backends.base import ServableSpec, ServerSpec
from pytest_tfserving.backends.lease_keeper import RETIRED, SOCKET
from pytest_tfserving.backends.run import KeptServer

__tracebackhide__ = True  # a failing test's report ends at the test's own line

# A keeper that comes up on a busy machine takes seconds; one that was stopped (SIGSTOP) never answers.
ANSWER_SECONDS = 15.0
# A server that is up answers a question of its state in milliseconds; one that hangs costs a run this once.
HEALTH_SECONDS = 15.0


class NoKeeperError(Exception):
    """Nobody keeps the server any more, or its keeper does not answer in time."""


class Connection:
    """A connection to a keeper. While it is open after `use`, the server stays."""

    def __init__(self, directory: Path) -> None:
        """Raises NoKeeperError where nobody listens."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._said = b""
        try:
            self._socket.connect(str(directory / SOCKET))
        except OSError as error:
            self._socket.close()
            raise NoKeeperError(str(error)) from None

    def say(self, **request: object) -> None:
        """Sends a request; whoever does not want to know need not wait for the answer. Raises NoKeeperError."""
        try:
            self._socket.sendall(json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise NoKeeperError(str(error)) from None

    def answer(self, seconds: float | None = None) -> dict[str, Any]:
        """The answer to the request before. Raises NoKeeperError where none comes in time."""
        seconds = ANSWER_SECONDS if seconds is None else seconds
        end = time.monotonic() + seconds
        while b"\n" not in self._said:
            if not self._wait(end - time.monotonic()):
                raise NoKeeperError(f"no answer within {seconds:g} s")
            if not self._read():
                raise NoKeeperError("the keeper has ended")
        line, _, self._said = self._said.partition(b"\n")
        try:
            answer = json.loads(line)
            return {"state": str(answer["state"]), **answer}
        except (ValueError, TypeError, KeyError):
            raise NoKeeperError(f"not a keeper's answer: {line[:100]!r}") from None

    @property
    def is_open(self) -> bool:
        """Whether the keeper is there."""
        while self._wait(0):
            if not self._read():
                return False
        return True

    def close(self) -> None:
        """Ends the use. Safe to call twice."""
        self._socket.close()

    def _wait(self, seconds: float) -> bool:
        if self._socket.fileno() < 0:
            return False
        poll = select.poll()  # select() refuses descriptors above 1023
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(max(seconds, 0) * 1000))

    def _read(self) -> bool:
        with suppress(OSError):
            data = self._socket.recv(4096)
            self._said += data
            return bool(data)
        return False


class LeasedServer(KeptServer):
    """A server that may have been there before this run and may stay after it.

    `reused` says since when it is up, where another run had started it; its log is that since this run's first use.
    """

    def __init__(self, spec: ServerSpec, directory: Path, connection: Connection, use: dict[str, Any] | None) -> None:
        super().__init__(spec, directory)
        self._connection = connection
        self._log_offset = int(use["log_offset"]) if use else 0
        self.reused = f"reused, up for {duration(use['up'])}" if use else ""

    def close(self) -> None:
        """Leaves the server, which its keeper ends in time."""
        self._connection.close()

    def retire(self) -> None:
        """Sees to it that nobody uses the server any more, and leaves it; whoever uses it now keeps it until then."""
        retire(self.directory, self._connection)
        self._connection.close()

    def why_unusable(self) -> str | None:
        """What speaks against using a server that an earlier run left: it must serve what it was started with.

        A test may have given it another configuration; and one that hangs is found out here, not by a test's request.
        """
        server = self._read(keeper.SERVER) or {}
        if not server.get("rest_url"):
            return "it has no address"
        try:
            for model in self.spec.models:
                reason = _why_not_served(model, server["rest_url"])
                if reason:
                    return reason
        except (OSError, ValueError, TypeError, LookupError, http.client.HTTPException) as error:
            return f"it does not answer: {error or type(error).__name__}"
        return None

    @property
    def image_id(self) -> str | None:
        """The image that its container was made of."""
        provenance = (self._read(keeper.SERVER) or {}).get("provenance")
        return provenance.get("image_id") if isinstance(provenance, dict) else None

    def _keeper_is_alive(self) -> bool:
        return self._connection.is_open


def retire(directory: Path, connection: Connection) -> None:
    """Asks a keeper to let nobody in any more. One that does not listen now finds the request when it does."""
    with suppress(OSError):
        (directory / RETIRED).touch()  # so that nobody else asks one that does not listen, and waits
    with suppress(NoKeeperError):
        connection.say(want="retire")


def duration(seconds: float) -> str:
    """Seconds as a person reads them: `12 s`, `3 min`, `5 h`, `2 d`."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size or (unit == "min" and seconds >= 60):
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _why_not_served(model: ServableSpec, rest_url: str) -> str | None:
    wanted = {str(number) for number, _ in model.versions}
    there = _available(rest_url, f"/v1/models/{quote(model.name, safe='')}")
    if there != wanted:
        return f"of {model.name} it serves {', '.join(sorted(there)) or 'no version'}, not {', '.join(sorted(wanted))}"
    for label, number in model.labels:
        there = _available(rest_url, f"/v1/models/{quote(model.name, safe='')}/labels/{quote(label, safe='')}")
        if there != {str(number)}:
            return f"its label {label!r} of {model.name} is not at version {number} any more"
    return None


def _available(rest_url: str, path: str) -> set[str]:
    """The versions that are AVAILABLE, as the REST API's model status says."""
    address = urlsplit(rest_url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=HEALTH_SECONDS)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        document = json.loads(response.read())
    finally:
        connection.close()
    statuses = document.get("model_version_status", [])
    return {str(status["version"]) for status in statuses if status["state"] == "AVAILABLE"}
