"""From what a test asks for to models that are served: exports are checked, a server is shared or started."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_tfserving.backends.base import ServableSpec, ServerSpec, Started
from pytest_tfserving.backends.choose import Choice, choose
from pytest_tfserving.backends.run import KeptServer, Run
from pytest_tfserving.endpoint import Endpoint, Servable
from pytest_tfserving.errors import BackendError, ExportError, SpecError, TFServingError
from pytest_tfserving.export import Export, find_export, name_of_path
from pytest_tfserving.options import Settings
from pytest_tfserving.served import Served

if TYPE_CHECKING:
    from pytest_tfserving.schema import ModelSchema

__tracebackhide__ = True  # a failing test's report ends at the test's own line


@dataclass(frozen=True)
class ModelRequest:
    """One model as a marker or a factory call asks for it.

    `name` defaults to the export's own; `version` or `label` choose among its versions, the newest otherwise;
    `labels` gives a started server its version labels. One that is `fixed` is served from its path whatever
    --tfserving-model says: what the model under test is compared with.
    """

    path: Path
    name: str | None = None
    version: int | None = None
    label: str | None = None
    labels: tuple[tuple[str, int], ...] = ()
    fixed: bool = False

    @property
    def servable(self) -> Servable:
        """What clients ask the server for."""
        return Servable(self.name or name_of_path(self.path), self.version, self.label)


@dataclass(frozen=True)
class ServeRequest:
    """One server as it is asked for: its models, and what they share."""

    models: tuple[ModelRequest, ...]
    tags: tuple[str, ...] = ("serve",)
    server_args: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Checked:
    """A requested model whose export was found to be whole: its requested version, and that version's schema."""

    export: Export
    version: int
    schema: ModelSchema
    spec: ServableSpec


