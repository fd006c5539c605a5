"""Promises of how an output moves when an input grows, checked by really sending.

The input moves through a few points, each nowhere below the one before, and all other inputs stay: once in all its
elements together, and once in each element of a row alone (of a row of more than MOST_ELEMENTS, in as many, spread
evenly), the same in every row of the batch. So a fall in one feature shows that a rise in another would hide.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from pytest_tfserving.contracts.batch import Batch
from pytest_tfserving.contracts.closeness import closeness
from pytest_tfserving.contracts.promises import Promises, Values, require_suitable
from pytest_tfserving.contracts.properties import plain
from pytest_tfserving.contracts.relations import Ask
from pytest_tfserving.errors import RequestError, TensorError
from pytest_tfserving.golden.compare import describe
from pytest_tfserving.golden.tolerance import Tolerance
from pytest_tfserving.tensors import Array, as_array, name_of

MOST_ELEMENTS = 16

# By how much the input moves, relative to its promised range, or else to its largest magnitude. One of a promised set
# moves among the set: from the next lower value to itself, the next higher one and the highest.
_STEPS = (-0.25, 0.0, 0.001, 0.1, 1.0)


@dataclass(frozen=True)
class BrokenTrend:
    """An output that moved the other way when an input grew, or a request on the way that was not answered.

    `direction` is increasing_in or decreasing_in. `before` and `after` are the values at `index` of the output, `lower`
    and `higher` the two requests, which differ in `input` alone. `broken` of `total` values moved the other way.
    `problem` says why there is nothing to compare: the server's refusal, another shape.
    """

    output: str
    direction: str
    input: str
    lower: Mapping[str, Array]
    higher: Mapping[str, Array]
    index: tuple[int, ...] = ()
    before: object = None
    after: object = None
    broken: int = 0
    total: int = 0
    problem: str = ""


def find_broken_trends(
    promises: Promises,
    batch: Batch | str,
    inputs: Mapping[str, Array],
    outputs: Mapping[str, Array],
    ask: Ask,
    tolerance: Tolerance | None = None,
) -> list[BrokenTrend]:
    """The `increasing_in` and `decreasing_in` that do not hold around one request and its answer.

    Each is reported once. An output may move the other way by the tolerance of its dtype, and NaN may only stay NaN.
    """
    wanted: dict[str, list[tuple[str, str]]] = {}
    for output, values in promises.outputs.items():
        for direction in ("increasing_in", "decreasing_in"):
            for name in getattr(values, direction):
                wanted.setdefault(name, []).append((output, direction))
    broken: list[BrokenTrend] = []
    for name, trends in wanted.items():
        if name not in inputs:
            problem = f"the request has no input {name}"
            broken += [BrokenTrend(*trend, name, inputs, inputs, problem=problem) for trend in trends]
            continue
        for moving in _elements(inputs[name], isinstance(batch, Batch) and name in batch.inputs):
            if not trends:
                break
            points = _points(inputs[name], moving, promises.inputs.get(name, Values()))
            for found in _follow(name, points, trends, inputs, outputs, ask, tolerance or Tolerance()):
                broken.append(found)
                trends = [trend for trend in trends if trend != (found.output, found.direction)]
    return broken


def _elements(array: Array, batched: bool) -> Iterator[Array]:
    """Which elements move together, as masks: all; then each of a row alone, in every row."""
    yield np.ones(array.shape, bool)
    row = array.shape[1:] if batched else array.shape
    count = int(np.prod(row))
    if count > 1 and array.size:
        chosen = min(count, MOST_ELEMENTS)
        for index in range(chosen):
            mask = np.zeros(count, bool)
            mask[index * (count - 1) // (chosen - 1)] = True
            yield np.broadcast_to(mask.reshape(row), array.shape)


def _points(array: Array, moving: Array, values: Values) -> list[Array]:
    """The input at each point of its way up, among what is promised of it; itself among them, none twice."""
    points: list[Array] = []
    for moved in _moved(array, values) if values.one_of is None else _moved_in_set(array, values.one_of):
        with np.errstate(over="ignore", invalid="ignore"):
            point = np.where(moving, moved, array).astype(array.dtype)
        if array.dtype.kind not in "iu":
            point = np.where(np.isfinite(point), point, points[-1] if points else array)  # its dtype ends there
        if not points or point.tobytes() != points[-1].tobytes():
            points.append(point)
    return points


def _moved(array: Array, values: Values) -> Iterator[Array]:
    """All elements moved by each of the steps, within the limits; integers as Python's own."""
    whole = array.dtype.kind in "iu"
    wide = array.astype(object if whole else np.float64)  # an integer near its dtype's end would wrap around
    low = -np.inf if values.min is None else values.min
    high = np.inf if values.max is None else values.max
    if whole:
        bounds = np.iinfo(array.dtype)
        low, high = math.ceil(max(low, bounds.min)), math.floor(min(high, bounds.max))
    else:
        low, high = float(low), float(high)  # an integer beyond int64 would make objects of them
    finite = wide[np.isfinite(array)]
    scale = float(np.abs(finite).max()) if finite.size else 0.0
    if values.min is not None and values.max is not None:
        scale = float(values.max) - float(values.min)
    for least, share in enumerate(_STEPS, start=-1):
        step = share * (scale or 1.0)
        by: float = step
        if whole:
            by = max(round(step), least) if step > 0 else min(round(step), least)
        with np.errstate(over="ignore", invalid="ignore"):
            up = np.maximum(wide, np.minimum(wide + by, high))
            moved = up if step > 0 else np.minimum(wide, np.maximum(wide + by, low))
        yield moved


