"""Markers' arguments -> typed requests and checks, with errors that show how each marker is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_tfserving.errors import SpecError
from pytest_tfserving.golden.output_rule import read_output_rules, read_overall_rules
from pytest_tfserving.golden.tolerance import Tolerance
from pytest_tfserving.schema import DEFAULT_SIGNATURE
from pytest_tfserving.suggestion import did_you_mean
from pytest_tfserving.usage import USAGE

if TYPE_CHECKING:
    from pytest_tfserving.contracts.check import ExpectedSignature
    from pytest_tfserving.contracts.checks import (
        Baseline,
        Check,
        GeneratedCheck,
        GoldenFiles,
        GoldenRequest,
        InvalidKind,
        LatencyCheck,
        PropertiesCheck,
    )
    from pytest_tfserving.contracts.promises import Promises
    from pytest_tfserving.findings import Policy
    from pytest_tfserving.schema import TensorSpec
    from pytest_tfserving.serve_request import ServeRequest

__tracebackhide__ = True  # a failing test's report ends at the test's own line


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
    from pytest_tfserving.serve_request import ModelRequest, ServeRequest

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
        for key, number in labels.items():
            if not isinstance(key, str) or isinstance(number, bool) or not isinstance(number, int):
                raise SpecError(f"{where}: labels={labels!r}; versions' numbers by label were expected")
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
        isolated=_flag(where, options, "isolated"),
    )


def expected_signature(mark: pytest.Mark) -> ExpectedSignature:
    """The signature that a `tfserving_signature` marker expects. Raises SpecError."""
    from pytest_tfserving.contracts.check import ExpectedSignature
    from pytest_tfserving.grammar import check_dimensions
    from pytest_tfserving.schema import METHODS

    arguments = _bound(mark)
    name = _signature_name(mark, arguments, "name")
    method = arguments.get("method")
    if method not in (None, *METHODS):
        raise SpecError(f"{mark.name}: method={method!r}; {', '.join(METHODS)} was expected")
    if all(arguments.get(key) is None for key in ("inputs", "outputs", "method")):
        raise SpecError(f"{mark.name}: nothing to check: give inputs=, outputs= or method=\n{USAGE[mark.name].line}")
    inputs, outputs = (_specs(mark, side, arguments.get(side)) for side in ("inputs", "outputs"))
    check_dimensions(
        {f"inputs[{name!r}]": spec for name, spec in (inputs or {}).items()}
        | {f"outputs[{name!r}]": spec for name, spec in (outputs or {}).items()}
    )
    return ExpectedSignature(name, inputs, outputs, method)


def golden_request(mark: pytest.Mark, base: Path) -> GoldenRequest:
    """The goldens and the tolerance of a `tfserving_golden` marker; a relative path starts at `base`. SpecError."""
    from pytest_tfserving.contracts.checks import GoldenFiles, GoldenRequest

    arguments = _bound(mark)
    pattern = _required(mark, arguments, "path", str | Path)
    overall = {}
    if arguments.get("overall") is not None:
        overall = read_overall_rules(mark.name, arguments["overall"], base)
    return GoldenRequest(
        GoldenFiles(str(pattern), base),
        tolerance_of(mark.name, arguments, base),
        _flag(mark.name, arguments, "together") or bool(overall),
        overall,
        _baseline(mark, arguments.get("against"), base),
    )


def _baseline(mark: pytest.Mark, given: object, base: Path) -> Baseline | None:
    """An export, relative to `base`, or the number of another version."""
    if given is None:
        return None
    expected = "an export, or a version's number, such as against='exports/1' or against=1,"
    baseline = _of_type(mark.name, "against", given, str | Path | int, expected)
    return baseline if isinstance(baseline, int) else base / baseline


def checks_of(marks: Iterable[pytest.Mark], base: Path) -> list[Check]:
    """What a test's markers assert, goldens apart (each of their cases is a test), in the order of their kinds.

    Relative paths start at `base`. Raises SpecError.
    """
    from pytest_tfserving.contracts import checks

    by_name: dict[str, list[pytest.Mark]] = {}
    for mark in marks:
        by_name.setdefault(mark.name, []).append(mark)
    found: list[Check] = [checks.SignatureCheck(expected_signature(m)) for m in by_name.get("tfserving_signature", ())]
    for mark in by_name.get("tfserving_compatible", ()):
        arguments = _bound(mark)
        baseline = base / _required(mark, arguments, "baseline", str | Path)
        found.append(checks.CompatibleCheck(baseline, _policy(mark, arguments, base)))
    found += [checks.LintCheck(_policy(m, _bound(m), base)) for m in by_name.get("tfserving_lint", ())]
    generated = {_signature_name(m, _bound(m)) for m in by_name.get("tfserving_generated", ())}
    properties = [_properties(m, base, generated) for m in by_name.get("tfserving_properties", ())]
    found += [check for check in properties if check.requests]
    promises = {check.promises.signature: check.promises for check in properties}
    found += [_generated(m, promises) for m in by_name.get("tfserving_generated", ())]
    found += [_latency(m, base) for m in by_name.get("tfserving_latency", ())]
    return found


def _properties(mark: pytest.Mark, base: Path, generated: set[str]) -> PropertiesCheck:
    """What a `tfserving_properties` marker promises; its requests may be missing where some are `generated`."""
    from pytest_tfserving.contracts.checks import PropertiesCheck
    from pytest_tfserving.contracts.promises import read_promises

    arguments = _bound(mark)
    signature = _signature_name(mark, arguments)
    table = {key: arguments[key] for key in ("inputs", "outputs", "same", "padding") if arguments.get(key) is not None}
    files = _golden_files(mark, arguments, "requests", base)
    if not files and signature not in generated:
        raise SpecError(
            f"{mark.name}: which requests? Give requests='goldens/...', whose inputs are sent, or mark the test "
            f"tfserving_generated({signature!r}) as well\n{USAGE[mark.name].line}"
        )
    promises = read_promises(signature, table, mark.name)
    return PropertiesCheck(promises, files, tolerance=tolerance_of(mark.name, arguments))


def _generated(mark: pytest.Mark, promises: Mapping[str, Promises]) -> GeneratedCheck:
    from pytest_tfserving.contracts.checks import GeneratedCheck
    from pytest_tfserving.contracts.promises import Promises

    arguments = _bound(mark)
    signature = _signature_name(mark, arguments)
    examples = _of_type(mark.name, "examples", arguments.get("examples"), int | None, "a number of requests")
    if examples is not None and examples < 1:
        raise SpecError(f"{mark.name}: examples={examples}; at least 1 was expected")
    return GeneratedCheck(
        promises.get(signature) or Promises(signature),
        examples,
        _invalid_kinds(mark, arguments),
        tolerance_of(mark.name, arguments),
    )


def _latency(mark: pytest.Mark, base: Path) -> LatencyCheck:
    from pytest_tfserving.contracts.checks import LatencyCheck
    from pytest_tfserving.golden.case import TRANSPORTS
    from pytest_tfserving.latency.plan import read_plan

    arguments = _bound(mark)
    plan, budget = read_plan(arguments, mark.name)
    transport = arguments.get("transport")
    if transport not in (None, *TRANSPORTS):
        raise SpecError(f"{mark.name}: transport={transport!r}; {' or '.join(TRANSPORTS)} was expected")
    return LatencyCheck(
        plan,
        budget,
        _signature_name(mark, arguments),
        transport,
        _golden_files(mark, arguments, "request", base),
        against=_baseline(mark, arguments.get("against"), base),
    )


def _golden_files(mark: pytest.Mark, arguments: Mapping[str, object], key: str, base: Path) -> tuple[GoldenFiles, ...]:
    """The golden files that a keyword gives as a path or as a list of paths; none where it is not given."""
    from pytest_tfserving.contracts.checks import GoldenFiles

    given = arguments.get(key) or ()
    patterns = [given] if isinstance(given, str | Path) else given
    if not isinstance(patterns, Sequence) or not all(isinstance(pattern, str | Path) for pattern in patterns):
        raise SpecError(f"{mark.name}: {key}={patterns!r}; a path or a list of paths was expected")
    return tuple(GoldenFiles(str(pattern), base) for pattern in patterns)


def _invalid_kinds(mark: pytest.Mark, arguments: Mapping[str, object]) -> tuple[InvalidKind, ...]:
    from pytest_tfserving.contracts.checks import INVALID_KINDS, invalid_kinds

    given = arguments.get("invalid", True)
    if isinstance(given, bool):
        return invalid_kinds(given)
    kinds = _texts(mark.name, "invalid", given)
    for kind in kinds:
        if kind not in INVALID_KINDS:
            raise SpecError(f"{mark.name}: invalid={kind!r}; kinds are {', '.join(INVALID_KINDS)}")
    return tuple(kind for kind in INVALID_KINDS if kind in kinds)


def _policy(mark: pytest.Mark, arguments: Mapping[str, object], base: Path) -> Policy:
    from pytest_tfserving.contracts.accepted import read_policy

    given = {key: arguments[key] for key in ("fail_on", "severities", "accepted") if key in arguments}
    return read_policy(given, mark.name, base)


def _signature_name(mark: pytest.Mark, arguments: Mapping[str, object], key: str = "signature") -> str:
    name: str = _of_type(mark.name, key, arguments.get(key, DEFAULT_SIGNATURE), str, "a signature's name")
    return name


def tolerance_of(where: str, arguments: Mapping[str, object], base: Path | None = None) -> Tolerance:
    """The tolerance of rtol, atol and equal_nan, and the rules of single outputs.

    `base` is the directory near which the modules of custom comparators lie. Raises SpecError for what is no number,
    or negative, or no flag, and for a rule that cannot be meant.
    """
    for key in ("rtol", "atol"):
        value = arguments.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0):
            raise SpecError(f"{where}: {key}={value!r}; a number that is not negative was expected")
    given = arguments.get("outputs")
    # Of properties, which have no base, `outputs` are promises.
    rules = {} if base is None or given is None else read_output_rules(where, given, base)
    equal_nan = _flag(where, arguments, "equal_nan")
    return Tolerance(arguments.get("rtol"), arguments.get("atol"), equal_nan, rules)  # type: ignore[arg-type]


def _bound(mark: pytest.Mark) -> dict[str, Any]:
    """A marker's arguments by name, positional ones included."""
    usage = USAGE[mark.name]
    if len(mark.args) > len(usage.keywords):
        raise SpecError(f"{mark.name} takes at most {len(usage.keywords)} arguments\n{usage.line}")
    arguments = dict(zip(usage.keywords, mark.args, strict=False))
    for key, value in mark.kwargs.items():
        if key not in usage.keywords:
            hint = did_you_mean(key, usage.keywords, "{}=".format)
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


def _flag(where: str, arguments: Mapping[str, Any], key: str, *, default: bool = False) -> bool:
    value = arguments.get(key, default)
    if not isinstance(value, bool):
        raise SpecError(f"{where}: {key}={value!r}; True or False was expected")
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
