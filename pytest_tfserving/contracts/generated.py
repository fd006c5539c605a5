"""Sends generated requests: valid ones must be answered within the contract, invalid ones refused without harm."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from pytest_tfserving.contracts.check import ExpectedSignature
from pytest_tfserving.contracts.checks import REFUSED_BY_SERVER, InvalidKind
from pytest_tfserving.contracts.closeness import compare_closely
from pytest_tfserving.contracts.need_hypothesis import st
from pytest_tfserving.contracts.promises import Promises
from pytest_tfserving.contracts.refusals import Invalid, invalid, possible_kinds
from pytest_tfserving.contracts.rest_form import why_not_rest
from pytest_tfserving.contracts.search import search
from pytest_tfserving.contracts.strategies import inputs
from pytest_tfserving.errors import RequestError, ServerDiedError, SpecError, TensorError
from pytest_tfserving.golden.check import Predictor
from pytest_tfserving.golden.refusal import ExpectedError, Refusal
from pytest_tfserving.golden.tolerance import Tolerance
from pytest_tfserving.schema import Signature
from pytest_tfserving.tensors import Array

# The requests of a run that names no seed.
USUAL_SEED = 0

Arrays = Mapping[str, Array]
Ask = Callable[[Arrays], Arrays]
Judge = Callable[[Arrays, Arrays], Sequence[str]]


@dataclass(frozen=True)
class GeneratedFailure:
    """A request that the signature allows, and that was not answered as promised.

    `kind`: `broken` has `problems` in the answer `outputs`; `refused` has the server's `error`, or that of reading
    its answer; `gone` has the error with which the server's answers ended. Of `examples` requests from `seed`, `tried`
    were sent until the first that failed. `is_smallest` says that it was made as small as it gets, `is_flaky` that the
    same request did not fail again.
    """

    kind: Literal["broken", "refused", "gone"]
    signature: Signature
    transport: str
    inputs: Arrays
    outputs: Arrays
    problems: tuple[str, ...]
    error: Exception | None
    examples: int = 0
    seed: int = USUAL_SEED
    tried: int = 0
    is_smallest: bool = False
    is_flaky: bool = False

    @property
    def is_final(self) -> bool:
        """Whether the server is gone."""
        return self.kind == "gone"


@dataclass(frozen=True)
class RefusalFailure:
    """A request that breaks the signature and was not refused as it should be, or harmed the next one.

    `kind`: `answered` and `refused` (with another code) have `refusal`; `harmed` has in `before` and `after` what the
    same valid request was answered before and after the invalid one (outputs, or an error); `gone` has the error with
    which the server's answers ended. The rest is as in GeneratedFailure.
    """

    kind: Literal["answered", "refused", "harmed", "gone"]
    signature: Signature
    transport: str
    invalid: Invalid
    refusal: Refusal | None = None
    before: Arrays | RequestError | None = None
    after: Arrays | RequestError | None = None
    error: Exception | None = None
    examples: int = 0
    seed: int = USUAL_SEED
    tried: int = 0
    is_smallest: bool = False
    is_flaky: bool = False

    @property
    def is_final(self) -> bool:
        """Whether the server is gone."""
        return self.kind == "gone"


_Example = TypeVar("_Example")
_Failure = TypeVar("_Failure", GeneratedFailure, RefusalFailure)


def check_generated(
    signature: Signature,
    expected: ExpectedSignature | None,
    promises: Promises | None,
    ask: Mapping[str, Ask],
    judge: Judge,
    *,
    examples: int,
    seed: int | None = None,
) -> GeneratedFailure | None:
    """Asks `examples` generated requests over each transport in `ask`, and makes the first that fails smaller.

    `judge` gives what an answer breaks, as sentences. What REST cannot carry is sent over the others. Raises SpecError
    where no request can be made up, or no transport carries any.
    """
    _require_a_transport(signature, ask)

    def look(request: Arrays) -> GeneratedFailure | None:
        judged: list[Arrays] = []
        for transport, one in ask.items():
            if transport == "rest" and why_not_rest(signature, request):
                continue
            outputs: Arrays = {}
            try:
                outputs = one(request)
                if any(_same(outputs, other) for other in judged):
                    continue
                problems = tuple(judge(request, outputs))  # it may ask the same in many other ways
                judged.append(outputs)
            except (RequestError, ServerDiedError, TensorError) as error:
                kind: Literal["refused", "gone"] = "gone" if _is_gone(error) else "refused"
                return GeneratedFailure(kind, signature, transport, request, outputs, (), error)
            if problems:
                return GeneratedFailure("broken", signature, transport, request, outputs, problems, None)
        return None

    requests = inputs(signature, expected, promises.inputs if promises else None, leave_out="grpc" in ask)
    return _find(requests, look, examples, USUAL_SEED if seed is None else seed)


def check_refusals(
    signature: Signature,
    expected: ExpectedSignature | None,
    promises: Promises | None,
    senders: Sequence[Predictor],
    *,
    examples: int,
    seed: int | None = None,
    kinds: Collection[InvalidKind] = REFUSED_BY_SERVER,
    tolerance: Tolerance | None = None,
) -> RefusalFailure | None:
    """Sends `examples` requests that break the signature over each transport; makes the first that fails smaller.

    Each must be refused with its code. After it the valid request that it was made from must be answered as before,
    within the tolerance, unless the model answers that anew each time. Kinds that every server refuses are sent as
    far as the signature can be broken so. Raises SpecError for another that it cannot, and as check_generated.
    """
    for kind in kinds:
        if kind not in (*REFUSED_BY_SERVER, *possible_kinds(signature, expected)):
            raise SpecError(
                f"no request can break signature {signature.name!r} by {kind}: no input of it has a fixed one; "
                f"leave {kind} out of `invalid`"
            )
    close = replace(tolerance or Tolerance(), equal_nan=True)
    carrying = [sender for sender in senders if sender.transport != "rest" or not why_not_rest(signature)]

    def look(request: Invalid) -> RefusalFailure | None:
        for sender in carrying:
            if sender.transport in request.transports:
                failure = _look_at_refusal(signature, sender, request, close)
                if failure is not None:
                    return failure
        return None

    transports = [sender.transport for sender in carrying]
    requests = invalid(signature, expected, promises.inputs if promises else None, kinds=kinds, transports=transports)
    if requests.is_empty:
        return None
    return _find(requests, look, examples, USUAL_SEED if seed is None else seed)


def _find(
    requests: st.SearchStrategy[_Example], look: Callable[[_Example], _Failure | None], examples: int, seed: int
) -> _Failure | None:
    """The smallest failure, which says how it was found."""
    found = search(requests, look, examples=examples, seed=seed)
    if found is None:
        return None
    return replace(
        found.failure,
        examples=examples,
        seed=seed,
        tried=found.tried,
        is_smallest=found.is_smallest,
        is_flaky=found.is_flaky,
    )


def _look_at_refusal(
    signature: Signature, sender: Predictor, request: Invalid, tolerance: Tolerance
) -> RefusalFailure | None:
    failure = RefusalFailure("gone", signature, sender.transport, request)

    def ask_valid() -> Arrays | RequestError:
        return _answer(sender, signature, request.valid, fit=True)

    try:
        before = ask_valid()
        answer = _answer(sender, signature, request.inputs, fit=False)
        after = ask_valid()
        # Two that differ without an invalid one between them: the model is no function of its inputs.
        harmed = not _agree(before, after, tolerance) and _agree(ask_valid(), ask_valid(), tolerance)
    except (RequestError, ServerDiedError) as error:
        return replace(failure, error=error)
    wanted = ExpectedError(request.code)
    refusal = Refusal(wanted, answer, {}) if isinstance(answer, RequestError) else Refusal(wanted, None, answer)
    if not refusal.holds:
        return replace(failure, kind="refused" if refusal.error else "answered", refusal=refusal)
    if harmed:
        return replace(failure, kind="harmed", before=before, after=after)
    return None


def _answer(sender: Predictor, signature: Signature, request: Arrays, *, fit: bool) -> Arrays | RequestError:
    """The outputs, or the server's refusal. Raises RequestError and ServerDiedError where the server is gone."""
    try:
        return sender.predict(inputs=request, signature_name=signature.name, fit=fit)
    except RequestError as error:
        if _is_gone(error):
            raise
        return error


def _is_gone(error: Exception) -> bool:
    return isinstance(error, ServerDiedError) or (isinstance(error, RequestError) and error.may_be_no_answer)


def _agree(one: Arrays | RequestError, other: Arrays | RequestError, tolerance: Tolerance) -> bool:
    if isinstance(one, RequestError) or isinstance(other, RequestError):
        return isinstance(one, RequestError) and isinstance(other, RequestError) and one.code is other.code
    return compare_closely(one, other, tolerance).holds


def _same(one: Arrays, other: Arrays) -> bool:
    """Whether two answers have the same bits."""
    return one.keys() == other.keys() and all(_bits(one[name]) == _bits(other[name]) for name in one)


def _bits(array: Array) -> tuple[object, ...]:
    values = array.ravel().tolist() if array.dtype.kind == "O" else array.tobytes()
    return array.dtype, array.shape, values


def _require_a_transport(signature: Signature, ask: Collection[str]) -> None:
    why = why_not_rest(signature)
    if why and all(transport == "rest" for transport in ask):
        raise SpecError(
            f"no generated request can be sent over REST, the only transport of this run: {why}; "
            f"--tfserving-transport=grpc or both"
        )
