"""What a contract says of the values of a signature's tensors; properties.py and relations.py check it.

As a contract file writes it (a marker takes the same as keywords):

    [properties.serving_default]
    inputs.area = { min = 0, max = 500 }
    outputs.price = { finite = true, min = 0, increasing_in = "area" }
    same = ["alone", "order", "repeated", "rest-rows", "grpc"]
    padding = { dimension = "length", value = 0 }
"""

from __future__ import annotations

import sys
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from pytest_tfserving.errors import SpecError
from pytest_tfserving.schema import TensorSpec
from pytest_tfserving.suggestion import did_you_mean

# Ways to ask the same that must give the same answer (relations.py says what each does).
Relation = Literal[
    "alone", "order", "repeated", "rest-rows", "rest-columns", "grpc", "batching", "padding", "in-process"
]  # fmt: skip
RELATIONS: tuple[Relation, ...] = get_args(Relation)


@dataclass(frozen=True)
class Values:
    """What the values of one tensor keep to. Of an output it is promised; of an input clients send nothing else.

    `finite`: no NaN, no infinity. `min` and `max`: both included; NaN is in no range. `sums_to`: along the last axis.
    `one_of`: nothing else occurs (numbers, text or bytes). `increasing_in`, `decreasing_in`: never moves the other way
    when one of those inputs grows and all others stay. `length`: (least, most) bytes of a string, of an input.
    """

    finite: bool = False
    min: float | None = None
    max: float | None = None
    sums_to: float | None = None
    one_of: tuple[object, ...] | None = None
    increasing_in: tuple[str, ...] = ()
    decreasing_in: tuple[str, ...] = ()
    length: tuple[int, int] | None = None


@dataclass(frozen=True)
class Padding:
    """Padding that must not matter: the named dimension of inputs grows by entries of `value`; outputs are cropped.

    `value` is a number, a truth value or text; 0 in a tensor of strings is the empty string.
    """

    dimension: str
    value: object = 0


@dataclass(frozen=True)
class Promises:
    """What holds for every answer of one signature."""

    signature: str
    inputs: Mapping[str, Values] = field(default_factory=dict)
    outputs: Mapping[str, Values] = field(default_factory=dict)
    same: tuple[Relation, ...] = ()
    padding: Padding | None = None


class PromiseError(SpecError):
    """A promise that cannot be meant. `path` is its place in the table: ("outputs", "y", "min")."""

    def __init__(self, where: str, path: tuple[str, ...], problem: str) -> None:
        self.path = path
        super().__init__(f"{where}: {'.'.join(path) + ': ' if path else ''}{problem}")


def read_promises(signature: str, table: Mapping[str, object], where: str) -> Promises:
    """The promises that a plain table writes: a marker's keywords, or a `[properties.NAME]` of a contract file.

    >>> read_promises("serving_default", {"outputs": {"y": {"min": 0}}, "same": ["alone"]}, "here").same
    ('alone',)

    Raises PromiseError, a SpecError that begins with `where`, for an unknown key, a value of a wrong type, and what
    contradicts itself.
    """
    _require_keys(table, ("inputs", "outputs", "same", "padding"), where, ())
    inputs, outputs = (
        {
            name: _read_values(_table(values, where, (side, name)), side, where, name)
            for name, values in _table(table.get(side, {}), where, (side,)).items()
        }
        for side in ("inputs", "outputs")
    )
    same = tuple(dict.fromkeys(_read_relation(name, where) for name in _list(table.get("same", ()), where, ("same",))))
    padding = _read_padding(table["padding"], where) if "padding" in table else None
    if padding and "padding" not in same:
        same = (*same, "padding")
    if "padding" in same and not padding:
        problem = 'say what grows, and by what: padding = { dimension = "length", value = 0 }'
        raise PromiseError(where, ("padding",), problem)
    return Promises(signature, inputs, outputs, same, padding)


def check_promises(
    promises: Promises, inputs: Mapping[str, TensorSpec] | None, outputs: Mapping[str, TensorSpec] | None, where: str
) -> None:
    """Raises PromiseError where promises are about a tensor or a dimension that the signature lacks, or do not suit
    its dtype. A side of None is not known."""
    for side, tensors, specs in (("inputs", promises.inputs, inputs), ("outputs", promises.outputs, outputs)):
        for name, values in tensors.items():
            if specs is not None:
                _require_known(name, specs, side.removesuffix("s"), where, (side, name))
                require_suitable(values, specs[name].dtype, where, (side, name))
            for key in ("increasing_in", "decreasing_in"):
                for grown in getattr(values, key):
                    if inputs is not None:
                        _require_known(grown, inputs, "input", where, (side, name, key))
                        if _kind(inputs[grown].dtype) != "number":
                            problem = f"{grown} is {inputs[grown].dtype}; only a number can grow"
                            raise PromiseError(where, (side, name, key), problem)
    if promises.padding and inputs is not None:
        dimensions = [getattr(d, "name", d) for spec in inputs.values() for d in spec.shape or ()]
        names = dict.fromkeys(name for name in dimensions if isinstance(name, str))
        if names:  # a server's own signature names no dimension; the contract's does
            _require_known(promises.padding.dimension, names, "dimension", where, ("padding", "dimension"))


