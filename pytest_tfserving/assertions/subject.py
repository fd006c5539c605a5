"""The model that a check is about."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_tfserving.assertions.baseline import serve_beside
from pytest_tfserving.contracts.check import ExpectedSignature
from pytest_tfserving.contracts.checks import Baseline
from pytest_tfserving.errors import SpecError
from pytest_tfserving.report.results import CheckResult
from pytest_tfserving.report.totals import Totals
from pytest_tfserving.savedmodel import read_schema
from pytest_tfserving.schema import ModelSchema, Signature
from pytest_tfserving.serve_request import ServeRequest
from pytest_tfserving.served import Served
from pytest_tfserving.session import Session


class Subject:
    """The model that a check is about; it is served when a check first asks for an answer.

    `signatures` are those that the same test or contract file expects: what they say of dimensions holds in every
    answer. `node_id` is the test's, for the commands that failures print. `notes` collects what does not fail the
    check and should be read all the same, `results` what became of each check. `evidence`, `latency` and
    `recorded` are of the check that runs: what a report shows of it, and whether its answer is to be written.
    """

    def __init__(
        self, session: Session, request: ServeRequest, signatures: Sequence[ExpectedSignature], node_id: str
    ) -> None:
        self.session = session
        self.request = request
        self.signatures = signatures
        self.node_id = node_id
        self.notes: list[str] = []
        self.results: list[CheckResult] = []
        self.evidence = Totals()
        self.latency: dict[str, Any] | None = None
        self.recorded = False

    @property
    def name(self) -> str:
        """The model's name on the server."""
        return self.request.models[0].servable.name

    @property
    def served(self) -> Served:
        """The served model. Raises as Serving.serve()."""
        [served] = self.session.serving.serve(self.request).values()
        return served

    def beside(self, baseline: Baseline) -> tuple[Served, Served]:
        """The model, and the baseline that is served beside it. Raises as baseline.serve_beside()."""
        return serve_beside(self.session.serving, self.request, baseline, self.transport)

    @property
    def transport(self) -> str:
        """The transport of requests that need only one: gRPC where it is tested, which carries every dtype."""
        transports = self.session.settings.transports
        return "grpc" if "grpc" in transports else transports[0]

    @property
    def directory(self) -> Path:
        """The SavedModel that is or would be served. Raises ExportError where it is not on this machine."""
        return self.session.serving.directory_of(self.request.models[0])

    @property
    def schema(self) -> ModelSchema:
        """What the model promises: by its export, which need not be served for it; of a remote server, by that."""
        if self.session.settings.is_remote:
            return self.served.schema
        return read_schema(self.directory, self.request.tags)

    @property
    def place(self) -> str:
        """Where `schema` is from."""
        return str(self.served.endpoint if self.session.settings.is_remote else self.directory)

    def expected(self, name: str) -> ExpectedSignature | None:
        """What the test or contract file says of a signature."""
        return next((expected for expected in self.signatures if expected.name == name), None)

    def signature(self, name: str) -> Signature:
        """A signature as the server lists it. Raises SpecError where there is none of that name."""
        signatures = self.served.signatures
        if name not in signatures:
            known = ", ".join(map(repr, signatures)) or "none"
            raise SpecError(f"{self.name} has no signature {name!r}; it has {known}")
        return signatures[name]

    def note(self, what: str, *, held: bool) -> None:
        """Counts a check for the run's summary."""
        self.session.tally.note(self.name, what, held=held)
