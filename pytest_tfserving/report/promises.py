"""What a contract promises of every answer and does not hold, as it stands in a failing test's report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from pytest_tfserving.contracts.monotone import BrokenTrend
from pytest_tfserving.contracts.properties import BrokenPromise
from pytest_tfserving.contracts.relations import BrokenRelation
from pytest_tfserving.golden.exact import write_tensor
from pytest_tfserving.report.goldens import difference_table
from pytest_tfserving.report.tensors import tensor_lines
from pytest_tfserving.report.terminal import table
from pytest_tfserving.tensors import Array

_LONGEST_REQUEST = 500
_MOST_VALUES = 100
_LONGEST_VALUE = 60

# What each relation says, behind "the answer is not the same".
_RELATIONS = {
    "repeated": "when the request is sent once more",
    "alone": "for a row alone as within its batch",
    "order": "when the rows of the batch change places",
    "padding": "with padding",
    "rest-rows": "over REST in row format",
    "rest-columns": "over REST in columnar format",
    "grpc": "over gRPC",
    "batching": "with batching on",
    "in-process": "in-process, as tf.saved_model.load runs it",
}


def promises_failure(
    broken: Sequence[BrokenPromise | BrokenTrend | BrokenRelation],
    model: str,
    signature: str,
    request: Mapping[str, Array],
    where: str,
) -> str:
    """What of a signature's promises one request breaks.

    `where` says which request it was and how it was sent: `goldens/ones.json, over grpc`. Requests stand as JSON that a
    golden file takes, so that each can be sent again.
    """
    head = f"signature {signature!r} of {model} does not keep what is promised ({where})"
    return "\n".join([head, "", *broken_lines(broken, request), "", f"request: {request_text(request)}"])


def broken_lines(
    broken: Sequence[BrokenPromise | BrokenTrend | BrokenRelation], request: Mapping[str, Array]
) -> list[str]:
    """What is broken: a table of values, then a paragraph for each trend and relation."""
    values = [found for found in broken if isinstance(found, BrokenPromise)]
    lines = _value_table(values) if values else []
    for found in broken:
        if not isinstance(found, BrokenPromise):
            lines += [""] if lines else []
            lines += _trend(found) if isinstance(found, BrokenTrend) else _relation(found, request)
    return lines


def request_text(request: Mapping[str, Array]) -> str:
    """A request as golden files have it, on one line: `{"inputs": {"x": [1.0, 2.0]}}`; of a large one its tensors."""
    if sum(array.size for array in request.values()) <= _MOST_VALUES:
        inputs = {name: _json(array) for name, array in request.items()}
        text = json.dumps({"inputs": inputs}, ensure_ascii=False)
        if len(text) <= _LONGEST_REQUEST:
            return text
    return ", ".join(tensor_lines({name: array})[0].strip() for name, array in request.items())


def _json(array: Array) -> object:
    exact = write_tensor(array)
    return exact["values"] if array.size else exact  # nested lists do not tell the sizes of what is empty


def _value_table(values: Sequence[BrokenPromise]) -> list[str]:
    rows = [["output", "promised", "broken by", "at", "value"]]
    for found in values:
        if found.promise == "missing":
            rows.append([found.output, "an output", "the answer has none of this name", "", ""])
        else:
            what = "row" if found.promise == "sums_to" else "value"
            count = f"{found.broken} of {found.total} {what}{'s' if found.total > 1 else ''}"
            rows.append([found.output, _promise(found), count, _index(found.index), _shown(found.value)])
    return table(rows)


def _promise(found: BrokenPromise) -> str:
    if found.promise == "sums_to":
        return f"rows sum to {_shown(found.promised)}"
    if isinstance(found.promised, tuple):
        return _cut(f"one of {', '.join(map(_shown, found.promised))}")
    return "finite" if found.promise == "finite" else f"{found.promise} {_shown(found.promised)}"


def _trend(found: BrokenTrend) -> list[str]:
    rises = found.direction == "increasing_in"
    lines = [f"{found.output} is promised to {'rise' if rises else 'fall'} with {found.input} ({found.direction})"]
    if found.problem:
        lines.append(f"  it cannot be told: {found.problem}")
        if found.lower is not found.higher:
            lines.append(
                f"  if clients never send such values of {found.input}, say so: inputs.{found.input}.max and min"
            )
    else:
        lines.append(
            f"  {found.broken} of {found.total} values {'fall' if rises else 'rise'}, the first at "
            f"{_index(found.index)}: from {_shown(found.before)} to {_shown(found.after)}"
        )
        lines.append(f"  lower:  {request_text(found.lower)}")
    if found.lower is not found.higher:
        lines.append(f"  higher: {request_text(found.higher)}")
    return lines


def _relation(found: BrokenRelation, request: Mapping[str, Array]) -> list[str]:
    variant = f" ({found.variant})" if found.variant else ""
    if found.comparison is None:
        lines = [f"{found.relation}: there is no answer {_RELATIONS[found.relation]}{variant}: {found.problem}"]
    else:
        lines = [f"{found.relation}: the answer is not the same {_RELATIONS[found.relation]}{variant}"]
        lines += difference_table(found.comparison.differences)
    if found.request is not None and found.request is not request:
        lines.append(f"  sent: {request_text(found.request)}")
    return lines


def _index(index: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, index))}]"


def _shown(value: object) -> str:
    return _cut(repr(value))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."
