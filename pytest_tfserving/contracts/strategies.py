"""hypothesis strategies for the requests that a signature allows, and the contract of its clients.

    tfserving.strategies.inputs("serving_default")   a dict of arrays, as `tfserving.grpc.predict(inputs=...)` takes it

What is drawn: each dimension's name is one number within a request, from its limits where it has them, else 1 to 5.
An open first dimension without a name is the batch, one number for all inputs. No size is 0 unless it must be: REST's
row format cannot say an empty batch. A tensor of unknown rank has 0 to 3 dimensions. The largest size that is allowed
is drawn too, as far as no tensor gets more than half a million elements. What elements are is said in arrays.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pytest_tfserving.contracts.arrays import MOST_DRAWN, arrays, elements, filled
from pytest_tfserving.contracts.check import ExpectedSignature
from pytest_tfserving.contracts.need_hypothesis import st
from pytest_tfserving.contracts.promises import Values, check_promises, read_promises
from pytest_tfserving.errors import SpecError
from pytest_tfserving.grammar import as_tensor_spec, check_dimensions
from pytest_tfserving.schema import DEFAULT_SIGNATURE, Dimension, ModelSchema, Range, Signature, TensorSpec
from pytest_tfserving.tensors import Array

Inputs = dict[str, Array]

_USUAL_SIZES = 5
_MOST_ELEMENTS = 1 << 19  # three images of 224 x 224 x 3; REST takes a good part of a second for them
_HIGHEST_RANK = 3
_MOST_DRAWN_INPUTS = 50
_BATCH = "(batch)"  # the name of open first dimensions that have none; no contract can write it
_TAKES_EXAMPLES = ("classify", "regress")


class Strategies:
    """Strategies for the signatures of one model: `tfserving.strategies`."""

    def __init__(self, schema: ModelSchema) -> None:
        self._schema = schema

    def inputs(
        self,
        signature_name: str = DEFAULT_SIGNATURE,
        *,
        specs: Mapping[str, object] | None = None,
        values: Mapping[str, object] | None = None,
        leave_out: bool = False,
    ) -> st.SearchStrategy[Inputs]:
        """Requests that the signature takes, as arrays by input name.

        `specs` limits dimensions as a contract's signature does: {"x": "float32[batch<=8]"}. `values` says what
        clients send, as its properties do: {"x": {"min": 0, "max": 1}}. With `leave_out` inputs that have a default
        are missing from some requests, which REST would refuse. Raises SpecError for a signature that is not there, or
        takes what cannot be made up.
        """
        signature = self._schema.callable_signatures.get(signature_name)
        if signature is None:
            known = ", ".join(map(repr, self._schema.callable_signatures)) or "none"
            raise SpecError(f"the model has no signature {signature_name!r}; it has {known}")
        wanted = {name: as_tensor_spec(spec) for name, spec in (specs or {}).items()}
        check_dimensions(wanted)
        expected = ExpectedSignature(signature_name, {**signature.inputs, **wanted})
        promises = read_promises(signature_name, {"inputs": values or {}}, "strategies.inputs")
        check_promises(promises, expected.inputs, None, "strategies.inputs")
        return inputs(signature, expected, promises.inputs, leave_out=leave_out)


def inputs(
    signature: Signature,
    expected: ExpectedSignature | None = None,
    values: Mapping[str, Values] | None = None,
    *,
    leave_out: bool = True,
) -> st.SearchStrategy[Inputs]:
    """Requests that the signature takes: names, dtypes and ranks are the server's, sizes and values the contract's.

    Raises SpecError where no request can be made up: serialized tf.Examples, values that the dtype lacks.
    """
    specs = specs_of(signature, expected)
    values = values or {}
    said = {name: values.get(name, Values()) for name in specs}
    for name, spec in specs.items():
        elements(name, spec.dtype, said[name])
        if signature.method in _TAKES_EXAMPLES and spec.dtype == "string" and said[name].one_of is None:
            raise SpecError(
                f"signature {signature.name!r} ({signature.method}) takes serialized tf.Examples in {name!r}, which "
                f"cannot be made up; leave the signature out of [generated] signatures, or say which to send, for "
                f'example inputs.{name} = {{ one_of = [{{ b64 = "..." }}] }}'
            )
    return _requests(specs, said, _limits_said(expected), leave_out)


def specs_of(signature: Signature, expected: ExpectedSignature | None) -> dict[str, TensorSpec]:
    """The inputs with the dimensions' names and limits that a contract gives them."""
    known = (expected.inputs if expected else None) or {}
    return {
        name: TensorSpec(spec.dtype, known[name].shape, spec.default)
        if name in known and known[name].shape is not None and spec.shape is not None
        else spec
        for name, spec in signature.inputs.items()
    }


