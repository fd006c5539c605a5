"""hypothesis strategies for requests that break a signature, each in one way, and what a server should say to them.

    kind     what is wrong                                who refuses it
    missing  an input without a default is left out       the server
    extra    an input that the signature lacks            the server; over REST it is ignored
    dtype    an input of another dtype                    the server; over REST where the JSON reads otherwise
    rank     a dimension more or less                     the graph's kernels, if they mind
    size     another size where the signature fixes one   the graph's kernels, if they mind

The server holds a request against the signature's names and the graph's dtypes, never against shapes
(tensorflow_serving/servables/tensorflow/predict_util.cc, util/json_tensor.cc): an elementwise model answers any.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from pytest_tfserving.contracts.check import ExpectedSignature
from pytest_tfserving.contracts.checks import INVALID_KINDS, InvalidKind
from pytest_tfserving.contracts.need_hypothesis import st
from pytest_tfserving.contracts.promises import Values
from pytest_tfserving.contracts.rest_form import rest_reads_as, why_not_rest
from pytest_tfserving.contracts.strategies import Inputs, inputs, specs_of
from pytest_tfserving.dtypes import DTYPES
from pytest_tfserving.errors import Code
from pytest_tfserving.schema import Signature, TensorSpec
from pytest_tfserving.tensors import Array, numpy_dtype


@dataclass(frozen=True)
class Invalid:
    """A request that breaks the signature in one way.

    `inputs` is to be sent as it is; `valid` is the request that it was made from; `what` says what is wrong, as the
    end of "a request that ...". `transports` are those over which it is wrong at all.
    """

    kind: InvalidKind
    inputs: Mapping[str, Array]
    valid: Mapping[str, Array]
    what: str
    transports: tuple[str, ...]
    code: Code = Code.INVALID_ARGUMENT


def possible_kinds(signature: Signature, expected: ExpectedSignature | None = None) -> tuple[InvalidKind, ...]:
    """The ways in which a request can break the signature, as far as that says what is right."""
    specs = specs_of(signature, expected)
    may = {
        "missing": any(spec.default is None for spec in specs.values()),
        "extra": True,
        "dtype": bool(specs),
        "rank": any(spec.shape is not None for spec in specs.values()),
        "size": any(_fixed(spec) for spec in specs.values()),
    }
    return tuple(kind for kind in INVALID_KINDS if may[kind])


def invalid(
    signature: Signature,
    expected: ExpectedSignature | None = None,
    values: Mapping[str, Values] | None = None,
    *,
    kinds: Collection[InvalidKind] = INVALID_KINDS,
    transports: Collection[str] = ("grpc", "rest"),
) -> st.SearchStrategy[Invalid]:
    """Requests that the signature does not allow, of those kinds that it can tell, wrong over one of `transports`.

    Raises SpecError as inputs().
    """
    chosen = [kind for kind in possible_kinds(signature, expected) if kind in kinds]
    if "grpc" not in transports:
        chosen = [kind for kind in chosen if kind != "extra"] if why_not_rest(signature) is None else []
    requests = inputs(signature, expected, values, leave_out=False)
    specs = specs_of(signature, expected)
    return _broken(signature, specs, requests, chosen, "grpc" in transports) if chosen else st.nothing()


@st.composite
def _broken(
    draw: st.DrawFn,
    signature: Signature,
    specs: Mapping[str, TensorSpec],
    requests: st.SearchStrategy[Inputs],
    kinds: list[InvalidKind],
    over_grpc: bool,
) -> Invalid:
    kind = draw(st.sampled_from(kinds))
    valid = draw(requests)
    over_rest = why_not_rest(signature, valid) is None
    if kind == "missing":
        name = draw(st.sampled_from([name for name, spec in specs.items() if spec.default is None]))
        sent = {other: array for other, array in valid.items() if other != name}
        what = f"lacks input {name!r}"
    elif kind == "extra":
        name = draw(st.sampled_from([name for name in _names(specs) if name not in specs]))
        sent = {**valid, name: np.zeros((1,), np.float32)}
        what = f"has an input {name!r}, which the signature lacks"
        over_rest = False
    elif kind == "dtype":
        name = draw(st.sampled_from(list(specs)))
        wanted = specs[name].dtype
        # Few are wrong over REST, so that half of the choices are among them.
        in_json = [dtype for dtype in DTYPES if _is_other_json(dtype, wanted)]
        others = st.sampled_from([dtype for dtype in DTYPES if dtype != wanted])
        other = draw(st.sampled_from(in_json) | others if over_grpc else st.sampled_from(in_json))
        sent = {**valid, name: _zeros(valid[name].shape, other)}
        what = f"has {other} in {name!r}, which is {wanted}"
        over_rest = over_rest and valid[name].size > 0 and other in in_json
    else:
        fitting = [n for n, spec in specs.items() if (_fixed(spec) if kind == "size" else spec.shape is not None)]
        name = draw(st.sampled_from(fitting))
        shape = valid[name].shape
        if kind == "rank":
            shapes = [(*shape, 1), (1, *shape), *([shape[1:], shape[:-1]] if shape else [])]
        else:
            places = _fixed(specs[name])
            shapes = [(*shape[:at], size, *shape[at + 1 :]) for at in places for size in _others(shape[at])]
        changed = draw(st.sampled_from(list(dict.fromkeys(shapes))))
        sent = {**valid, name: _reshaped(valid[name], changed)}
        what = f"has shape {list(changed)} in {name!r}, which is {specs[name]}"
        over_rest = over_rest and why_not_rest(signature, sent) is None
    return Invalid(kind, sent, valid, what, ("grpc", "rest") if over_rest else ("grpc",))


def _is_other_json(sent: str, wanted: str) -> bool:
    return sent != wanted and not sent.startswith("complex") and not rest_reads_as(sent, wanted)


def _names(specs: Mapping[str, TensorSpec]) -> list[str]:
    """Names that nobody gave: a likely one, misspelt ones, and one that no one would have."""
    return ["unexpected", *(f"{name}_1" for name in specs), *(name.upper() for name in specs), "inputs", "é ü/:0"]


def _fixed(spec: TensorSpec) -> list[int]:
    """The places of dimensions whose size the signature fixes."""
    return [place for place, dimension in enumerate(spec.shape or ()) if isinstance(dimension, int)]


def _others(size: int) -> list[int]:
    return [size + 1, *([size - 1] if size > 1 else [])]


def _zeros(shape: tuple[int, ...], dtype: str) -> Array:
    return np.full(shape, b"" if dtype == "string" else 0, numpy_dtype(dtype))


def _reshaped(array: Array, shape: tuple[int, ...]) -> Array:
    """The first values in another shape, repeated where there are more places."""
    if not array.size:
        return np.full(shape, b"" if array.dtype.kind == "O" else 0, array.dtype)
    return np.resize(array, shape)
