"""Tensors that JSON cannot carry, or carries otherwise than clients expect."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pytest_tfserving.dtypes import DTYPES
from pytest_tfserving.findings import Finding
from pytest_tfserving.inspection import Inspection
from pytest_tfserving.rules import lint as rules
from pytest_tfserving.schema import Signature, TensorSpec

_BYTES = "_bytes"

# FillTensorProto and AddSingleValueAndAdvance of json_tensor.cc have cases for the same dtypes.
_IN_JSON = frozenset(DTYPES) - {"float16", "bfloat16", "uint16", "complex64", "complex128"}
_NO_VALUES = frozenset({"resource", "variant", "invalid"})

# Ops that make strings which are no text.
_ENCODERS = frozenset(
    {
        "EncodeJpeg", "EncodeJpegVariableQuality", "EncodePng", "EncodeWav", "EncodeProto", "SerializeTensor",
        "SerializeSparse", "SerializeManySparse", "ReadFile",
    }
)  # fmt: skip
_BINARY_NAME = re.compile(
    r"(?:^|_)(?:bytes|binary|png|jpe?g|gif|webp|wav|mp3|image|audio|serialized|proto|pickle|gzip|blob)(?:$|_)", re.I
)


def find_json_problems(inspection: Inspection, signature: Signature) -> Iterator[Finding]:
    """Findings about dtypes, and about what REST makes of them."""
    for side, specs in (("input", signature.inputs), ("output", signature.outputs)):
        for alias, spec in specs.items():
            place = {"signature": signature.name, "side": side, "tensor": alias}
            what = f"{side} {alias!r} of {signature.name!r}"
            if spec.dtype in _NO_VALUES:
                fate = "can send" if side == "input" else "can read: REST refuses every answer"
                yield Finding.of(
                    rules.DTYPE_NOT_SERVED,
                    f"{what} is {spec.dtype}, which no client {fate}. Leave it out of the signature",
                    **place,
                )
            elif spec.dtype not in _IN_JSON:
                fate = "cannot send it" if side == "input" else "are refused after the model ran"
                yield Finding.of(
                    rules.DTYPE_NOT_IN_JSON,
                    f"{what} is {spec.dtype}, which has no JSON: REST clients {fate}. Cast it in the signature, or use "
                    f"gRPC",
                    **place,
                )
            elif spec.dtype in ("int64", "uint64"):
                yield Finding.of(
                    rules.INT64_IN_JSON,
                    f"{what} is {spec.dtype}: JavaScript clients of REST round numbers beyond 2^53. Where it holds "
                    f"ids, make it a string, or use gRPC",
                    **place,
                )
            if side == "output":
                yield from _find_string_problems(inspection, signature, alias, spec)


def _find_string_problems(
    inspection: Inspection, signature: Signature, alias: str, spec: TensorSpec
) -> Iterator[Finding]:
    place = {"signature": signature.name, "side": "output", "tensor": alias}
    what = f"output {alias!r} of {signature.name!r}"
    if spec.dtype != "string":
        if alias.endswith(_BYTES):
            yield Finding.of(
                rules.BYTES_SUFFIX_UNUSED,
                f"{what} is {spec.dtype}, so that its name does not make REST write base64. Nothing is to be done, "
                f"unless it should have been strings",
                **place,
            )
        return
    if alias.endswith(_BYTES):
        return
    made_by = sorted(inspection.ops_behind(signature, [spec.tensor_name]) & _ENCODERS)
    if made_by or _BINARY_NAME.search(alias):
        evidence = f"are made by {', '.join(made_by)}" if made_by else "are binary by their name"
        yield Finding.of(
            rules.BINARY_OUTPUT_IN_JSON,
            f"the strings of {what} {evidence}, and REST writes them into the JSON as they are: clients get a body "
            f"that does not parse. Call it {alias}{_BYTES}, and they get base64",
            **place,
        )
    else:
        yield Finding.of(
            rules.TEXT_OUTPUT_IN_JSON,
            f"the strings of {what} must be UTF-8, else REST clients get a body that does not parse. Call it "
            f"{alias}{_BYTES} if they are not always text",
            **place,
        )
