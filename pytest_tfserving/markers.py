"""Markers' arguments -> typed requests, with errors that show how each marker is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pytest_tfserving.errors import SpecError, TFServingError
from pytest_tfserving.golden.store import Case, find_files, read_cases
from pytest_tfserving.golden.tolerance import Tolerance
from pytest_tfserving.usage import USAGE

if TYPE_CHECKING:
    from pytest_tfserving.contracts.check import ExpectedSignature
    from pytest_tfserving.schema import TensorSpec
    from pytest_tfserving.serving import ServeRequest

__tracebackhide__ = True  # a failing test's report ends at the test's own line


class GoldenRequest(NamedTuple):
    """What a tfserving_golden marker asks for."""

    pattern: str
    tolerance: Tolerance


class GoldenItem(NamedTuple):
    """One golden case over one transport; without a case, the `problem` that the item fails with."""

    id: str
    case: Case | None
    transport: str
    tolerance: Tolerance
    problem: str = ""


def serve_request(mark: pytest.Mark, base: Path) -> ServeRequest:
    """The server that a `tfserving` marker asks for; a relative path starts at `base`. Raises SpecError."""
    arguments = _bound(mark)
    path = _required(mark, arguments, "path", str | Path)
    return build_request({None: path}, base, arguments, str(mark.name))


def build_request(
    paths: Mapping[str | None, object], base: Path, options: Mapping[str, object], where: str
) -> ServeRequest:
    """The server of several models, name -> path (or keywords with a path); a name of None is the export's own.

    `options` are the keywords of the `tfserving` marker, for the server and for each model. Raises SpecError that
    begins with `where`.
    """
    from pytest_tfserving.serving import ModelRequest, ServeRequest

    models = []
    for name, given in paths.items():
        keywords = {**options, **given} if isinstance(given, Mapping) else {**options, "path": given}
        unknown = set(keywords) - set(USAGE["tfserving"].keywords)
        if unknown:
            raise SpecError(f"{where}: unknown keyword {sorted(unknown)[0]!r} of model {name!r}")
        path = _of_type(where, "path", keywords.get("path"), str | Path, "a path")
        version = _of_type(where, "version", keywords.get("version"), int | None, "a number, such as version=3")
        label = _of_type(where, "label", keywords.get("label"), str | None, "text, such as label='stable'")
        if version is not None and label is not None:
            raise SpecError(f"{where}: version={version} and label={label!r} exclude each other; give one")
        labels = _of_type(where, "labels", keywords.get("labels") or {}, Mapping, "a mapping, such as {'stable': 1}")
        models.append(
            ModelRequest(
                path=base / path,
                name=_of_type(where, "name", keywords.get("name") or name, str | None, "text"),
                version=version,
                label=label,
                labels=tuple(sorted(labels.items())),
            )
        )
    return ServeRequest(
        tuple(models),
        tags=_texts(where, "tags", options.get("tags", ("serve",))),
        server_args=_texts(where, "server_args", options.get("server_args", ())),
    )


def expected_signature(mark: pytest.Mark) -> ExpectedSignature:
    """The signature that a `tfserving_signature` marker expects. Raises SpecError."""
    from pytest_tfserving.contracts.check import ExpectedSignature
    from pytest_tfserving.schema import DEFAULT_SIGNATURE

    arguments = _bound(mark)
    name = _of_type(mark.name, "name", arguments.get("name", DEFAULT_SIGNATURE), str, "a signature's name")
    if arguments.get("inputs") is None and arguments.get("outputs") is None:
        raise SpecError(f"{mark.name}: nothing to check: give inputs=, outputs= or both\n{USAGE[mark.name].line}")
    inputs, outputs = (_specs(mark, side, arguments.get(side)) for side in ("inputs", "outputs"))
    return ExpectedSignature(name, inputs, outputs)


def golden_request(mark: pytest.Mark) -> GoldenRequest:
    """The goldens and the tolerance of a `tfserving_golden` marker. Raises SpecError."""
    arguments = _bound(mark)
    pattern = str(_required(mark, arguments, "path", str | Path))
    return GoldenRequest(pattern, tolerance_of(mark.name, arguments))


def find_golden_items(marks: Sequence[pytest.Mark], base: Path, transports: Sequence[str]) -> list[GoldenItem]:
    """The items of a test's markers. A golden that cannot be used becomes an item that fails, and hides no other."""
    items = []
    for mark in marks:
        try:
            request = golden_request(mark)
            files = find_files(request.pattern, base)
        except TFServingError as error:
            items.append(GoldenItem("golden", None, "", Tolerance(), str(error)))
            continue
        for file in files:
            try:
                cases = read_cases(file)
            except TFServingError as error:
                items.append(GoldenItem(file.stem, None, "", Tolerance(), str(error)))
                continue
            items += [
                GoldenItem(f"{case.id}-{transport}", case, transport, request.tolerance)
                for case in cases
                for transport in transports
                if case.transport in (None, transport)
            ]
    return items


def tolerance_of(where: str, arguments: Mapping[str, object]) -> Tolerance:
    """The tolerance of rtol, atol and equal_nan. Raises SpecError for one that is no number or negative."""
    for key in ("rtol", "atol"):
        value = arguments.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or value < 0):
            raise SpecError(f"{where}: {key}={value!r}; a number that is not negative was expected")
    return Tolerance(arguments.get("rtol"), arguments.get("atol"), bool(arguments.get("equal_nan")))  # type: ignore[arg-type]


def _bound(mark: pytest.Mark) -> dict[str, Any]:
    """A marker's arguments by name, positional ones included."""
    usage = USAGE[mark.name]
    if len(mark.args) > len(usage.keywords):
        raise SpecError(f"{mark.name} takes at most {len(usage.keywords)} arguments\n{usage.line}")
    arguments = dict(zip(usage.keywords, mark.args, strict=False))
    for key, value in mark.kwargs.items():
        if key not in usage.keywords:
            close = get_close_matches(key, usage.keywords, n=1)
            hint = f"; did you mean {close[0]}=?" if close else ""
            raise SpecError(f"{mark.name}: unknown keyword {key!r}{hint}\n{usage.line}")
        if key in arguments:
            raise SpecError(f"{mark.name}: {key} is given twice\n{usage.line}")
        arguments[key] = value
    return arguments


def _required(mark: pytest.Mark, arguments: Mapping[str, Any], key: str, kind: Any) -> Any:
    if key not in arguments:
        raise SpecError(f"{mark.name}: {key} is missing\n{USAGE[mark.name].line}")
    return _of_type(mark.name, key, arguments[key], kind, "a path")


def _of_type(where: str, key: str, value: Any, kind: Any, expected: str) -> Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise SpecError(f"{where}: {key}={value!r}; {expected} was expected")
    return value


def _texts(where: str, key: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence) or not all(isinstance(v, str) for v in value):
        raise SpecError(f"{where}: {key}={value!r}; a tuple of text was expected, such as {key}=('serve',)")
    return tuple(value)


def _specs(mark: pytest.Mark, side: str, specs: Any) -> dict[str, TensorSpec] | None:
    from pytest_tfserving.grammar import as_tensor_spec

    if specs is None:
        return None
    if not isinstance(specs, Mapping):
        raise SpecError(f"{mark.name}: {side}={specs!r}; specs by name were expected\n{USAGE[mark.name].line}")
    parsed = {}
    for name, spec in specs.items():
        try:
            parsed[str(name)] = as_tensor_spec(spec)
        except SpecError as error:
            raise SpecError(f"{mark.name}: {side}[{name!r}]: {error}") from None
    return parsed
