"""Other ways to ask the same, whose answers must agree: checked by really sending, beside one request and its answer.

    repeated      the same request once more
    alone         each row of the batch in a request of its own
    order         the rows of the batch in other orders
    padding       a named dimension of the inputs grown by entries that must not matter
    rest-rows, rest-columns, grpc, batching, in-process    the same request by another way that the caller hands in

Findings are values; report/promises.py renders them. NaN agrees with NaN here: `finite` is the promise about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pytest_tfserving.contracts.batch import Batch, find_batch
from pytest_tfserving.contracts.check import ExpectedSignature
from pytest_tfserving.contracts.closeness import compare_closely
from pytest_tfserving.contracts.padding import allows, axes_of, crop, pad
from pytest_tfserving.contracts.promises import Padding, Promises, Relation
from pytest_tfserving.errors import RequestError, TensorError
from pytest_tfserving.golden.difference import Comparison
from pytest_tfserving.golden.tolerance import Tolerance
from pytest_tfserving.schema import Signature
from pytest_tfserving.tensors import Array, name_of

# Sends the inputs and gives the outputs; raises RequestError or TensorError where there is no answer.
Ask = Callable[[Mapping[str, Array]], Mapping[str, Array]]


@dataclass(frozen=True)
class AtOnce:
    """A way that sends the same inputs several times at once; each of its answers counts. Raises as Ask does."""

    ask: Callable[[Mapping[str, Array]], Sequence[Mapping[str, Array]]]


# Another way to ask, or the sentence that says why it is not to be had here.
Way = Ask | AtOnce | str

# Of a batch of more rows, as many are sent alone, spread evenly, the first and the last among them.
MOST_ROWS_ALONE = 256


@dataclass(frozen=True)
class BrokenRelation:
    """One relation that does not hold for one request.

    `variant` says which way of asking it was: `reversed`, `row 3`. `request` is what was sent, None where nothing was.
    `comparison` has what was expected of it, by the first answer, beside its answer; of `alone` it is of the rows that
    were sent, put together again. `problem` says why there is none: a refusal, no batch dimension, a way that is not
    to be had.
    """

    relation: Relation
    variant: str = ""
    request: Mapping[str, Array] | None = None
    comparison: Comparison | None = None
    problem: str = ""


@dataclass(frozen=True)
class Answered:
    """A request, its answer, and what a relation needs to ask otherwise."""

    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]
    batch: Batch | str
    expected: ExpectedSignature | None
    padding: Padding | None
    ask: Ask
    tolerance: Tolerance


def find_broken_relations(
    promises: Promises,
    signature: Signature,
    expected: ExpectedSignature | None,
    inputs: Mapping[str, Array],
    outputs: Mapping[str, Array],
    ask: Ask,
    ways: Mapping[str, Way],
    tolerance: Tolerance | None = None,
) -> list[BrokenRelation]:
    """The relations of `promises.same` that do not hold for a request and its answer, each reported once.

    `outputs` is what `ask` has answered. `ways` has, for each relation that is another way to ask, what asks that way,
    or the sentence that says why it cannot be had here.
    """
    batch = find_batch(signature, expected, inputs, outputs)
    answered = Answered(
        inputs, outputs, batch, expected, promises.padding, ask, replace(tolerance or Tolerance(), equal_nan=True)
    )
    broken = []
    for relation in promises.same:
        if relation in _CHECKS:
            found = next(_CHECKS[relation](answered), None)
        else:
            found = _by_another_way(answered, relation, ways.get(relation, "there is no such way to ask here"))
        if found:
            broken.append(found)
    return broken


def _by_another_way(answered: Answered, relation: Relation, way: Way) -> BrokenRelation | None:
    if isinstance(way, str):
        return BrokenRelation(relation, problem=way)
    if not isinstance(way, AtOnce):
        return _differs(replace(answered, ask=way), relation, "", answered.inputs, answered.outputs)
    try:
        answers = way.ask(answered.inputs)
    except (RequestError, TensorError) as error:
        return BrokenRelation(relation, request=answered.inputs, problem=str(error))
    for place, answer in enumerate(answers, start=1):
        comparison = compare_closely(answered.outputs, answer, answered.tolerance)
        if not comparison.holds:
            variant = f"answer {place} of {len(answers)} at once"
            return BrokenRelation(relation, variant, answered.inputs, comparison)
    return None


def _repeated(answered: Answered) -> Iterator[BrokenRelation]:
    yield from _found(_differs(answered, "repeated", "", answered.inputs, answered.outputs))


def _alone(answered: Answered) -> Iterator[BrokenRelation]:
    batch = answered.batch
    if isinstance(batch, str):
        yield BrokenRelation("alone", problem=batch)
        return
    whole = sorted(set(answered.outputs) - batch.outputs)
    if whole:
        name, shape = whole[0], list(answered.outputs[whole[0]].shape)
        yield BrokenRelation(
            "alone",
            problem=f"output {name} {shape} has no batch dimension, so it cannot be the same for a row alone; only a "
            f"signature whose outputs all have one can promise this",
        )
        return
    if batch.size > 1:
        yield from _rows_alone(answered, _spread(batch.size, MOST_ROWS_ALONE))
    elif batch.size == 1 and batch.at_most != 1:  # the row beside itself: the other way round says the same
        twice = np.zeros(2, np.intp)
        expected = {name: array[twice] for name, array in answered.outputs.items()}
        yield from _found(_differs(answered, "alone", "the row twice", _rows(answered, twice), expected))


def _rows_alone(answered: Answered, rows: Array) -> Iterator[BrokenRelation]:
    """Each row in a request of its own; their answers are compared together where they have one shape."""
    answers = []
    for row in rows:
        request = _rows(answered, row[None])
        expected = {name: array[row[None]] for name, array in answered.outputs.items()}
        answer = _ask(answered, "alone", f"row {row}", request)
        if isinstance(answer, BrokenRelation):
            yield answer
            return
        if _specs(answer) != _specs(expected):
            comparison = compare_closely(expected, answer, answered.tolerance)
            yield BrokenRelation("alone", f"row {row}", request, comparison)
            return
        answers.append(answer)
    together = {name: np.concatenate([answer[name] for answer in answers]) for name in answered.outputs}
    expected = {name: array[rows] for name, array in answered.outputs.items()}
    comparison = compare_closely(expected, together, answered.tolerance)
    if not comparison.holds:
        row = rows[comparison.differences[0].worst[0]]
        yield BrokenRelation("alone", f"row {row}", _rows(answered, row[None]), comparison)


def _order(answered: Answered) -> Iterator[BrokenRelation]:
    """Backwards, and every second row first; an output without a batch dimension must stay as it is."""
    batch = answered.batch
    if isinstance(batch, str):
        yield BrokenRelation("order", problem=batch)
        return
    rows = np.arange(batch.size)
    for variant, order in (("reversed", rows[::-1]), ("every second row first", np.r_[rows[::2], rows[1::2]])):
        if not np.array_equal(order, rows):
            expected = {n: array[order] if n in batch.outputs else array for n, array in answered.outputs.items()}
            yield from _found(_differs(answered, "order", variant, _rows(answered, order), expected))


def _padding(answered: Answered) -> Iterator[BrokenRelation]:
    """The dimension grown by 1, and doubled; outputs that have it are cropped, all others must stay."""
    padding, expected = answered.padding, answered.expected
    if padding is None:
        yield BrokenRelation("padding", problem="nothing says what grows: give padding a dimension and a value")
        return
    axes = {name: axes_of(spec, padding.dimension) for name, spec in ((expected and expected.inputs) or {}).items()}
    padded = {n: at for n, at in axes.items() if at and n in answered.inputs and answered.inputs[n].ndim > max(at)}
    if not padded:
        problem = (
            f"no input of the expected signature has a dimension named {padding.dimension!r}; name it there, as in "
            f'inputs.x = "int32[batch, {padding.dimension}]"'
        )
        yield BrokenRelation("padding", problem=problem)
        return
    name, at = next(iter(padded.items()))
    size = answered.inputs[name].shape[at[0]]
    for by in (1, max(2, size)):
        if not allows(expected, padding.dimension, size + by):
            continue
        variant = f"{padding.dimension} {size} grown by {by}"
        try:
            request = {n: pad(n, array, padded.get(n, ()), by, padding.value) for n, array in answered.inputs.items()}
        except TensorError as error:
            yield BrokenRelation("padding", variant, problem=str(error))
            return
        crops = {n: axes_of(spec, padding.dimension) for n, spec in ((expected and expected.outputs) or {}).items()}
        yield from _found(_differs(answered, "padding", variant, request, answered.outputs, crops))


_CHECKS: Mapping[str, Callable[[Answered], Iterator[BrokenRelation]]] = {
    "repeated": _repeated,
    "alone": _alone,
    "order": _order,
    "padding": _padding,
}


def _differs(
    answered: Answered,
    relation: Relation,
    variant: str,
    request: Mapping[str, Array],
    expected: Mapping[str, Array],
    crops: Mapping[str, tuple[int, ...]] | None = None,
) -> BrokenRelation | None:
    """Asks, and compares the answer, cropped along some axes of some outputs, with what is expected."""
    answer = _ask(answered, relation, variant, request)
    if isinstance(answer, BrokenRelation):
        return answer
    cropped = {n: crop(array, expected.get(n), (crops or {}).get(n, ())) for n, array in answer.items()}
    comparison = compare_closely(expected, cropped, answered.tolerance)
    return None if comparison.holds else BrokenRelation(relation, variant, request, comparison)


def _ask(
    answered: Answered, relation: Relation, variant: str, request: Mapping[str, Array]
) -> Mapping[str, Array] | BrokenRelation:
    try:
        return answered.ask(request)
    except (RequestError, TensorError) as error:
        return BrokenRelation(relation, variant, request, problem=str(error))


def _found(broken: BrokenRelation | None) -> Iterator[BrokenRelation]:
    if broken:
        yield broken


def _rows(answered: Answered, rows: Array) -> dict[str, Array]:
    """The request with these rows of its batch; inputs that belong to every row stay."""
    batched = answered.batch.inputs if isinstance(answered.batch, Batch) else frozenset()
    return {name: array[rows] if name in batched else array for name, array in answered.inputs.items()}


def _spread(count: int, most: int) -> Array:
    if count <= most:
        return np.arange(count)
    return np.arange(most) * (count - 1) // (most - 1)


def _specs(tensors: Mapping[str, Array]) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {name: (name_of(array), array.shape) for name, array in tensors.items()}
