"""Records of the warm-up file that would fail the load."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pytest_tfserving.findings import Finding
from pytest_tfserving.inspection import Inspection
from pytest_tfserving.rules import lint as rules
from pytest_tfserving.schema import Signature
from pytest_tfserving.warmup_file import WARMUP_FILE
from pytest_tfserving.warmup_requests import WarmupRequest


def find_warmup_problems(inspection: Inspection) -> Iterator[Finding]:
    """The first record that fails, since that ends the load; else what is wrong with the file."""
    warmup = inspection.warmup
    if warmup is None:
        return
    for request in warmup.requests:
        signature = inspection.schema.signatures.get(request.signature)
        refused = _refused(request, signature, inspection.schema.signatures)
        if refused:
            yield Finding.of(
                rules.WARMUP_FAILS,
                f"record {request.record} of {WARMUP_FILE} fails, and with it the load: {refused}. Record the file "
                f"again from requests that this version answers",
                signature=request.signature if signature else None,
            )
            return
    if warmup.error:
        yield Finding.of(
            rules.WARMUP_FAILS,
            f"the server stops at {WARMUP_FILE}, and the model fails to load: {warmup.error}. Write the file again, or "
            f"remove it",
        )


def _refused(request: WarmupRequest, signature: Signature | None, known: Mapping[str, Signature]) -> str | None:
    """Why a server refuses a request; None where that cannot be told from names and dtypes."""
    if signature is None:
        return f"it asks for signature {request.signature!r}; there is {', '.join(map(repr, known)) or 'none'}"
    if request.method != "Predict":
        return None
    for alias, dtype in request.inputs.items():
        spec = signature.inputs.get(alias)
        if spec is None:
            return (
                f"signature {signature.name!r} has no input {alias!r}; it has {', '.join(map(repr, signature.inputs))}"
            )
        if spec.dtype != dtype:
            return f"input {alias!r} of signature {signature.name!r} is {spec.dtype}, and the record sends {dtype}"
    for alias in signature.inputs:
        if alias not in request.inputs and alias not in signature.defaulted:
            return f"it lacks input {alias!r} of signature {signature.name!r}"
    for alias in request.output_filter:
        if alias not in signature.outputs:
            return f"signature {signature.name!r} has no output {alias!r}"
    return None
