"""OLD and NEW of a command that asks both: exports on one server that is started, or servers that run."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_tfserving.backends.base import Started
from pytest_tfserving.commands.address import as_tensorflow_serving, is_address, read_address
from pytest_tfserving.errors import GoldenError, RequestError, SpecError, TensorError
from pytest_tfserving.export import find_export
from pytest_tfserving.golden.case_arrays import case_inputs
from pytest_tfserving.golden.check import ask
from pytest_tfserving.golden.in_flight import InFlight
from pytest_tfserving.golden.output_drift import Side
from pytest_tfserving.golden.store import Case
from pytest_tfserving.options import Settings
from pytest_tfserving.schema import DEFAULT_SIGNATURE, ModelSchema, Signature
from pytest_tfserving.serve_request import ModelRequest, ServeRequest
from pytest_tfserving.served import Served
from pytest_tfserving.session import Session
from pytest_tfserving.tensors import Array


@dataclass(frozen=True)
class Asked:
    """What became of a case: answers by side, errors by side, or why it was not sent."""

    case: Case
    signature: Signature | None = None
    answers: Mapping[Side, Mapping[str, Array]] | None = None
    errors: Mapping[Side, str] | None = None
    lacking: Side | None = None
    left_out: str = ""


class Sides:
    """Both servables. `schemas` are what each says that it takes.

    Raises RequestError where one does not answer, BackendError where it answers something else.
    """

    def __init__(
        self,
        served: Mapping[Side, Served],
        places: Mapping[Side, str],
        transports: Mapping[Side, str],
        flight: InFlight,
    ) -> None:
        self._served = served
        self._transports = transports
        self._flight = flight
        self.schemas: dict[Side, ModelSchema] = {}
        for side, one in served.items():
            with as_tensorflow_serving(places[side]):
                self.schemas[side] = one.client(transports[side]).schema
        self._clients = {side: flight.predictor(one.client(transports[side])) for side, one in served.items()}

    def answers(self, cases: Iterator[Case]) -> Generator[Asked, None, None]:
        """What became of each case, in order, with several in flight until it is closed. Raises as ask()."""
        yield from self._flight.results(self.ask, cases)

    def ask(self, case: Case) -> Asked:
        """Sends a case to both.

        Raises GoldenError where it fits neither, RequestError where a server gives no answer: that is no verdict.
        """
        if case.expected_error is not None:
            return Asked(case, left_out="they expect an error")
        if case.transport is not None and set(self._transports.values()) != {case.transport}:
            return Asked(case, left_out=f"they are for {case.transport} alone")
        name = case.signature_name or DEFAULT_SIGNATURE
        found = {side: schema.signatures[name] for side, schema in self.schemas.items() if name in schema.signatures}
        if not found:
            known = ", ".join(map(repr, self.schemas["old"].callable_signatures)) or "none"
            raise GoldenError(f"{case.where} is of signature {name!r}, which neither has; OLD has {known}")
        if len(found) < len(self._served):
            return Asked(case, lacking="new" if "old" in found else "old")
        signature = found["old"]
        try:
            inputs = case_inputs(case, signature)
        except GoldenError:  # what only NEW can take is sent to both, too: OLD refuses it
            signature = found["new"]
            inputs = case_inputs(case, signature)
        answers: dict[Side, Mapping[str, Array]] = {}
        errors: dict[Side, str] = {}
        for side in self._served:
            answer = self._answer(side, case, signature, inputs)
            if isinstance(answer, str):
                errors[side] = answer
            else:
                answers[side] = answer
        return Asked(case, errors=errors) if errors else Asked(case, signature, answers)

    def _answer(
        self, side: Side, case: Case, signature: Signature, inputs: Mapping[str, Array]
    ) -> dict[str, Array] | str:
        """The outputs by name, or why the request is refused."""
        try:
            return ask(case, self._clients[side], signature, inputs)
        except RequestError as error:
            if error.may_be_no_answer:
                raise
            return str(error)
        except TensorError as error:
            return str(error)


def serve_sides(session: Session, places: Mapping[Side, str], tags: Sequence[str]) -> dict[Side, Served]:
    """Both sides by name: exports on one server that is started, servers where they are."""
    models = []
    for side, place in places.items():
        if not is_address(place):
            export = find_export(Path(place))
            models.append(ModelRequest(export.versions[export.latest], name=side, fixed=True))
    started = {}
    if models:
        started = session.serving.serve(ServeRequest(tuple(models), tuple(tags)))
    return {
        side: _addressed(place, session.settings) if is_address(place) else started[side]
        for side, place in places.items()
    }


def _addressed(address: str, settings: Settings) -> Served:
    endpoint, servable = read_address(address)
    return Served(
        servable,
        Started(endpoint, {"backend": "remote"}),
        version=None,
        export=None,
        export_directory=None,
        export_schema=None,
        server=None,
        request_timeout=settings.request_timeout,
    )


def transports_of(places: Mapping[Side, str], wanted: str | None) -> dict[Side, str]:
    """The transport of each side: an address has its own, an export takes that of the other side's address."""
    own: dict[Side, str] = {}
    for side, place in places.items():
        if is_address(place):
            endpoint, _ = read_address(place)
            own[side] = "rest" if endpoint.rest_url else "grpc"
            if wanted not in (None, own[side]):
                raise SpecError(f"--transport {wanted}: {place} is an address for {own[side]}")
    default = wanted or next(iter(own.values()), "grpc")
    return {side: own.get(side, default) for side in places}
