"""One model of a contract file: its table -> the checks that it asks for, as values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pytest_tfserving.contracts.check import ExpectedSignature
from pytest_tfserving.contracts.checks import (
    Baseline,
    CompatibleCheck,
    GeneratedCheck,
    GoldenFiles,
    GoldenRequest,
    LatencyCheck,
    LintCheck,
    PropertiesCheck,
    invalid_kinds,
)
from pytest_tfserving.contracts.keys import MODEL_KEYS, POLICY_KEYS
from pytest_tfserving.contracts.kinds import BasedPath, Problem
from pytest_tfserving.contracts.promises import PromiseError, Promises, check_promises, read_promises
from pytest_tfserving.contracts.sources import Sources, holds
from pytest_tfserving.errors import TFServingError
from pytest_tfserving.findings import Policy
from pytest_tfserving.golden.output_rule import OutputRule, read_output_rule
from pytest_tfserving.golden.store import Case, case_of, where
from pytest_tfserving.golden.tolerance import Tolerance
from pytest_tfserving.grammar import check_dimensions, parse_tensor_spec
from pytest_tfserving.latency.plan import read_plan
from pytest_tfserving.schema import DEFAULT_SIGNATURE
from pytest_tfserving.suggestion import did_you_mean
from pytest_tfserving.toml import KeyPath, dotted


@dataclass(frozen=True)
class ModelContract:
    """One model of a contract file and what is to be checked of it.

    `key` is its NAME in [models.NAME], None in a file with [model]. `model` holds keywords of the `tfserving` marker,
    with an absolute `path`. `requests` are cases whose id is their name in the file. `properties` and `generated` are
    by signature; properties that have no requests are there only for generated ones. `latency` is by the place of its
    table.
    """

    key: str | None
    model: Mapping[str, object]
    signatures: Mapping[str, ExpectedSignature]
    goldens: tuple[GoldenRequest, ...]
    requests: tuple[Case, ...]
    compatible: CompatibleCheck | None
    lint: LintCheck | None
    properties: Mapping[str, PropertiesCheck]
    generated: Mapping[str, GeneratedCheck]
    latency: Mapping[KeyPath, LatencyCheck]
    sources: Sources = field(repr=False, compare=False)
    golden_places: tuple[KeyPath, ...] = field(repr=False, compare=False)

    def where(self, *path: str | int) -> str:
        """Where a key of this model stands, for a message: `where("signatures", "serving_default")`.

        `half_plus_two.tfserving.toml:7`; the nearest table around it where nothing wrote it. `where("goldens", 1)` is
        the line of `goldens[1]`, by whatever table and list it was given.
        """
        if path[:1] == ("goldens",) and len(path) == 2:
            path = self.golden_places[int(path[1])]
        return self.sources.where(_place(self.sources, self.key, path))


def _place(sources: Sources, key: str | None, path: KeyPath) -> KeyPath:
    """The path from the top of the file of what stands at `path` in a model's table."""
    own: KeyPath = ("model",) if key is None else ("models", key)
    if path and path[0] in MODEL_KEYS:
        return (*own, *path)
    if key is None or (path and not holds(sources.values, (*own, *path)) and holds(sources.values, path)):
        return path or own
    return (*own, *path)


