"""Contract files as pytest's collectors and items: one test for each check, without a line of Python."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from pytest_tfserving.errors import ContractWarning, SpecError, TFServingError
from pytest_tfserving.fixtures import RESULTS, SESSION
from pytest_tfserving.markers import build_request
from pytest_tfserving.report.findings import printable
from pytest_tfserving.report.results import CheckResult
from pytest_tfserving.schema import DEFAULT_SIGNATURE
from pytest_tfserving.usage import USAGE

if TYPE_CHECKING:
    from pytest_tfserving.assertions.subject import Subject
    from pytest_tfserving.contracts.check import ExpectedSignature
    from pytest_tfserving.contracts.checks import Check, LatencyCheck
    from pytest_tfserving.contracts.file import ModelContract
    from pytest_tfserving.serve_request import ServeRequest


class ContractFile(pytest.File):
    """A `*.tfserving.toml`. The checks of a file of one model are its own, those of several have a node a model."""

    def collect(self) -> Iterator[pytest.Item | pytest.Collector]:
        """The file's tests. A file that cannot be read is an error of the collection."""
        from pytest_tfserving.contracts.file import read_contract

        try:
            contract = read_contract(self.path)
            for model in contract.models:
                if model.key is None:
                    yield from _items(self, model)
                else:
                    yield ContractModel.from_parent(self, name=printable(model.key), model=model)
        except TFServingError as error:
            raise self.CollectError(str(error)) from None


class ContractModel(pytest.Collector):
    """One of a contract file's several models."""

    def __init__(self, *, model: ModelContract, **node: Any) -> None:
        super().__init__(**node)
        self._model = model

    def collect(self) -> Iterator[pytest.Item]:
        """The model's tests."""
        try:
            yield from _items(self, self._model)
        except TFServingError as error:
            raise self.CollectError(str(error)) from None


class ContractItem(pytest.Item):
    """One check of a contract file; without a check, the `problem` that it fails with."""

    def __init__(
        self,
        *,
        check: Check | None,
        problem: str,
        request: ServeRequest,
        signatures: Sequence[ExpectedSignature],
        where: Callable[[], str],
        **node: Any,
    ) -> None:
        super().__init__(**node)
        kind = self.name.partition("[")[0]
        # As of a test function: what the plugin's other hooks ask to know whether a test needs a server.
        marker = USAGE.get(f"tfserving_{kind}")
        self.fixturenames = ["tfserving"] if marker is None or marker.asks_server else []
        if marker is not None:  # a request has none
            self.add_marker(f"tfserving_{kind}")
        self.check = check
        self._problem = problem
        self.serve_request = request
        self._signatures = signatures
        self._where = where

    @property
    def subject(self) -> Subject:
        """The model that the check is about."""
        from pytest_tfserving.assertions.subject import Subject

        return Subject(self.config.stash[SESSION], self.serve_request, self._signatures, self.nodeid)

    def runtest(self) -> None:
        """Fails with the check's own text, which names the contract's line."""
        from pytest_tfserving.assertions.run import run_check

        subject = self.subject
        if self.check:
            failure: str | None = run_check(subject, self.check)
        else:
            failure = self._problem
            subject.results.append(CheckResult("golden", subject.name, self.name, None, "failed", failure))
        self.stash[RESULTS] = subject.results
        for note in subject.notes:
            file, _, line = self._where().rpartition(":")  # of an included file, where that asked for the check
            warnings.warn_explicit(note, ContractWarning, file, int(line))
        if failure:
            pytest.fail(f"{failure}\n\n{self._where()}", pytrace=False)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        """The line of a check is looked up where it fails, and not for thousands that hold."""
        parent = self.parent
        return self.path, None, f"{parent.name}::{self.name}" if isinstance(parent, ContractModel) else self.name


def _items(parent: pytest.Collector, model: ModelContract) -> Iterator[ContractItem]:
    from pytest_tfserving.contracts.checks import SignatureCheck
    from pytest_tfserving.contracts.golden_items import find_golden_items, inline_items_of

    transports = parent.config.stash[SESSION].settings.transports
    keywords = dict(model.model)
    path = keywords.pop("path")
    request = build_request({model.key: path}, parent.path.parent, keywords, str(parent.path))
    signatures = tuple(model.signatures.values())
    seen: dict[str, tuple[str | int, ...]] = {}

    def item(name: str, check: Check | None, *key: str | int, problem: str = "") -> ContractItem:
        name = printable(name)  # one line, as pytest has the ids of its own
        if name in seen:
            raise SpecError(
                f"{model.where(*key)}: two tests are called {name}, the other one is of {model.where(*seen[name])}; "
                f"rename a file, a case or a request"
            )
        seen[name] = key
        made: ContractItem = ContractItem.from_parent(
            parent,
            name=name,
            # pytest 9.2 takes the id of a name with brackets apart, and would not know one again that it made itself.
            nodeid=f"{parent.nodeid}::{name}",
            check=check,
            problem=problem,
            request=request,
            signatures=signatures,
            where=lambda: model.where(*key),
        )
        return made

    for name, expected in model.signatures.items():
        yield item(f"signature[{name}]", SignatureCheck(expected), "signatures", name)
    if model.compatible:
        yield item("compatible", model.compatible, "compatible")
    if model.lint:
        yield item("lint", model.lint, "lint")
    for number, goldens in enumerate(model.goldens):
        for golden in find_golden_items([goldens], transports):
            yield item(f"golden[{golden.id}]", golden.check, "goldens", number, problem=golden.problem)
    for case in model.requests:
        for golden in inline_items_of(case, transports):
            yield item(f"request[{golden.id}]", golden.check, "requests", case.id)
    for name, properties in model.properties.items():
        yield item(f"properties[{name}]", properties, "properties", name)
    for name, generated in model.generated.items():
        yield item(f"generated[{name}]", generated, "generated")
    for place, latency in model.latency.items():
        yield item(_latency_name(latency, seen), latency, *place)


def _latency_name(check: LatencyCheck, seen: Collection[str]) -> str:
    """`latency`, or `latency[SIGNATURE-TRANSPORT-against]` with what is not by default; of equal ones with a number."""
    words = [] if check.signature == DEFAULT_SIGNATURE else [check.signature]
    words += [check.transport] if check.transport else []
    words += ["against"] if check.against is not None else []
    numbered = ([*words, str(number)] if number > 1 else words for number in count(1))
    names = (f"latency[{'-'.join(words)}]" if words else "latency" for words in numbered)
    return next(name for name in names if name not in seen)