def _moved_in_set(array: Array, one_of: tuple[object, ...]) -> Iterator[Array]:
    """All elements at the next lower value of the set, at their own, at the next higher and at the highest."""
    wide = array if array.dtype.kind in "iu" else array.astype(np.float64)  # numpy sorts no ml_dtypes' numbers
    known = np.unique(as_array(list(one_of), name_of(array), name="one_of").astype(wide.dtype))
    last = len(known) - 1
    yield np.minimum(wide, known[np.maximum(np.searchsorted(known, wide, "left") - 1, 0)])
    yield wide
    yield np.maximum(wide, known[np.minimum(np.searchsorted(known, wide, "right"), last)])
    yield np.maximum(wide, known[last])


def _follow(
    name: str,
    points: list[Array],
    trends: list[tuple[str, str]],
    inputs: Mapping[str, Array],
    outputs: Mapping[str, Array],
    ask: Ask,
    tolerance: Tolerance,
) -> Iterator[BrokenTrend]:
    """What breaks the trends on the way through the points, each trend at most once."""
    lower: Mapping[str, Array] | None = None
    before: Mapping[str, Array] = {}
    for point in points:
        higher = {**inputs, name: point}
        try:
            after = outputs if point.tobytes() == inputs[name].tobytes() else ask(higher)
        except (RequestError, TensorError) as error:
            for trend in trends:
                yield BrokenTrend(*trend, name, lower or inputs, higher, problem=str(error))
            return
        for trend in trends if lower is not None else ():
            found = _compare(BrokenTrend(*trend, name, lower or inputs, higher), before, after, tolerance)
            if found:
                yield found
                trends = [other for other in trends if other != trend]
        if not trends:
            return
        lower, before = higher, after


def _compare(
    trend: BrokenTrend, before: Mapping[str, Array], after: Mapping[str, Array], tolerance: Tolerance
) -> BrokenTrend | None:
    first, second = before.get(trend.output), after.get(trend.output)
    if first is None or second is None:
        return replace(trend, problem=f"the answer has no output {trend.output}")
    dtype = name_of(second)
    if first.shape != second.shape or dtype != name_of(first):
        return replace(trend, problem=f"{trend.output} was {describe(first)} and became {describe(second)}")
    require_suitable(Values(increasing_in=(trend.input,)), dtype, trend.output, ())
    keeps = operator.ge if trend.direction == "increasing_in" else operator.le
    if first.dtype.kind in "iu":
        right = keeps(second, first)
    else:
        rtol, atol = closeness(first, tolerance).of(dtype)
        start, end = first.astype(np.float64), second.astype(np.float64)
        with np.errstate(invalid="ignore", over="ignore"):
            slack = atol + rtol * np.abs(start)
            right = (start == end) | keeps(end, start - slack if keeps is operator.ge else start + slack)
        right |= np.isnan(start) & np.isnan(end)
    wrong = np.asarray(~right)
    if not wrong.any():
        return None
    at = tuple(int(i) for i in np.unravel_index(int(np.argmax(wrong)), wrong.shape))
    count = int(np.count_nonzero(wrong))
    return replace(trend, index=at, before=plain(first[at]), after=plain(second[at]), broken=count, total=wrong.size)