def _read_values(table: Mapping[str, object], side: str, where: str, name: str) -> Values:
    _require_keys(table, _READERS, where, (side, name))
    for key in table:
        if key not in (_OF_INPUTS if side == "inputs" else _OF_OUTPUTS):
            problem = f"is said of {'outputs' if side == 'inputs' else 'inputs'} only"
            raise PromiseError(where, (side, name, key), problem)
    read: dict[str, Any] = {}
    for key, value in table.items():
        try:
            read[key] = _READERS[key](value)
        except ValueError as error:
            raise PromiseError(where, (side, name, key), f"{error}, received {value!r:.80}") from None
    values = Values(**read)
    if values.min is not None and values.max is not None and values.min > values.max:
        raise PromiseError(where, (side, name, "min"), f"no value is at least {values.min} and at most {values.max}")
    for first, others in _EXCLUDES.items():
        both = [other for other in others if first in read and read.get(other, False) is not False]
        if both:
            raise PromiseError(where, (side, name, both[0]), f"does not go with {first}")
    twice = set(values.increasing_in) & set(values.decreasing_in)
    if twice:
        problem = f"{sorted(twice)[0]} is in increasing_in too; what depends on it in neither way is no promise"
        raise PromiseError(where, (side, name, "decreasing_in"), problem)
    return values


def _read_relation(name: object, where: str) -> Relation:
    if not isinstance(name, str):
        raise PromiseError(where, ("same",), f"a relation's name expected, received {name!r:.80}")
    _require_known(name, RELATIONS, "relation", where, ("same",))
    return next(relation for relation in RELATIONS if relation == name)


def _read_padding(value: object, where: str) -> Padding:
    table = _table(value, where, ("padding",))
    _require_keys(table, ("dimension", "value"), where, ("padding",))
    dimension = table.get("dimension")
    if not isinstance(dimension, str) or not dimension.isidentifier():
        problem = f'the name of a dimension expected, as in dimension = "length", received {dimension!r:.80}'
        raise PromiseError(where, ("padding", "dimension"), problem)
    filler = table.get("value", 0)
    if not isinstance(filler, int | float | str | bytes):
        raise PromiseError(
            where, ("padding", "value"), f"a number, a truth value or text expected, received {filler!r}"
        )
    return Padding(dimension, filler)


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false expected")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
        raise ValueError("a finite number expected")
    return value  # an integer stays one: a float would round it beyond 2**53


def _choices(value: object) -> tuple[object, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise ValueError("a list of one or more values expected")
    choices = tuple(_choice(item) for item in value)
    if len({_kind_of(item) for item in choices}) > 1:
        raise ValueError("values of one kind (numbers, truth values, or text) expected")
    return choices


def _choice(item: object) -> object:
    if isinstance(item, Mapping) and set(item) == {"b64"} and isinstance(item["b64"], str):
        return b64decode(item["b64"], validate=True)
    if not isinstance(item, int | float | str | bytes) or (isinstance(item, int) and abs(item) > sys.float_info.max):
        raise ValueError('numbers, truth values, text or { b64 = "..." } expected')
    return item


def _names(value: object) -> tuple[str, ...]:
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not names or not all(isinstance(name, str) for name in names):
        raise ValueError("an input's name, or a list of them, expected")
    return tuple(names)


def _length(value: object) -> tuple[int, int]:
    sizes = value if isinstance(value, list | tuple) else ()
    if len(sizes) != 2 or any(isinstance(size, bool) or not isinstance(size, int) for size in sizes):
        raise ValueError("[least, most] bytes expected, as in [0, 64]")
    least, most = sizes
    if not 0 <= least <= most:
        raise ValueError("least <= most expected, neither negative")
    return least, most


_READERS: Mapping[str, Callable[[object], object]] = {
    "finite": _truth,
    "min": _number,
    "max": _number,
    "sums_to": _number,
    "one_of": _choices,
    "increasing_in": _names,
    "decreasing_in": _names,
    "length": _length,
}
_OF_INPUTS = ("finite", "min", "max", "one_of", "length")
_OF_OUTPUTS = ("finite", "min", "max", "sums_to", "one_of", "increasing_in", "decreasing_in")
# A string has a length and numbers have the rest; a set of values says all that a range could.
_EXCLUDES = {"length": ("finite", "min", "max", "one_of"), "one_of": ("min", "max", "sums_to")}


def _kind_of(item: object) -> str:
    return "text" if isinstance(item, str | bytes) else "truth" if isinstance(item, bool) else "number"


def _kind(dtype: str) -> str:
    named = {"string": "text", "bool": "truth", "complex64": "complex", "complex128": "complex"}
    return named.get(dtype, "number")


def require_suitable(values: Values, dtype: str, where: str, path: tuple[str, ...]) -> None:
    """Raises PromiseError for the first promise that says nothing of a dtype, such as `min` of text."""
    kind = _kind(dtype)
    suits = {
        "finite": kind in ("number", "complex"),
        "sums_to": kind in ("number", "complex"),
        "one_of": values.one_of is None or _kind_of(values.one_of[0]) == (kind if kind != "complex" else "number"),
        "length": kind == "text",
    }
    for key, default in vars(Values()).items():
        if getattr(values, key) != default and not suits.get(key, kind == "number"):
            raise PromiseError(where, (*path, key), f"says nothing of {dtype}")


def _table(value: object, where: str, path: tuple[str, ...]) -> Mapping[str, object]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise PromiseError(where, path, f"a table expected, received {value!r:.80}")
    return value


def _list(value: object, where: str, path: tuple[str, ...]) -> Sequence[object]:
    if not isinstance(value, list | tuple):
        raise PromiseError(where, path, f'a list expected, as in ["alone", "order"], received {value!r:.80}')
    return value


def _require_keys(table: Mapping[str, object], known: Iterable[str], where: str, path: tuple[str, ...]) -> None:
    for key in table:
        _require_known(key, known, "key", where, (*path, key))


def _require_known(name: str, known: Iterable[str], what: str, where: str, path: tuple[str, ...]) -> None:
    known = tuple(known)
    if name not in known:
        hint = did_you_mean(name, known, repr)
        raise PromiseError(where, path, f"no such {what}: {name!r}{hint} (known: {', '.join(known) or 'none'})")
