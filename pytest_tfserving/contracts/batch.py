"""Which dimension of a request is the batch: the rows that a client may send alone, or in another order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from pytest_tfserving.contracts.check import ExpectedSignature
from pytest_tfserving.schema import Dimension, Range, Signature, TensorSpec
from pytest_tfserving.tensors import Array


@dataclass(frozen=True)
class Batch:
    """The rows of one request: the first dimension of these inputs and outputs. All others belong to every row.

    `at_most` is the largest batch that a contract allows, None where it says none.
    """

    size: int
    inputs: frozenset[str]
    outputs: frozenset[str]
    at_most: int | None = None


def find_batch(
    signature: Signature,
    expected: ExpectedSignature | None,
    inputs: Mapping[str, Array],
    outputs: Mapping[str, Array],
) -> Batch | str:
    """The batch of a request and its answer; a sentence that says why there is none.

    Where a contract names first dimensions of inputs, the batch is the name that most of them have (`batch` among
    equals, or the one that outputs have too), and a tensor without it belongs to every row. Otherwise every open first
    dimension is the batch.
    """
    wanted_inputs = expected.inputs if expected and expected.inputs is not None else signature.inputs
    wanted_outputs = expected.outputs if expected and expected.outputs is not None else signature.outputs
    firsts = {name: _first(wanted_inputs.get(name), array) for name, array in inputs.items()}
    firsts_of_outputs = {name: _first(wanted_outputs.get(name), array) for name, array in outputs.items()}
    named = Counter(name for name in map(_name, firsts.values()) if name)
    name = None
    if named:
        of_outputs = set(map(_name, firsts_of_outputs.values()))
        name = max(named, key=lambda n: (named[n], n == "batch", n in of_outputs))
    batched = [i for i, first in firsts.items() if (_name(first) == name if name else not isinstance(first, int))]
    if not batched:
        return "no input has an open first dimension, so no request is a batch of rows"
    sizes = {inputs[i].shape[:1] for i in batched}
    if len(sizes) > 1 or () in sizes:
        shapes = ", ".join(f"{i} {list(inputs[i].shape)}" for i in batched)
        return f"the first dimensions of the inputs are no common batch ({shapes}); name it in the contract's signature"
    [(size,)] = sizes
    rows = []
    for output, first in firsts_of_outputs.items():
        shape = outputs[output].shape
        if name and _name(first) == name and shape[:1] != (size,):
            return f"output {output} has shape {list(shape)} for a batch of {size}"
        # Beside a named batch an output may have no name, where only the export or the server speaks of it.
        if not isinstance(first, int) and shape[:1] == (size,) and (name is None or _name(first) in (None, name)):
            rows.append(output)
    limits = [first.at_most for first in firsts.values() if isinstance(first, Range) and _name(first) == name]
    return Batch(size, frozenset(batched), frozenset(rows), next((most for most in limits if most is not None), None))


def _first(spec: TensorSpec | None, array: Array) -> Dimension:
    """The first dimension as far as it is known; 0 where there is none."""
    if spec is None or spec.shape is None:
        return None if array.ndim else 0
    return spec.shape[0] if spec.shape else 0


def _name(first: Dimension) -> str | None:
    name = first.name if isinstance(first, Range) else first
    return name if isinstance(name, str) else None
