"""What generated requests found, as it stands in a failing test's report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_tfserving.errors import RequestError, TensorError
from pytest_tfserving.report.tensors import request_lines, tensor_lines

if TYPE_CHECKING:
    from pytest_tfserving.contracts.generated import Arrays, GeneratedFailure, RefusalFailure
    from pytest_tfserving.golden.check import Outcome


def expected_refusal_failure(outcome: Outcome, model: str, how_to_record: str, what: str = "golden") -> str:
    """A golden case that expects a refusal, and was answered or refused otherwise; `what` is what people call it."""
    refusal = outcome.refusal
    assert refusal is not None
    lines = [
        f"{what} {outcome.case.where} expects {model} to refuse with {refusal.expected} over {outcome.transport} "
        f"(signature {outcome.signature.name!r})",
        "",
    ]
    if refusal.error is not None:
        return "\n".join([*lines, f"refused otherwise: {refusal.error}"])
    lines += ["answered:", *tensor_lines(refusal.answered)]
    lines += ["", f"if the answer is right: {how_to_record}"]
    return "\n".join(lines)


def generated_failure(failure: GeneratedFailure, model: str, node_id: str) -> str:
    """A request that was not answered as promised, and the command that sends it again."""
    name = failure.signature.name
    did = {
        "broken": "does not answer a generated request as promised",
        "refused": "refuses a generated request",
        "gone": "gives no answer to a generated request",
    }[failure.kind]
    if isinstance(failure.error, TensorError):
        did = "answers a generated request with what cannot be read"
    lines = [f"{model} {did} (over {failure.transport}, signature {name!r})", ""]
    lines += failure.problems if failure.error is None else [str(failure.error)]
    if failure.outputs:
        lines += ["", "answered:", *tensor_lines(failure.outputs)]
    lines += ["", *request_lines(failure.inputs, name, failure.transport)]
    if failure.inputs:
        lines += ["", f"if clients send no such values, say what they send: {_how_to_say(failure)}"]
    return "\n".join([*lines, "", *_how_found(failure, node_id)])


def refusals_failure(failure: RefusalFailure, model: str, node_id: str) -> str:
    """A request that breaks the signature and was not refused as it should be, and the command that sends it again."""
    name, invalid = failure.signature.name, failure.invalid
    code = invalid.code.name
    did = {
        "answered": f"answers a request that should be refused with {code}",
        "refused": f"refuses a request otherwise than with {code}",
        "harmed": "answers a request otherwise after one that should be refused",
        "gone": f"gives no answer to a request that should be refused with {code}",
    }[failure.kind]
    lines = [
        f"{model} {did} (over {failure.transport}, signature {name!r})",
        "",
        f"the request {invalid.what}",
    ]
    if failure.refusal is not None:
        error = failure.refusal.error
        lines += [str(error)] if error else ["answered:", *tensor_lines(failure.refusal.answered)]
    if failure.kind == "harmed":
        lines += ["before:", *_answer(failure.before), "after:", *_answer(failure.after)]
    if failure.error is not None:
        lines.append(str(failure.error))
    if failure.kind == "gone" and invalid.kind in ("rank", "size"):
        lines += [
            "any client that can reach the server can send this: let the model check its inputs' shapes, or keep such "
            f"requests from it; if it is known: leave {invalid.kind} out of `invalid`"
        ]
    lines += ["", *request_lines(invalid.inputs, name, failure.transport, invalid.code.name)]
    return "\n".join([*lines, "", *_how_found(failure, node_id)])


def _how_to_say(failure: GeneratedFailure) -> str:
    """What a contract file says of the first input."""
    first = next(iter(failure.inputs))
    kind = failure.inputs[first].dtype.kind
    form = "min = ..., max = ..." if kind in "iufV" else "one_of = [...]"
    return f"[properties.{failure.signature.name}] inputs.{first} = {{ {form} }}"


def _answer(answer: Arrays | RequestError | None) -> list[str]:
    return [f"  {answer}"] if answer is None or isinstance(answer, RequestError) else tensor_lines(answer)


def _how_found(failure: GeneratedFailure | RefusalFailure, node_id: str) -> list[str]:
    lines = [f"found at request {failure.tried} of {failure.examples}"]
    if failure.is_flaky:
        lines[0] += "; the same request did not fail again"
    elif failure.is_smallest:
        lines[0] += ", then made as small as it gets"
    command = f"pytest {node_id!r} --tfserving-seed={failure.seed} --tfserving-max-examples={failure.examples}"
    return [*lines, f"again: {command}"]