class ModelReader:
    """The reading of one model's table, whose form is right; problems are kept, so that all of them can be told."""

    def __init__(self, sources: Sources, key: str | None, table: Mapping[str, Any]) -> None:
        self.problems: list[Problem] = []
        self._sources, self._key, self._table = sources, key, table

    def read(self) -> ModelContract:
        table = self._table
        signatures = {name: self._signature(name, given) for name, given in table.get("signatures", {}).items()}
        places = dict(self._goldens())
        goldens = tuple(places.values())
        requests = tuple(self._requests())
        properties = {
            name: self._properties(name, given, signatures, goldens, requests)
            for name, given in table.get("properties", {}).items()
        }
        generated = self._generated(signatures, properties)
        for name, check in properties.items():
            if not check.requests and not check.cases and name not in generated:
                self._say(
                    ("properties", name),
                    f'which requests? properties.{name} has none: give requests = "goldens/...", [goldens], '
                    f"[requests.NAME], or [generated]",
                )
        compatible = table.get("compatible")
        return ModelContract(
            key=self._key,
            model=self._model(),
            signatures=signatures,
            goldens=goldens,
            requests=requests,
            compatible=None
            if compatible is None
            else CompatibleCheck(compatible["baseline"].absolute, self._policy("compatible")),
            lint=LintCheck(self._policy("lint")) if "lint" in table else None,
            properties={name: check for name, check in properties.items() if check.requests or check.cases},
            generated=generated,
            latency=dict(self._latency(signatures, goldens, requests)),
            sources=self._sources,
            golden_places=tuple(places),
        )

    def _model(self) -> dict[str, object]:
        model = {key: self._table[key] for key in MODEL_KEYS if key in self._table}
        if "version" in model and "label" in model:
            version = self._sources.where(_place(self._sources, self._key, ("version",)))
            self._say(("label",), f"label and version ({version}) exclude each other; give one")
        path: BasedPath = self._table["path"]
        return {**model, "path": str(path.absolute)}

    def _signature(self, name: str, given: Mapping[str, Any]) -> ExpectedSignature:
        if not given:
            self._say(("signatures", name), f"nothing to check: give signatures.{name} inputs, outputs or a method")
        inputs, outputs = (
            None if side not in given else {alias: parse_tensor_spec(text) for alias, text in given[side].items()}
            for side in ("inputs", "outputs")
        )
        specs = {
            f"{side}.{alias}": s
            for side, of in (("inputs", inputs), ("outputs", outputs))
            for alias, s in (of or {}).items()
        }
        with self._at(("signatures", name)):
            check_dimensions(specs)
        return ExpectedSignature(name, inputs, outputs, given.get("method"))

    def _goldens(self) -> Iterator[tuple[KeyPath, GoldenRequest]]:
        """Each golden path that is given, with its place."""
        given = self._table.get("goldens", [])
        tables = enumerate(given) if isinstance(given, list) else [(None, given)]
        for number, table in tables:
            place: KeyPath = ("goldens",) if number is None else ("goldens", number)
            tolerance = replace(_tolerance(table), outputs=self._output_rules(place, table, "outputs"))
            overall = self._output_rules(place, table, "overall")
            against = _baseline(table)
            for index, files in enumerate(_files(table["path"])):
                inner = (index,) if isinstance(table["path"], list) else ()
                yield (
                    (*place, "path", *inner),
                    GoldenRequest(
                        files,
                        tolerance,
                        table.get("together", False) or bool(overall),
                        overall,
                        against,
                    ),
                )

    def _output_rules(self, place: KeyPath, table: Mapping[str, Any], key: str) -> dict[str, OutputRule]:
        rules = {}
        for name, given in table.get(key, {}).items():
            path = (*place, key, name)
            with self._at(path):
                custom = given.get("custom")
                base = custom.base if isinstance(custom, BasedPath) else Path()
                keys = {**given, "custom": str(custom)} if custom else given
                rules[name] = read_output_rule(dotted(path), keys, base)
        return rules

    def _requests(self) -> Iterator[Case]:
        for name, given in self._table.get("requests", {}).items():
            path = ("requests", name)
            file = self._sources.document_of(_place(self._sources, self._key, path)).file
            with self._at(path, without=f"{where(file, name)}: "):
                case = case_of(file, name, given, case_id=name)
                if case.answer is None and case.expected_error is None:
                    self._say(
                        path,
                        f'nothing to check: give {dotted(path)} expect_error = "INVALID_ARGUMENT", outputs or '
                        f"predictions",
                    )
                yield case

    def _properties(
        self,
        name: str,
        given: Mapping[str, Any],
        signatures: Mapping[str, ExpectedSignature],
        goldens: tuple[GoldenRequest, ...],
        requests: tuple[Case, ...],
    ) -> PropertiesCheck:
        path = ("properties", name)
        self._known_signature(path, name, signatures)
        table = {key: given[key] for key in ("inputs", "outputs", "same", "padding") if key in given}
        promises = Promises(name)
        with self._at(path):
            promises = read_promises(name, table, dotted(path))
            if name in signatures:
                check_promises(promises, signatures[name].inputs, signatures[name].outputs, dotted(path))
        if "requests" in given:
            return PropertiesCheck(promises, _files(given["requests"]), (), _tolerance(given))
        return PropertiesCheck(promises, *_asked(goldens, requests), _tolerance(given))

    def _latency(
        self,
        signatures: Mapping[str, ExpectedSignature],
        goldens: tuple[GoldenRequest, ...],
        requests: tuple[Case, ...],
    ) -> Iterator[tuple[KeyPath, LatencyCheck]]:
        """Each table of [latency], with its place."""
        given = self._table.get("latency", [])
        for number, table in enumerate(given) if isinstance(given, list) else [(None, given)]:
            place: KeyPath = ("latency",) if number is None else ("latency", number)
            signature = table.get("signature", DEFAULT_SIGNATURE)
            if "signature" in table:
                self._known_signature((*place, "signature"), signature, signatures)
            files, cases = (_files(table["request"]), ()) if "request" in table else _asked(goldens, requests)
            with self._at(place):
                plan, budget = read_plan(table, dotted(place))
                transport = table.get("transport")
                yield place, LatencyCheck(plan, budget, signature, transport, files, cases, _baseline(table))

    def _generated(
        self, signatures: Mapping[str, ExpectedSignature], properties: Mapping[str, PropertiesCheck]
    ) -> dict[str, GeneratedCheck]:
        if "generated" not in self._table:
            return {}
        given = self._table["generated"]
        methods = {name: signature.method for name, signature in signatures.items()}
        callable_ = [name for name in {**signatures, **properties} if methods.get(name) in (None, "predict")]
        names = given.get("signatures", callable_ or [DEFAULT_SIGNATURE])
        checks = {}
        for index, name in enumerate(names):
            path = ("generated", "signatures", index)
            self._known_signature(path, name, signatures)
            if methods.get(name) not in (None, "predict"):
                self._say(path, f"{name} is called with {methods[name]}; requests are generated for predict only")
            own = properties.get(name, PropertiesCheck(Promises(name)))
            checks[name] = GeneratedCheck(
                own.promises,
                given.get("examples"),
                invalid_kinds(given.get("invalid", True)),
                own.tolerance,
            )
        return checks

    def _policy(self, name: str) -> Policy:
        """The policy of [lint] or [compatible]; each rule and each acceptance is read alone first, for its line."""
        from pytest_tfserving.contracts.accepted import read_policy

        table = {key: value for key, value in self._table[name].items() if key in POLICY_KEYS}
        accepted = table.get("accepted", [])
        base = accepted.base if isinstance(accepted, BasedPath) else Path()
        parts: list[tuple[KeyPath, dict[str, object]]] = [
            (("severities", rule), {"severities": {rule: level}}) for rule, level in table.get("severities", {}).items()
        ]
        if isinstance(accepted, list):
            parts += [(("accepted", index), {"accepted": [entry]}) for index, entry in enumerate(accepted)]
        else:
            parts.append((("accepted",), {"accepted": accepted}))
        before = len(self.problems)
        for path, part in parts:
            with self._at(
                (name, *path), without=f"{name}: {'severities' if 'severities' in part else 'accepted[0]'}: "
            ):
                read_policy(part, name, base)
        return Policy() if len(self.problems) > before else read_policy(table, name, base)

    def _known_signature(self, path: KeyPath, name: str, signatures: Mapping[str, ExpectedSignature]) -> None:
        """Says so where the contract lists its signatures and this is none of them."""
        if signatures and name not in signatures:
            meant = did_you_mean(name, signatures)
            self._say(
                path, f"no [signatures.{dotted((name,))}] in this contract{meant} (known: {', '.join(signatures)})"
            )

    def _say(self, path: KeyPath, sentence: str) -> None:
        self.problems.append(Problem(_place(self._sources, self._key, path), sentence))

    @contextmanager
    def _at(self, path: KeyPath, without: str = "") -> Iterator[None]:
        """Keeps an error of the package's own as a problem of the key at `path`; `without` the place it names."""
        try:
            yield
        except TFServingError as error:
            inner = error.path if isinstance(error, PromiseError) else ()
            text = str(error)
            if without and text.startswith(without):
                text = f"{dotted(path)}: {text.removeprefix(without)}"
            self._say((*path, *inner), text)


def _files(given: Any) -> tuple[GoldenFiles, ...]:
    return tuple(GoldenFiles(str(path), path.base) for path in (given if isinstance(given, list) else [given]))


def _asked(
    goldens: tuple[GoldenRequest, ...], requests: tuple[Case, ...]
) -> tuple[tuple[GoldenFiles, ...], tuple[Case, ...]]:
    """The golden files of a contract, and its own requests that are answered."""
    return tuple(golden.files for golden in goldens), tuple(case for case in requests if case.expected_error is None)


def _baseline(table: Mapping[str, Any]) -> Baseline | None:
    against: BasedPath | int | None = table.get("against")
    return against.absolute if isinstance(against, BasedPath) else against


def _tolerance(table: Mapping[str, Any]) -> Tolerance:
    return Tolerance(table.get("rtol"), table.get("atol"), table.get("equal_nan", False))
