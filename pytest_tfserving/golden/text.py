"""Golden JSON as text: a layout that a person can review and that stays as they made it (exact.py has its tensors)."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from pytest_tfserving.errors import GoldenError

if TYPE_CHECKING:
    from pytest_tfserving.tensors import Array

_WIDTH = 100
_TENSOR_KEYS = {"dtype", "shape", "values"}
_NPZ_KEYS = {"dtype", "shape", "npz"}


class Stored(ABC):
    """A tensor whose values lie elsewhere than in the JSON: in an .npz file, in a record of a log."""

    @abstractmethod
    def load(self, name: str) -> Array:
        """Its array. Raises TensorError, about the tensor `name`, where that cannot be had."""


def is_exact(value: Any) -> bool:
    """Whether a value is a recorded tensor rather than plain values as REST takes them."""
    return isinstance(value, Stored) or (isinstance(value, dict) and set(value) in (_TENSOR_KEYS, _NPZ_KEYS))


def is_in_npz(value: Any) -> bool:
    """Whether a JSON value is a recorded tensor whose values are in the .npz file beside (formats/npz.py)."""
    return isinstance(value, dict) and set(value) == _NPZ_KEYS


def npz_keys(document: Any) -> Iterator[str]:
    """The arrays of an .npz file that a golden's JSON mentions, anywhere in it."""
    if is_in_npz(document):
        yield str(document["npz"])
    elif isinstance(document, dict):
        for value in document.values():
            yield from npz_keys(value)


class Verbatim(str):
    """JSON text that is written as it stands: what a person wrote stays as they laid it out."""


def with_verbatim(text: str, keep: Collection[str], named: str | None = None) -> Any:
    """The document of valid golden text, in which the value of every key in `keep` is its own text.

    In the object at the key `named` the keys are names that a person chose, and none of them is in `keep`.
    """
    value, _ = _verbatim_value(text, _skip(text, 0), keep, named)
    return value


def dumps(document: Any) -> str:
    """JSON with one line for whatever fits a line, so that a value that moves is a line that moves."""
    return _layout(document, 0) + "\n"


def loads(text: str, where: str) -> Any:
    """The document of a golden's text. Raises GoldenError where it is no JSON or says a key twice."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) < len(pairs):
            repeated = min(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
            raise GoldenError(f"{where}: key {repeated!r} stands twice in one object; rename or remove one of them")
        return members

    try:
        return json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise GoldenError(f"{where}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from error
    except RecursionError as error:
        raise GoldenError(f"{where}: lists or objects are nested too deep to be read") from error


_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\r\n]*")


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _verbatim_value(
    text: str, start: int, keep: Collection[str], named: str | None, are_names: bool = False
) -> tuple[Any, int]:
    """The value at `start` and where it ends. Only objects are looked into; lists are taken as they are."""
    if text[start] != "{":
        return _DECODER.raw_decode(text, start)
    members: dict[str, Any] = {}
    position = _skip(text, start + 1)
    while text[position] != "}":
        key, position = _DECODER.raw_decode(text, position)
        position = _skip(text, _skip(text, position) + 1)  # behind the colon
        value, end = _verbatim_value(text, position, keep, named, key == named and not are_names)
        members[key] = Verbatim(text[position:end]) if key in keep and not are_names else value
        position = _skip(text, end)
        if text[position] == ",":
            position = _skip(text, position + 1)
    return members, position + 1


def _layout(value: Any, indent: int) -> str:
    if isinstance(value, Verbatim):
        return value
    if isinstance(value, dict) and any(isinstance(item, Verbatim | dict) for item in value.values()):
        line = None  # an object of objects: one line a member
    else:
        line = json.dumps(value, ensure_ascii=False)
    if line is not None and (not isinstance(value, dict | list) or not value):
        return line
    if line is not None and (len(line) + indent <= _WIDTH or is_in_npz(value)):
        return line
    inner = " " * (indent + 2)
    if is_exact(value) and "values" in value:  # the head of a tensor shares its line
        head = f'{{"dtype": {json.dumps(value["dtype"])}, "shape": {value["shape"]}, "values": '
        return head + _layout(value["values"], indent) + "}"
    if isinstance(value, dict):
        items = [f"{json.dumps(key, ensure_ascii=False)}: {_layout(item, indent + 2)}" for key, item in value.items()]
        opening, closing = "{", "}"
    elif all(isinstance(item, int | float | str) for item in value):
        assert line is not None
        items, opening, closing = _filled(value, line, indent + 2), "[", "]"
    else:
        items, opening, closing = [_layout(item, indent + 2) for item in value], "[", "]"
    return opening + "\n" + ",\n".join(inner + item for item in items) + "\n" + " " * indent + closing


def _filled(values: list[Any], text: str, indent: int) -> list[str]:
    """Long flat lists, as many values a line as fit; `text` is the list's JSON."""
    if any(isinstance(value, str) for value in values):
        texts = [json.dumps(value, ensure_ascii=False) for value in values]
    else:
        texts = text[1:-1].split(", ")  # numbers hold none, and thousands of calls of dumps() take their time
    lines, line = [], ""
    for text in texts:
        if line and len(line) + 2 + len(text) + indent > _WIDTH:
            lines.append(line)
            line = text
        else:
            line = f"{line}, {text}" if line else text
    return [*lines, line]
