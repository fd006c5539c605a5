"""A JSON document's values, and how messages name and quote them (tensorflow_serving/util/json_tensor.cc)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pytest_tfserving.server.json_number import double_text

# A value: None, bool, int (within int64 or uint64), float, str (bytes that are no UTF-8 as surrogate escapes), list,
# or JsonObject.
Value = Any


class JsonObject:
    """An object's members in the order in which they came, repeated keys included."""

    __slots__ = ("members",)

    def __init__(self) -> None:
        self.members: list[tuple[str, Value]] = []

    def get(self, key: str, default: Value = None) -> Value:
        """The value of the first member of that name, as rapidjson's FindMember."""
        return next((value for name, value in self.members if name == key), default)

    def __contains__(self, key: str) -> bool:
        return any(name == key for name, _ in self.members)


def type_name(value: Value) -> str:
    """rapidjson's name of a value's type, as messages have it."""
    if value is None:
        return "Null"
    if isinstance(value, bool):
        return "True" if value else "False"
    if isinstance(value, int | float):
        return "Number"
    return "String" if isinstance(value, str) else "Object" if isinstance(value, JsonObject) else "Array"


LONGEST_DUMP = 256


def dump(value: Value) -> str:
    """A value as messages quote it: PrettyWriter, arrays on one line, and no further token once 256 bytes are out.

    It ends at a NaN or an infinity too, which the writer refuses.
    """
    out: list[str] = []
    size = 0
    for token in _tokens(value, 0):
        if token is None or size >= LONGEST_DUMP:
            break
        out.append(token)
        size += len(token.encode("utf-8", "surrogateescape"))
    return "".join(out)


def _tokens(value: Value, depth: int, prefix: str = "") -> Iterator[str | None]:
    """The writer's events, each with what it writes; None where it stops. One of them may be over the limit."""
    if isinstance(value, JsonObject):
        yield prefix + "{"
        indent = "\n" + "    " * (depth + 1)
        for index, (key, member) in enumerate(value.members):
            yield f"{',' if index else ''}{indent}{quoted(key)}"
            yield from _tokens(member, depth + 1, ": ")
        yield ("\n" + "    " * depth if value.members else "") + "}"
    elif isinstance(value, list):
        yield prefix + "["
        for index, element in enumerate(value):
            yield from _tokens(element, depth + 1, ", " if index else "")
        yield "]"
    elif isinstance(value, float) and value - value != 0:
        yield prefix
        yield None
    else:
        yield prefix + _scalar_text(value)


def _scalar_text(value: Value) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return quoted(value)
    return double_text(value) if isinstance(value, float) else str(value)


_TO_ESCAPE = re.compile(r'["\\\x00-\x1f]')
_ESCAPED = {chr(code): f"\\u{code:04X}" for code in range(0x20)} | {
    '"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r",
}  # fmt: skip


def quoted(text: str) -> str:
    """A string as rapidjson writes it: every byte from 0x20 on as it is, UTF-8 or not."""
    return f'"{_TO_ESCAPE.sub(lambda found: _ESCAPED[found[0]], text)}"'
