"""Asserts that answers come in time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing

from pytest_tfserving.assertions.baseline import describe
from pytest_tfserving.assertions.subject import Subject
from pytest_tfserving.clients.prepared import PreparedGrpc, PreparedRest, Request, prepare
from pytest_tfserving.contracts.checks import LatencyCheck
from pytest_tfserving.errors import Code, RequestError, SpecError
from pytest_tfserving.golden.case_arrays import case_inputs
from pytest_tfserving.golden.exact import read_tensor
from pytest_tfserving.golden.sample import sample_of
from pytest_tfserving.golden.store import Case, find_files, read_cases
from pytest_tfserving.latency.measure import measure, measure_against
from pytest_tfserving.latency.result import Before, LatencyResult
from pytest_tfserving.report.latency import Place, latency_failure, latency_line, unclear_line
from pytest_tfserving.schema import DEFAULT_SIGNATURE, Signature
from pytest_tfserving.served import Served
from pytest_tfserving.session import Session
from pytest_tfserving.warmup_file import WARMUP_FILE
from pytest_tfserving.warmup_requests import read_warmup_content

_NO_WARMUP = "enable_model_warmup=false"

# A process that has closed its connections is gone a moment later.
_SECONDS_TO_END = 1.0


def check_latency(subject: Subject, check: LatencyCheck) -> str | None:
    """Sends requests under the check's load, to the baseline by turns where there is one, and judges their times."""
    transport = check.transport or subject.transport
    if transport not in subject.session.settings.transports:
        subject.notes.append(
            f"latency of {subject.name} over {transport} was not measured: it is not tested in this run"
        )
        return None
    served, beside = (subject.served, None) if check.against is None else subject.beside(check.against)
    signature = subject.signature(check.signature)
    requests = _requests(check, signature, transport)
    what = (
        f"{len(requests)} golden case{'s' if len(requests) > 1 else ''}" if requests else "a request that was made up"
    )
    requests = requests or [_made_up(signature, transport)]
    subject.session.serving.finish_starts()
    place = Place(subject.name, transport, what, "" if check.against is None else describe(check.against))

    def sender(of: Served) -> PreparedGrpc | PreparedRest:
        return prepare(of.client(transport), requests, signature.name)

    with ExitStack() as stack:
        try:
            before = [_before(subject, each, signature.name) for each in (served, beside) if each]
            send = stack.enter_context(closing(sender(served)))
            send.connect()
            if beside is None:
                result = measure(send, check.plan)
            else:
                other = stack.enter_context(closing(sender(beside)))
                other.connect()
                result = measure_against(send, other, check.plan, check.budget)
        except RequestError as error:
            subject.note(f"latency {transport}", held=False)
            return f"latency of {place}: the first request was not answered: {error}"
    result = result.after(*before)
    rows = result.rows(check.plan, check.budget)
    held = all(row.standing != "failed" for row in rows)
    if held:  # requests that may fail may not end the server
        for each in filter(None, (served, beside)):
            _check_alive(each, result)
    subject.note(f"latency {transport}", held=held)
    subject.latency = {
        "transport": transport,
        "signature": signature.name,
        "requests": place.requests,
        "concurrency": check.plan.load.concurrency,
        "rate": check.plan.load.rate,
        "against": place.baseline,
        "budget": [row.to_plain() for row in rows],
        **result.to_plain(),
    }
    subject.session.tally.measured.append(latency_line(result, check.plan, place))
    subject.notes += [unclear_line(row, place) for row in rows if row.standing == "unclear"]
    return None if held else latency_failure(result, rows, check.plan, place, _workers(subject.session))


def _before(subject: Subject, served: Served, signature_name: str) -> Before:
    """What the model has answered so far, as far as this process can know."""
    if served.backend == "remote":
        return Before(asked=True if served.has_asked else None)
    settings, request = subject.session.settings, subject.request
    shared = served.reused or subject.session.is_worker  # others may have asked
    asked = True if subject.session.serving.has_asked(served) else None if shared else False
    if _NO_WARMUP in (argument.lstrip("-").lower() for argument in (*settings.server_arg, *request.server_args)):
        return Before(0, asked)
    assert served.export_directory is not None  # it was started here
    content = read_warmup_content(served.export_directory / WARMUP_FILE)
    warmups = content.requests if content else ()
    return Before(sum(each.method == "Predict" and each.signature == signature_name for each in warmups), asked)


def _check_alive(served: Served, result: LatencyResult) -> None:
    """Raises ServerDiedError where the server ended meanwhile."""
    errors = [*result.measured.errors, *(result.baseline.errors if result.baseline else ())]
    no_answer = any(error.startswith(Code.UNAVAILABLE.name) for error in errors)
    served.check_alive("while its answers were timed", within=_SECONDS_TO_END if no_answer else 0.0)


def _workers(session: Session) -> int:
    """How many tests run at a time (pytest-xdist). A pytest that a worker's test has started inherits the variable."""
    return int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) if session.is_worker else 1


def _requests(check: LatencyCheck, signature: Signature, transport: str) -> list[Request]:
    """The requests of the check's cases that are of the signature, are answered, and that the transport carries."""
    return [
        _of_case(case, signature, transport)
        for case in _cases(check)
        if (case.signature_name or DEFAULT_SIGNATURE) == signature.name
        and case.expected_error is None
        and case.transport in (None, transport)
    ]


def _of_case(case: Case, signature: Signature, transport: str) -> Request:
    if transport == "rest" and "instances" in case.request:
        return Request(instances=case.request["instances"])
    return Request(case_inputs(case, signature), output_filter=case.output_filter)


def _made_up(signature: Signature, transport: str) -> Request:
    """A request from the signature alone. Raises SpecError where none can be guessed."""
    sample = sample_of(signature)
    if sample.problem or sample.transport not in (None, transport):
        problem = sample.problem or f"it would be one that only {sample.transport} carries"
        raise SpecError(
            f"latency of {signature.name!r} over {transport}: which request? There is no golden of it, and none can be "
            f"made up: {problem}. Give request='goldens/...', whose inputs are sent"
        )
    inputs = signature.inputs
    return Request({name: read_tensor(value, inputs[name].dtype, name) for name, value in sample.inputs.items()})


def _cases(check: LatencyCheck) -> Iterator[Case]:
    yield from check.cases
    for files in check.requests:
        for file in find_files(files.pattern, files.base):
            yield from read_cases(file)