class Serving:
    """Serves models for one process of a test run; equal requests get the same objects back.

    `run` gives the run when a server must be started; `say` shows a line to the person who waits.
    """

    def __init__(self, settings: Settings, run: Callable[[], Run], say: Callable[[str], None]) -> None:
        self.settings = settings
        self._run = run
        self._say = say
        self._outcomes: dict[ServeRequest, dict[str, Served] | TFServingError] = {}
        self._overridden: set[str] = set()
        self.requested: set[str] = set()

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

    def serve(self, request: ServeRequest) -> dict[str, Served]:
        """The models of a request by name, available.

        Raises ExportError before anything is started where an export cannot be served, BackendError and StartupError
        where no server comes up; the same error again for the same request. Raises ServerDiedError, with the end of the
        log, where the server has ended since.
        """
        self.requested.update(model.servable.name for model in request.models if not model.fixed)
        outcome = self._outcomes.get(request)
        if outcome is None:
            try:
                outcome = {served.name: served for served in self._serve(request)}
            except TFServingError as error:
                outcome = error
            self._outcomes[request] = outcome
        if isinstance(outcome, TFServingError):
            raise outcome.with_traceback(None)  # it is raised again and again, and would collect all of their frames
        for served in outcome.values():
            served.check_alive()
        return outcome

    def directory_of(self, model: ModelRequest) -> Path:
        """The SavedModel that would be served for a request, --tfserving-model applied; nothing in it is read.

        Raises ExportError where there is none. A remote server's own files cannot be looked at: it is the export on
        this machine that is meant.
        """
        self.requested.add(model.servable.name)
        try:
            export = find_export(self.path_of(model))
        except ExportError as error:
            if not self.settings.is_remote:
                raise
            raise ExportError(
                f"{error}\nThe files of a remote server cannot be looked at; say where the export is on this machine "
                f"with --tfserving-model {model.servable.name}=PATH, or leave the test out (-m 'not tfserving_lint')"
            ) from error
        return _version_of(export, _requested_version(model, export, addressed=self.settings.is_remote), model)

    def path_of(self, model: ModelRequest) -> Path:
        """The path that a model is served from: its own, or that of --tfserving-model."""
        return self._candidate(model) or model.path

    def served_with(self, served: Served, *server_args: str) -> Served:
        """The same model on a server with further flags. Raises BackendError where servers are not ours to start."""
        if self.choice.backend == "remote":
            raise BackendError(f"{' '.join(server_args)} cannot be given to a remote server")
        request = next(r for r, outcome in self._outcomes.items() if served in _models_of(outcome))
        return self.serve(replace(request, server_args=(*request.server_args, *server_args)))[served.name]

    def served_to(self, request: ServeRequest) -> list[Served]:
        """The models that an equal request was given; none where it failed or was never made."""
        outcome = self._outcomes.get(request)
        return _models_of(outcome) if outcome else []

    def everything_served(self) -> list[Served]:
        """All models that were served so far."""
        return [served for outcome in self._outcomes.values() for served in _models_of(outcome)]

    def close(self) -> None:
        """Closes all clients."""
        for served in self.everything_served():
            served.close()

    def _serve(self, request: ServeRequest) -> list[Served]:
        names = [model.servable.name for model in request.models]
        if len(set(names)) < len(names):
            raise SpecError(f"the models of one server need names of their own: {', '.join(names)}; give name=")
        remote = self.choice.backend == "remote"
        checked = [
            # What another model is compared with need not be the export that lies at its path here.
            None if remote and model.fixed else self._check(model, request.tags, may_be_absent=remote)
            for model in request.models
        ]
        server = None
        if remote:
            endpoint = Endpoint.of_addresses(self.settings.rest_url, self.settings.grpc_target)
            started = Started(endpoint, {"backend": "remote"})
        else:
            server = self._run().server(self._server_spec(request, [found.spec for found in checked if found]))
            for transport in self.settings.transports:  # loaded while the server starts
                import_module(f"pytest_tfserving.clients.{transport}")
            started = server.wait_started(self._say)
        return [
            self._wait_available(model.servable, started, found, server)
            for model, found in zip(request.models, checked, strict=True)
        ]

    def _server_spec(self, request: ServeRequest, models: list[ServableSpec]) -> ServerSpec:
        return ServerSpec(
            backend=self.choice.backend,
            program=self.choice.program,
            models=tuple(models),
            tags=request.tags,
            args=(*self.settings.server_arg, *request.server_args),
            startup_timeout=self.settings.startup_timeout,
        )

    def _wait_available(
        self, servable: Servable, started: Started, found: _Checked | None, server: KeptServer | None
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

    def _check(self, model: ModelRequest, tags: tuple[str, ...], *, may_be_absent: bool) -> _Checked | None:
        """The model's export, its requested version read and found whole.

        None where it may be absent and is: a remote server's export need not be on this machine. One that was named
        for this run must be.
        """
        from pytest_tfserving.savedmodel import read_schema

        path = self.path_of(model)
        try:
            export = find_export(path)
        except ExportError:
            if may_be_absent and path is model.path:
                return None
            raise
        version = _requested_version(model, export, addressed=may_be_absent)
        numbers = sorted({version, *(number for _, number in model.labels)})
        directories = {number: _version_of(export, number, model) for number in numbers}
        schemas = {number: read_schema(directory, tags) for number, directory in directories.items()}
        versions = tuple((number, str(directory)) for number, directory in directories.items())
        spec = ServableSpec(model.servable.name, versions, model.labels)
        return _Checked(export, version, schemas[version], spec)

    def _candidate(self, model: ModelRequest) -> Path | None:
        """The path of --tfserving-model for this model; a path without NAME= can only mean the one model of a run."""
        if model.fixed:
            return None
        name = model.servable.name
        path, is_bare = self.settings.candidate(name)
        if path is None:
            return None
        if is_bare:
            self._overridden.add(name)
            if len(self._overridden) > 1:
                names = ", ".join(sorted(self._overridden))
                raise SpecError(
                    f"--tfserving-model {path} names no model, and this run has several: {names}; "
                    f"write --tfserving-model NAME={path}"
                )
        return Path(path)


def _models_of(outcome: dict[str, Served] | TFServingError) -> list[Served]:
    return list(outcome.values()) if isinstance(outcome, dict) else []


def _version_of(export: Export, number: int, model: ModelRequest) -> Path:
    if number not in export.versions:
        there = ", ".join(map(str, sorted(export.versions)))
        raise ExportError(f"no version {number} of {model.servable.name} in {export.path}; there is {there}")
    return export.versions[number]


def _requested_version(model: ModelRequest, export: Export, *, addressed: bool) -> int:
    """The version that a request means on a server that is started from the export."""
    if model.version is not None:
        return model.version
    if model.label is None or addressed:
        return export.latest
    labels = dict(model.labels)
    if model.label not in labels:
        raise SpecError(
            f"label {model.label!r} of {model.servable.name}: a started server has the labels that it is given; "
            f"add labels={{{model.label!r}: {export.latest}}}"
        )
    return labels[model.label]
