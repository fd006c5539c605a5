"""The baseline that answers are compared with, served beside the model under test."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pytest_tfserving.contracts.checks import Baseline
from pytest_tfserving.errors import BackendError, ExportError, SpecError
from pytest_tfserving.export import Export, find_export, holds_saved_model
from pytest_tfserving.files import shown
from pytest_tfserving.serve_request import ModelRequest, ServeRequest
from pytest_tfserving.served import Served
from pytest_tfserving.serving import Serving

SUFFIX = "-baseline"


def describe(baseline: Baseline) -> str:
    """The baseline as a message names it: `exports/1`, or `version 1`."""
    return shown(baseline) if isinstance(baseline, Path) else f"version {baseline}"


def serve_beside(serving: Serving, request: ServeRequest, baseline: Baseline, transport: str) -> tuple[Served, Served]:
    """The one model of a request, and the baseline beside it: what answers both has the same flags, tags and CPU.

    Of a started server the baseline is a servable of its own, NAME-baseline; of a remote one it is another version of
    the model. `transport` is for asking a remote server what it serves. Raises SpecError where the baseline is the
    model under test, ExportError or BackendError where there is no such export or version, and as Serving.serve().
    """
    if serving.choice.backend == "remote":
        return _of_remote(serving, request, baseline, transport)
    pair = request_beside(serving, request, baseline)
    served = serving.serve(pair)
    model, beside = (served[model.servable.name] for model in pair.models)
    return model, beside


def request_beside(serving: Serving, request: ServeRequest, baseline: Baseline) -> ServeRequest:
    """The request of the one model of a request and of the baseline. Raises SpecError and ExportError as above."""
    [model] = request.models
    directory = _directory(serving, model, baseline)
    if directory.samefile(serving.directory_of(model)):
        raise _same(baseline, model.servable.name, str(directory))
    beside = ModelRequest(directory, name=f"{model.servable.name}{SUFFIX}", fixed=True)
    return replace(request, models=(model, beside))


def _directory(serving: Serving, model: ModelRequest, baseline: Baseline) -> Path:
    """The SavedModel of a baseline."""
    if isinstance(baseline, Path):
        try:
            export = find_export(baseline)
        except ExportError as error:
            raise ExportError(f"the baseline of against=: {error}") from error
        return export.versions[export.latest]
    export = _all_versions(serving.exports.path_of(model))
    if baseline not in export.versions:
        there = ", ".join(map(str, sorted(export.versions)))
        raise ExportError(
            f"against={baseline}: no version {baseline} of {model.servable.name} in {shown(export.path)}; there is "
            f"{there}. An export elsewhere is given as its path, such as against='exports/old'"
        )
    return export.versions[baseline]


def _all_versions(path: Path) -> Export:
    """The export at a path; of a path that is one of several versions, all of them."""
    export = find_export(path)
    if holds_saved_model(export.path) and export.path.name.isdecimal():
        return find_export(export.path.parent)
    return export


def _of_remote(serving: Serving, request: ServeRequest, baseline: Baseline, transport: str) -> tuple[Served, Served]:
    [model] = request.models
    name = model.servable.name
    if isinstance(baseline, Path) and not baseline.name.isdecimal():
        raise SpecError(
            f"against={shown(baseline)!r}: the baseline of a remote server is another version of the model on it; "
            f"give its number, such as against=1, or a path that ends in it"
        )
    version = int(baseline.name) if isinstance(baseline, Path) else baseline
    [served] = serving.serve(request).values()
    if served.version == version:
        raise _same(baseline, name, f"version {version} on {served.endpoint}")
    anyone = ModelRequest(model.path, name, fixed=True)
    [every] = serving.serve(replace(request, models=(anyone,))).values()
    available = sorted(s.version for s in every.client(transport).status() if s.state == "AVAILABLE")
    if version not in available:
        there = ", ".join(map(str, available))
        raise BackendError(f"against: {served.endpoint} does not serve version {version} of {name}; it serves {there}")
    [beside] = serving.serve(replace(request, models=(replace(anyone, version=version),))).values()
    return served, beside


def _same(baseline: Baseline, name: str, what: str) -> SpecError:
    return SpecError(
        f"against={str(baseline) if isinstance(baseline, Path) else baseline!r} is what is tested: {name} is served "
        f"from {what} itself, and would always answer as the baseline does; give another export or version"
    )
