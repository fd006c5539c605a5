"""From what a test asks for to models that are served: exports are checked, a server is shared or started."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from itertools import islice
from pathlib import Path

from pytest_tfserving.backends.base import ServableSpec, ServerSpec, Started
from pytest_tfserving.backends.choose import Choice, choose
from pytest_tfserving.backends.identity import files_size
from pytest_tfserving.backends.notes import Notes
from pytest_tfserving.backends.run import KeptServer, Run
from pytest_tfserving.clients.loading import load
from pytest_tfserving.endpoint import Endpoint, Servable
from pytest_tfserving.errors import BackendError, ExportError, ServerDiedError, SpecError, StartupError, TFServingError
from pytest_tfserving.exports import CheckedExport, Exports
from pytest_tfserving.options import Settings
from pytest_tfserving.serve_request import ModelRequest, ServeRequest
from pytest_tfserving.served import Served
from pytest_tfserving.sharing import share

__tracebackhide__ = True  # a failing test's report ends at the test's own line

# Servers that are started before a test asks; each of them takes a core while it starts.
_STARTED_AHEAD = 2

# Every model of a server is loaded before any of them answers: nobody shall wait for a large one of somebody else's.
_MOST_BYTES_SHARED = 64_000_000

# How a server that ends at its start names what did not load (tensorflow_serving/model_servers/server_core.cc).
_BLAMED = re.compile(r"\{name: (\S+) version: \d+\} due to error")


class Serving:
    """Serves models for one process of a test run; equal requests get the same objects back.

    `run` gives the run when a server must be started; `say` shows a line to the person who waits.
    """

    def __init__(self, settings: Settings, run: Callable[[], Run], say: Callable[[str], None]) -> None:
        self.settings = settings
        self.exports = Exports(settings)
        self._run = run
        self._say = say
        self._outcomes: dict[ServeRequest, dict[str, Served] | TFServingError] = {}
        self._shared: dict[ServeRequest, ServeRequest] = {}
        self._asked: set[ServeRequest] = set()
        self._servers: dict[ServeRequest, KeptServer] = {}
        self._has_lost_one = False
        self._started_ahead: list[KeptServer] = []
        self.requested: set[str] = set()

    @cached_property
    def _notes(self) -> Notes:
        return Notes(self._run().directory)

    @cached_property
    def choice(self) -> Choice:
        """The backend of this run, chosen when it is first needed. Raises BackendError where there is none."""
        settings = self.settings
        return choose(
            settings.backend,
            image=settings.image,
            binary=settings.binary,
            has_address=bool(settings.rest_url or settings.grpc_target),
        )

    def plan(self, requests: Iterable[ServeRequest]) -> None:
        """Has small models of several requests served by one server (sharing.py), and starts the first of the servers.

        They are started while whatever comes before the first test goes on. An error of a request is left for the test
        that makes it.
        """
        if self.settings.is_remote:
            return
        wanted = dict.fromkeys(requests)
        self._share(filter(self._is_small, wanted))
        for request in list(dict.fromkeys(self._shared.get(one, one) for one in wanted))[:_STARTED_AHEAD]:
            with suppress(TFServingError, OSError):
                if self.choice.backend != "remote":
                    server, _ = self._start(request)
                    self._started_ahead.append(server)

    def finish_starts(self) -> None:
        """Waits for the servers that plan() has started: each takes a core while it starts, and time is measured."""
        while self._started_ahead:
            with suppress(TFServingError):  # the test that asks for it will say so
                self._started_ahead.pop().wait_started(lambda _: None)

    def serve(self, request: ServeRequest) -> dict[str, Served]:
        """The models of a request by name, available.

        Raises ExportError before anything is started where an export cannot be served, BackendError and StartupError
        where no server comes up; the same error again for the same request. Raises ServerDiedError, with the end of the
        log, where the server has ended since. Where it was shared, the next to ask gets another (_part); who asks for
        the first time when its exports have been written anew since the server was asked for gets one of its own.
        """
        self.requested.update(model.servable.name for model in request.models if not model.fixed)
        if request not in self._asked:
            self._asked.add(request)
            self._part_if_written_anew(request)
        whole = self._shared.get(request)
        if whole is None:
            return self._serve_once(request)
        try:
            served = self._serve_once(whole)
        except TFServingError as error:
            if type(error) is BackendError:  # no server is to be had, whatever it is to serve
                raise
            self._part(whole, error)
            return self.serve(request)
        names = [model.servable.name for model in request.models]
        self._notes.note_asked(self._servers[whole].directory, names)
        return {name: served[name] for name in names}

    def _serve_once(self, request: ServeRequest) -> dict[str, Served]:
        outcome = self._outcomes.get(request)
        if outcome is None:
            try:
                outcome = {served.name: served for served in self._serve(request)}
            except TFServingError as error:
                outcome = error
            self._outcomes[request] = outcome
        if isinstance(outcome, TFServingError):
            raise outcome.with_traceback(None)  # it is raised again and again, and would collect all of their frames
        for served in islice(outcome.values(), 1):  # all of a request's models are on one server
            served.check_alive()
        return outcome

    def _part(self, whole: ServeRequest, error: TFServingError) -> None:
        """Of a server that failed, gives those whose models are blamed servers of their own; all, where none are.

        All, too, where a shared server has ended before: each time, tests of other workers may fail with it.
        """
        users = [one for one, its in self._shared.items() if its == whole]
        asked: set[str] = set()
        if isinstance(error, ServerDiedError) and not self._has_lost_one:
            self._has_lost_one = True
            asked = self._notes.last_asked(self._servers[whole].directory)
        blamed = [one for one in users if self._is_blamed(one, error, asked)]
        rest = [one for one in users if one not in blamed]
        for one in users:
            del self._shared[one]
        [first, *_] = str(error).splitlines()
        if blamed and rest:
            self._share(rest)
            names = sorted({model.servable.name for one in blamed for model in one.models})
            line = f"{first}; {', '.join(names)} and the {len(rest)} others are served apart"
        else:
            line = f"{first}; each of its {len(whole.models)} models is served alone"
        if self._notes.is_first(repr(whole)):
            self._say(line)

    def _is_blamed(self, request: ServeRequest, error: TFServingError, asked: Collection[str]) -> bool:
        """Whether an error of a shared server is of a request's own models, as far as is known.

        The end of a server is of one of the models that were `asked` last, each by a process.
        """
        if isinstance(error, ExportError):
            return not self._is_small(request)
        if isinstance(error, StartupError):
            asked = _BLAMED.findall(str(error))
        return any(model.servable.name in asked for model in request.models)

    def _part_if_written_anew(self, request: ServeRequest) -> None:
        """Gives a request a server of its own where the shared one was asked for before its exports were written."""
        server = self._servers.get(self._shared.get(request, request))
        if request not in self._shared or server is None:
            return
        try:
            checked = [self.exports.check(model, request.tags, may_be_absent=False) for model in request.models]
        except TFServingError:  # raised again where it is served alone
            checked = [None]
        if not all(found and found.spec in server.spec.models for found in checked):
            del self._shared[request]

    def _share(self, requests: Iterable[ServeRequest]) -> None:
        self._shared |= {one: whole for one, whole in share(requests).items() if one != whole}

    def _is_small(self, request: ServeRequest) -> bool:
        """Whether the exports of a request are whole, and loaded before anybody notices: others wait for all of it."""
        try:
            checked = [self.exports.check(model, request.tags, may_be_absent=False) for model in request.models]
        except (TFServingError, OSError):
            return False
        directories = [path for found in checked if found for _, path in found.spec.versions]
        return sum(map(files_size, directories)) <= _MOST_BYTES_SHARED

    def directory_of(self, model: ModelRequest) -> Path:
        """The SavedModel that would be served for a request (Exports.directory_of)."""
        self.requested.add(model.servable.name)
        return self.exports.directory_of(model)

    def served_with(self, served: Served, *server_args: str) -> Served:
        """The same model on a server with further flags. Raises BackendError where servers are not ours to start."""
        if self.choice.backend == "remote":
            raise BackendError(f"{' '.join(server_args)} cannot be given to a remote server")
        request = next(r for r, outcome in self._outcomes.items() if served in _models_of(outcome))
        [model] = [model for model in request.models if model.servable.name == served.name]
        alone = replace(request, models=(model,), server_args=(*request.server_args, *server_args))
        return self.serve(alone)[served.name]

    def served_to(self, request: ServeRequest) -> list[Served]:
        """The models that an equal request was given; none where it failed or was never made."""
        outcome = self._outcomes.get(self._shared.get(request, request))
        names = [model.servable.name for model in request.models]
        return [served for served in _models_of(outcome) if served.name in names] if outcome else []

    def everything_served(self) -> list[Served]:
        """All models that were served so far."""
        return [served for outcome in self._outcomes.values() for served in _models_of(outcome)]

    def has_asked(self, served: Served) -> bool:
        """Whether the model may have been run through the clients of whoever was served it, by whatever request."""

        def served_as(one: Served) -> tuple[object, ...]:
            return one.endpoint, one.name, one.version

        return any(one.has_asked and served_as(one) == served_as(served) for one in self.everything_served())

    def close(self) -> None:
        """Closes all clients."""
        for served in self.everything_served():
            served.close()

    def _serve(self, request: ServeRequest) -> list[Served]:
        _refuse_equal_names(request)
        server, started = None, Started(Endpoint(), {})
        if self.choice.backend == "remote":
            endpoint = Endpoint.of_addresses(self.settings.rest_url, self.settings.grpc_target)
            started = Started(endpoint, {"backend": "remote"})
            # What another model is compared with need not be the export that lies at its path here.
            checked = [
                None if model.fixed else self.exports.check(model, request.tags, may_be_absent=True)
                for model in request.models
            ]
        else:
            server, checked = self._start(request)
            self._servers[request] = server
            load(self.settings.transports)  # while the server starts
            started = server.wait_started(self._say)
        return [
            self._wait_available(model.servable, started, found, server)
            for model, found in zip(request.models, checked, strict=True)
        ]

    def _start(self, request: ServeRequest) -> tuple[KeptServer, list[CheckedExport | None]]:
        """The run's server for a request: started now, unless it has been. Its exports are checked before."""
        checked = [self.exports.check(model, request.tags, may_be_absent=False) for model in request.models]
        return self._server(self._server_spec(request, [found.spec for found in checked if found])), checked

    def _server(self, spec: ServerSpec) -> KeptServer:
        reuse = None if spec.isolated else self.settings.reuse  # what a test has changed is not for the next run
        return self._run().server(spec) if reuse is None else self._run().leased_server(spec, reuse)

    def _server_spec(self, request: ServeRequest, models: list[ServableSpec]) -> ServerSpec:
        return ServerSpec(
            backend=self.choice.backend,
            program=self.choice.program,
            models=tuple(models),
            tags=request.tags,
            args=(*self.settings.server_arg, *request.server_args),
            startup_timeout=self.settings.startup_timeout,
            isolated=request.isolated,
        )

    def _wait_available(
        self, servable: Servable, started: Started, found: CheckedExport | None, server: KeptServer | None
    ) -> Served:
        served = Served(
            servable,
            started,
            version=found.version if found and server else None,
            export=found.export if found else None,
            export_directory=found.export.versions[found.version] if found else None,
            export_schema=found.schema if found else None,
            server=server,
            request_timeout=self.settings.request_timeout,
        )
        served.wait_available(self.settings.startup_timeout)
        return served


def _refuse_equal_names(request: ServeRequest) -> None:
    names = [model.servable.name for model in request.models]
    if len(set(names)) < len(names):
        raise SpecError(f"the models of one server need names of their own: {', '.join(names)}; give name=")


def _models_of(outcome: dict[str, Served] | TFServingError) -> list[Served]:
    return list(outcome.values()) if isinstance(outcome, dict) else []
