"""Which export a request means, and whether it can be served."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pytest_tfserving.backends.base import ServableSpec
from pytest_tfserving.backends.identity import files_stamp
from pytest_tfserving.errors import ExportError, SpecError
from pytest_tfserving.export import Export, find_export
from pytest_tfserving.options import Settings
from pytest_tfserving.schema import ModelSchema
from pytest_tfserving.serve_request import ModelRequest

__tracebackhide__ = True  # a failing test's report ends at the test's own line


@dataclass(frozen=True)
class CheckedExport:
    """A requested model whose export was found to be whole: its requested version, and that version's schema."""

    export: Export
    version: int
    schema: ModelSchema
    spec: ServableSpec


class Exports:
    """The exports of a run's requests, with --tfserving-model in place of their own paths where it is given."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._overridden: set[str] = set()
        self._schemas: dict[tuple[Path, tuple[str, ...], str], ModelSchema] = {}

    def directory_of(self, model: ModelRequest) -> Path:
        """The SavedModel that would be served for a request, --tfserving-model applied; nothing in it is read.

        Raises ExportError where there is none. A remote server's own files cannot be looked at: it is the export on
        this machine that is meant.
        """
        try:
            export = find_export(self.path_of(model))
        except ExportError as error:
            if not self._settings.is_remote:
                raise
            raise ExportError(
                f"{error}\nThe files of a remote server cannot be looked at; say where the export is on this machine "
                f"with --tfserving-model {model.servable.name}=PATH, or leave the test out (-m 'not tfserving_lint')"
            ) from error
        return _version_of(export, _requested_version(model, export, addressed=self._settings.is_remote), model)

    def path_of(self, model: ModelRequest) -> Path:
        """The path that a model is served from: its own, or that of --tfserving-model."""
        return self._candidate(model) or model.path

    def check(self, model: ModelRequest, tags: tuple[str, ...], *, may_be_absent: bool) -> CheckedExport | None:
        """The model's export, its requested version read and found whole.

        None where it may be absent and is: a remote server's export need not be on this machine. One that was named
        for this run must be.
        """
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
        # A server that was started before a fixture wrote the export anew must not pass for one of the new files.
        stamps = {number: files_stamp(directory) for number, directory in directories.items()}
        schemas = {number: self._schema(directories[number], tags, stamp) for number, stamp in stamps.items()}
        versions = tuple((number, str(directory)) for number, directory in directories.items())
        spec = ServableSpec(model.servable.name, versions, model.labels, " ".join(stamps.values()))
        return CheckedExport(export, version, schemas[version], spec)

    def _schema(self, directory: Path, tags: tuple[str, ...], stamp: str) -> ModelSchema:
        """Read once for as long as the files' stamp is the same: of a graph with its weights it takes seconds."""
        key = directory, tags, stamp
        if key not in self._schemas:
            from pytest_tfserving.savedmodel import read_schema

            self._schemas[key] = read_schema(directory, tags)
        return self._schemas[key]

    def _candidate(self, model: ModelRequest) -> Path | None:
        """The path of --tfserving-model for this model; a path without NAME= can only mean the one model of a run."""
        if model.fixed:
            return None
        name = model.servable.name
        path, is_bare = self._settings.candidate(name)
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
