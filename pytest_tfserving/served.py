"""A model that a server serves, as tests see it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_tfserving.backends.base import Started
from pytest_tfserving.backends.process import Deadline
from pytest_tfserving.backends.run import KeptServer
from pytest_tfserving.endpoint import Servable
from pytest_tfserving.errors import Code, RequestError, StartupError
from pytest_tfserving.export import Export

if TYPE_CHECKING:  # requests, grpc and numpy are loaded when a server is on its way, not before
    from pytest_tfserving.clients.grpc import GrpcClient
    from pytest_tfserving.clients.rest import RestClient
    from pytest_tfserving.contracts.strategies import Strategies
    from pytest_tfserving.schema import ModelSchema, Signature

__tracebackhide__ = True  # a failing test's report ends at the test's own line


class Served:
    """A model that a server serves, as tests see it. Started or only addressed, it looks the same.

    `name` is the model's name on the server, `endpoint` where that answers, `backend` what serves it, `provenance`
    what is known of the software behind it, `export` the export on disk, or None where only an address is known;
    `reused` is `reused, up for 3 min` where an earlier run has started the server, else empty.
    """

    def __init__(
        self,
        servable: Servable,
        started: Started,
        *,
        version: int | None,
        export: Export | None,
        export_directory: Path | None,
        export_schema: ModelSchema | None,
        server: KeptServer | None,
        request_timeout: float,
    ) -> None:
        self.name = servable.name
        self.endpoint = started.endpoint
        self.provenance = started.provenance
        self.backend = started.provenance["backend"]
        self.reused = server.reused if server else ""
        self.export = export
        self.export_directory = export_directory
        self.export_schema = export_schema
        self._servable = servable
        self._version = servable.version if version is None else version
        self._server = server
        self._request_timeout = request_timeout

    @cached_property
    def rest(self) -> RestClient:
        """The model's REST client."""
        from pytest_tfserving.clients.rest import RestClient

        return RestClient(self.endpoint, self._servable, self._request_timeout)

    @cached_property
    def grpc(self) -> GrpcClient:
        """The model's gRPC client."""
        from pytest_tfserving.clients.grpc import GrpcClient

        return GrpcClient(self.endpoint, self._servable, self._request_timeout)

    def client(self, transport: str) -> RestClient | GrpcClient:
        """The client of a transport, `rest` or `grpc`."""
        return self.rest if transport == "rest" else self.grpc

    @property
    def version(self) -> int:
        """The version that answers: the one asked for, else (of a remote server) the newest that is available."""
        if self._version is not None:
            return self._version
        if self._servable.label is not None:
            return self._any_client._answering_version()
        return max(status.version for status in self._any_client.status() if status.state == "AVAILABLE")

    @property
    def schema(self) -> ModelSchema:
        """The signatures as the server's metadata lists them."""
        return self._any_client.schema

    @property
    def signatures(self) -> Mapping[str, Signature]:
        """The signatures that a client can call, by name, as the server's metadata lists them."""
        return self.schema.callable_signatures

    @property
    def strategies(self) -> Strategies:
        """Strategies of requests for hypothesis. Raises SpecError where that is not installed."""
        from pytest_tfserving.contracts.strategies import Strategies

        return Strategies(self.schema)

    def logs(self) -> str:
        """All that the server has written in this run so far; empty for one that was only addressed."""
        return self._server.logs() if self._server else ""

    @property
    def has_asked(self) -> bool:
        """Whether the model may have been run through one of the clients."""
        made = [self.__dict__.get(name) for name in ("rest", "grpc")]
        return any(client.has_asked for client in made if client)

    def check_alive(self, doing: str = "during the run", within: float = 0.0) -> None:
        """Raises ServerDiedError, with the end of its log, where the server has ended by itself.

        A server whose connections break is not yet known to have ended: that may show `within` some seconds.
        """
        deadline = Deadline(within)
        while self._server:
            self._server.check_alive(doing)
            if deadline.passed:
                return
            deadline.pause()

    def wait_available(self, timeout: float) -> None:
        """Returns when the server says that the model is AVAILABLE.

        Raises StartupError where the model ends in END (it failed to load) or does not get there within `timeout`
        seconds, ServerDiedError where the server ends meanwhile; both with the server's log.
        """
        deadline = Deadline(timeout)
        last = "it has not answered yet"
        while True:
            try:
                states = self._any_client.status()
            except RequestError as error:
                if self._server is None or error.code not in (Code.UNAVAILABLE, Code.NOT_FOUND):
                    raise
                last = error.message
            else:
                if any(status.state == "AVAILABLE" for status in states):
                    return
                last = ", ".join(f"version {s.version} is {s.state}" for s in states) or "it knows no version"
                failed = [s for s in states if s.state == "END" and s.code is not Code.OK]
                if failed and len(failed) == len(states):
                    reasons = "; ".join(f"version {s.version}: {s.code.name}: {s.message}" for s in failed)
                    raise StartupError(f"{self.name} failed to load: {reasons}{self._quoted_log()}")
            self.check_alive("before its model was available")
            if deadline.passed:
                raise StartupError(
                    f"{self.name} is not available after {timeout:g} s (--tfserving-startup-timeout): {last}"
                    f"{self._quoted_log()}"
                )
            deadline.pause()

    def close(self) -> None:
        """Closes the clients that were made; the server goes on."""
        for name in ("rest", "grpc"):
            client = self.__dict__.pop(name, None)
            if client:
                client.close()

    @property
    def _any_client(self) -> RestClient | GrpcClient:
        # REST where there is a choice: tensorflow_model_server opens it last, and its refusals come at once, whereas
        # a gRPC channel that was refused waits for a second before it tries again.
        return self.rest if self.endpoint.rest_url else self.grpc

    def _quoted_log(self) -> str:
        return self._server.quoted_log() if self._server else ""
