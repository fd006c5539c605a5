"""What TensorFlow Serving's REST API can carry of a request that gRPC carries.

The rules are those of tensorflow_serving/util/json_tensor.cc (FillTensorMapFromInputsMap, AddValueToTensor).
"""

from __future__ import annotations

from collections.abc import Mapping

from pytest_tfserving.schema import Signature
from pytest_tfserving.tensors import Array

# dtypes whose values no JSON is converted to.
UNREADABLE = ("float16", "bfloat16", "uint16", "complex64", "complex128")

# What JSON there may be for a dtype's values: what is read, and what an array of it becomes.
_READ = {"float32": ("fraction", "integer"), "float64": ("fraction", "integer"), "bool": ("bool",), "string": ("text",)}
_WRITTEN = {"bool": "bool", "string": "text"}


def why_not_rest(signature: Signature, inputs: Mapping[str, Array] | None = None) -> str | None:
    """Why a request cannot be sent over REST, None where it can; without inputs, why none of the signature can."""
    if not signature.inputs:
        return f"signature {signature.name!r} has no inputs"
    for name, spec in signature.inputs.items():
        if spec.dtype in UNREADABLE:
            return f"{name!r} is {spec.dtype}"
        if inputs is not None:
            if name not in inputs:
                return f"{name!r} is left out"
            if 0 in inputs[name].shape[:-1]:
                return f"{name!r} has shape {list(inputs[name].shape)}"
    return None


def rest_reads_as(sent: str, wanted: str) -> bool:
    """Whether the JSON of a `sent` dtype's values may well be read as the `wanted` dtype."""
    if sent.startswith("complex"):
        return False
    written = _WRITTEN.get(sent, "integer" if "int" in sent else "fraction")
    return written in _READ.get(wanted, ("integer",))