def _limits_said(expected: ExpectedSignature | None) -> dict[str, Range]:
    """The limits of dimensions by name, wherever a contract says them: those of an output hold for its inputs too."""
    specs = [*(expected.inputs or {}).values(), *(expected.outputs or {}).values()] if expected else []
    dimensions = [dimension for spec in specs for dimension in spec.shape or ()]
    return {dimension.name: dimension for dimension in dimensions if isinstance(dimension, Range) and dimension.name}


@st.composite
def _requests(
    draw: st.DrawFn,
    specs: Mapping[str, TensorSpec],
    values: Mapping[str, Values],
    limits: Mapping[str, Range],
    leave_out: bool,
) -> Inputs:
    sent = {
        name: spec
        for name, spec in specs.items()
        if not (leave_out and spec.default is not None) or draw(st.booleans())
    }
    shapes = _draw_shapes(draw, sent, limits)
    # Hypothesis takes 8 KiB of choices an example: many inputs share what may be drawn element by element, and those
    # beyond the first share one seed.
    single, rest = list(sent)[:_MOST_DRAWN_INPUTS], list(sent)[_MOST_DRAWN_INPUTS:]
    drawn = MOST_DRAWN // max(len(single), 1)
    request = {name: draw(arrays(name, sent[name].dtype, shapes[name], values[name], drawn)) for name in single}
    seed = draw(st.none() | st.integers(0, 2**32 - 1)) if rest else None
    for place, name in enumerate(rest):
        own = None if seed is None else seed + place
        request[name] = filled(name, sent[name].dtype, shapes[name], values[name], own)
    return request


def _draw_shapes(
    draw: st.DrawFn, specs: Mapping[str, TensorSpec], said: Mapping[str, Range]
) -> dict[str, tuple[int, ...]]:
    ranked = {
        name: spec.shape if spec.shape is not None else (None,) * draw(st.integers(0, _HIGHEST_RANK))
        for name, spec in specs.items()
    }
    named = {name: _with_names(name, shape) for name, shape in ranked.items()}
    limits: dict[str, Range] = {}
    for shape in named.values():
        for dimension in shape:
            if isinstance(dimension, Range):  # the limits hold wherever the name stands
                assert dimension.name is not None
                limits[dimension.name] = dimension
            elif isinstance(dimension, str):
                limits.setdefault(dimension, said.get(dimension, Range(dimension)))
    sizes: dict[str, int] = {name: max(limit.at_least, min(1, _most(limit))) for name, limit in limits.items()}
    for name, limit in limits.items():
        sizes[name] = draw(_sizes(sizes[name], _feasible(name, limit, sizes, named)))
    return {name: _numbers(shape, sizes) for name, shape in named.items()}


def _with_names(tensor: str, shape: tuple[Dimension, ...]) -> tuple[Dimension, ...]:
    """The shape with a name for each open dimension that has none: the batch's for a first one."""

    def named(place: int, dimension: Dimension) -> Dimension:
        name = _BATCH if place == 0 else f"({tensor} {place})"
        if dimension is None:
            return name
        if isinstance(dimension, Range) and dimension.name is None:
            # Limits of its own: not the batch of other tensors, which may have others.
            return Range(f"({tensor} {place})", dimension.at_least, dimension.at_most)
        return dimension

    return tuple(named(place, dimension) for place, dimension in enumerate(shape))


def _sizes(low: int, high: int) -> st.SearchStrategy[int]:
    usual = st.integers(low, min(high, low + _USUAL_SIZES - 1))
    return usual | st.just(high) if high > low + _USUAL_SIZES - 1 else usual


def _feasible(name: str, limit: Range, sizes: Mapping[str, int], shapes: Mapping[str, tuple[Dimension, ...]]) -> int:
    """The largest size that keeps every tensor small enough, beside the sizes that the other dimensions have now."""
    low, high = sizes[name], _most(limit)
    for shape in shapes.values():
        others = [
            size for dimension, size in zip(shape, _numbers(shape, sizes), strict=True) if _name(dimension) != name
        ]
        times = len(shape) - len(others)
        if times:
            high = min(high, int((_MOST_ELEMENTS / max(math.prod(others), 1)) ** (1 / times) + 1e-9))
    return max(low, high)


def _most(limit: Range) -> int:
    return max(limit.at_least, 1) + _USUAL_SIZES - 1 if limit.at_most is None else limit.at_most


def _numbers(shape: tuple[Dimension, ...], sizes: Mapping[str, int]) -> tuple[int, ...]:
    numbers: list[int] = []
    for dimension in shape:
        name: Any = _name(dimension)
        numbers.append(sizes[name] if isinstance(name, str) else name)
    return tuple(numbers)


def _name(dimension: Dimension) -> str | int | None:
    return dimension.name if isinstance(dimension, Range) else dimension
