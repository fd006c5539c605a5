"""A plausible request of a signature, from its dtypes and shapes alone: a first golden, for a person to improve."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from pytest_tfserving.schema import SOME_DEFAULT, Signature, TensorSpec

# Open dimensions: two, so that entries of a batch are told apart and matrices can be multiplied; inner ones of
# pictures larger, because convolutions and pooling take a part of them away.
_OPEN = 2
_OPEN_OF_PICTURE = 32
_RANK_OF_PICTURES = 4

_MOST_VALUES = 20_000

# Strings that hold more than text, by how exporters name them: no text will do for these.
_EXAMPLES = re.compile(r"example|serialized", re.IGNORECASE)
_BINARY = re.compile(r"_bytes$|image|img|jpe?g|png|gif|audio|wav|video|encoded", re.IGNORECASE)

# dtypes that REST's JSON has no form for in requests or answers (tensorflow_serving/util/json_tensor.cc).
_GRPC_ONLY = ("float16", "bfloat16", "uint16", "complex64", "complex128")


@dataclass(frozen=True)
class Sample:
    """A request's `inputs`, as a golden holds them, and the transport that alone can carry it; or why there is none."""

    inputs: dict[str, Any]
    transport: str | None = None
    problem: str = ""


def sample_of(signature: Signature) -> Sample:
    """A request that the signature takes: small numbers that differ, or `text`; inputs with a default have that.

    One whose default is not known is left out, which only gRPC allows: REST refuses a request without every input
    (tensorflow_serving/util/json_tensor.cc). `problem` says why where it cannot be guessed: serialized tf.Examples,
    pictures, too many values.
    """
    inputs = {name: spec for name, spec in signature.inputs.items() if spec.default is None}
    for name, spec in inputs.items():
        problem = _problem(name, spec, signature.method)
        if problem:
            return Sample({}, problem=problem)
    sizes = {name: _shape(spec) for name, spec in inputs.items()}
    count = sum(math.prod(shape) for shape in sizes.values())
    if count > _MOST_VALUES:
        return Sample({}, problem=f"{count:,} values are too many to make up")
    specs = [*signature.inputs.values(), *signature.outputs.values()]
    values = {name: _nested(sizes[name], _values(spec.dtype)) for name, spec in inputs.items()}
    defaults = {name: spec.default for name, spec in signature.inputs.items() if spec.default is not None}
    known = {name: json.loads(default) for name, default in defaults.items() if default != SOME_DEFAULT}
    grpc_only = len(known) < len(defaults) or any(spec.dtype in _GRPC_ONLY for spec in specs)
    return Sample({**values, **known}, "grpc" if grpc_only else None)


def _problem(name: str, spec: TensorSpec, method: str) -> str:
    """Why no value of an input can be guessed; empty where one can."""
    if spec.dtype == "string" and (method in ("classify", "regress") or _EXAMPLES.search(name)):
        return f"{name} takes serialized tf.Examples"
    if spec.dtype == "string" and _BINARY.search(name):
        return f"{name} takes encoded bytes, such as a picture"
    return ""


def _shape(spec: TensorSpec) -> tuple[int, ...]:
    """Sizes for the open dimensions; a scalar for a tensor of unknown rank."""
    shape = spec.shape or ()
    inner = _OPEN_OF_PICTURE if len(shape) >= _RANK_OF_PICTURES else _OPEN
    return tuple(d if isinstance(d, int) else inner if place else _OPEN for place, d in enumerate(shape))


def _values(dtype: str) -> Iterator[Any]:
    if dtype == "string":
        return cycle(["text"])
    if dtype == "bool":
        return cycle([True, False])
    if dtype.startswith("complex"):
        return cycle([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])
    if dtype.startswith(("float", "bfloat")):
        return cycle([tenths / 10 for tenths in range(1, 10)])
    return cycle([1, 2, 3])  # an id above these may be beyond a small vocabulary


def _nested(shape: tuple[int, ...], values: Iterator[Any]) -> Any:
    if not shape:
        return next(values)
    return [_nested(shape[1:], values) for _ in range(shape[0])]
