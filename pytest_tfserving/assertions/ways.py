"""The ways in which a signature of a served model can be asked."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from pytest_tfserving.assertions.subject import Subject
from pytest_tfserving.contracts.promises import Promises
from pytest_tfserving.contracts.relations import Ask, AtOnce, Way
from pytest_tfserving.contracts.rest_form import why_not_rest
from pytest_tfserving.errors import BackendError, TensorError
from pytest_tfserving.schema import Signature
from pytest_tfserving.served import Served
from pytest_tfserving.tensors import Array, to_json

# Requests of that many clients at once are what a batching server makes one run of.
_AT_ONCE = 4


def ask_over(served: Served, transport: str, signature_name: str) -> Ask:
    """What asks a signature over `rest`, in the columnar format, or `grpc`."""
    client = served.client(transport)
    return lambda inputs: client.predict(inputs=inputs, signature_name=signature_name)


def ways_of(subject: Subject, promises: Promises, transport: str) -> dict[str, Way]:
    """The other ways to ask that the promises name; a sentence in place of one that is not to be had here.

    `transport` is the one over which a batching server is asked.
    """
    ways: dict[str, Way] = {}
    for relation in promises.same:
        try:
            if relation == "rest-rows":
                ways[relation] = _ask_in_rows(subject.served, promises.signature)
            elif relation == "rest-columns":
                ways[relation] = ask_over(subject.served, "rest", promises.signature)
            elif relation == "grpc":
                ways[relation] = ask_over(subject.served, "grpc", promises.signature)
            elif relation == "batching":
                ways[relation] = _ask_with_batching(subject, transport, promises.signature)
            elif relation == "in-process":
                ways[relation] = _ask_in_process(subject, promises.signature)
        except BackendError as error:
            ways[relation] = str(error)
    return ways


def why_unaskable(promises: Promises, ways: Mapping[str, Way]) -> str | None:
    """The ways that are not to be had here, each with its reason; None where all are."""
    missing = [f"{relation}: {way}" for relation, way in ways.items() if isinstance(way, str)]
    if not missing:
        return None
    return "\n".join([f"what is promised of {promises.signature!r} cannot be looked at here", "", *missing])


def carried(promises: Promises, signature: Signature, inputs: Mapping[str, Array]) -> Promises:
    """The promises without the ways over REST that cannot carry this one request, where they carry others.

    The row format has no batch of no rows, and JSON loses the inner sizes of an empty tensor. A signature that REST
    carries no request of, such as one of float16, keeps them: promising REST there is the contract's mistake.
    """
    if why_not_rest(signature):
        return promises
    lost = {"rest-rows", "rest-columns"} if why_not_rest(signature, inputs) else set()
    if any(array.shape[:1] == (0,) for array in inputs.values()):
        lost.add("rest-rows")
    return replace(promises, same=tuple(relation for relation in promises.same if relation not in lost))


def _ask_in_rows(served: Served, signature_name: str) -> Ask:
    client = served.rest

    def ask(inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        sizes = {array.shape[:1] for array in inputs.values()}
        if len(sizes) != 1 or () in sizes:
            shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in inputs.items())
            raise TensorError(f"REST's row format has one value of every input in each row; the inputs are {shapes}")
        columns = {name: to_json(array) for name, array in inputs.items()}
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        return client.predict(instances=rows, signature_name=signature_name)

    return ask


def _ask_with_batching(subject: Subject, transport: str, signature_name: str) -> AtOnce:
    """Asks a server with batching on, or off where the test's own has it on; several times at once, as clients do."""
    flags = (*subject.session.settings.server_arg, *subject.request.server_args)
    is_on = any(flag in ("--enable_batching", "--enable_batching=true") for flag in flags)
    other = subject.session.serving.served_with(subject.served, f"--enable_batching={'false' if is_on else 'true'}")
    ask_once = ask_over(other, transport, signature_name)

    def ask(inputs: Mapping[str, Array]) -> list[Mapping[str, Array]]:
        with ThreadPoolExecutor(_AT_ONCE) as clients:
            return list(clients.map(ask_once, [inputs] * _AT_ONCE))

    return AtOnce(ask)


def _ask_in_process(subject: Subject, signature_name: str) -> Ask | str:
    if subject.session.settings.is_remote:
        return "what a remote server serves is not on this machine's disk, so it cannot be run in-process"
    reference = subject.session.reference(subject.directory, subject.request.tags)
    return lambda inputs: reference.predict(inputs, signature_name)
