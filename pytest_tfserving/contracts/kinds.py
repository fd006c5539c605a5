"""Kinds of values that keys of a contract file take: what is wrong with a value, and the JSON schema that says so.

A kind checks the form alone; what a value means beside others is contracts/model.py's business. Kinds that hold
others are in tables.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from pytest_tfserving.errors import SpecError
from pytest_tfserving.golden.output_rule import FUNCTION_FORM
from pytest_tfserving.grammar import parse_tensor_spec
from pytest_tfserving.latency.durations import DURATION_FORM, parse_duration
from pytest_tfserving.toml import KeyPath, dotted, quoted

_LONGEST_SHOWN = 40


class Problem(NamedTuple):
    """What is wrong with the value at a path."""

    path: KeyPath
    sentence: str


class BasedPath(str):
    """A path as it was written, and the directory that it starts at where it is relative."""

    base: Path

    def __new__(cls, text: str, base: Path) -> BasedPath:
        path = super().__new__(cls, text)
        path.base = base
        return path

    @property
    def absolute(self) -> Path:
        """Where it is; its own `..` stand."""
        return self.base / self


class Kind:
    """A kind of value. `types` are what TOML reads it as, `expected` says it in words, `example` is TOML."""

    types: tuple[type, ...]
    expected: str
    example: str

    def takes(self, value: object) -> bool:
        """Whether the value has the kind's type; true and false are no numbers."""
        return isinstance(value, self.types) and (bool in self.types or not isinstance(value, bool))

    def problems(self, value: Any, path: KeyPath) -> Iterator[Problem]:
        """What is wrong with the value."""
        if self.takes(value):
            yield from self.problems_inside(value, path)
        else:
            yield self.refused(value, path)

    def refused(self, value: object, path: KeyPath) -> Problem:
        """The problem of a value that is something else."""
        example = f"{dotted(path[-1:])} = {self.example}" if isinstance(path[-1], str) else self.example
        return Problem(path, f"{dotted(path)} = {_text(value)}; {self.expected} expected, such as {example}")

    def problems_inside(self, value: Any, path: KeyPath) -> Iterator[Problem]:  # noqa: ARG002  # for kinds that hold others
        """What is wrong with a value of the right type."""
        yield from ()

    def gaps(self, value: Any, path: KeyPath) -> Iterator[Problem]:  # noqa: ARG002  # for kinds that hold others
        """What is missing in a value, whose form may be wrong."""
        yield from ()

    def based(self, value: Any, base: Path) -> Any:  # noqa: ARG002  # for kinds that hold others
        """The value with its paths as BasedPath."""
        return value

    def schema(self) -> dict[str, Any]:
        """The JSON schema, of what drafts 4 and 7 have in common: Taplo reads draft 4.

        Required keys of tables are not in it, because an included file may have them.
        """
        raise NotImplementedError

    def requirements(self) -> dict[str, Any]:
        """The JSON schema of what `gaps` looks for."""
        return {}


@dataclass(frozen=True)
class Text(Kind):
    """Text; one of `choices` where there are any."""

    example: str = '"text"'
    expected: str = "text"
    choices: tuple[str, ...] = ()
    types = (str,)

    def problems_inside(self, value: str, path: KeyPath) -> Iterator[Problem]:
        if self.choices and value not in self.choices:
            close = get_close_matches(value.lower(), [choice.lower() for choice in self.choices], n=1)
            meant = next((f"; did you mean {c}?" for c in self.choices if close and c.lower() == close[0]), "")
            yield Problem(path, f"{dotted(path)} = {_text(value)}; one of {', '.join(self.choices)} expected{meant}")
        elif not value:
            yield self.refused(value, path)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.choices)} if self.choices else {"type": "string", "minLength": 1}


@dataclass(frozen=True)
class PathText(Text):
    """A path; a relative one starts at the directory of the file that it stands in."""

    expected: str = "a path"

    def problems_inside(self, value: str, path: KeyPath) -> Iterator[Problem]:
        if "\0" in value:
            yield self.refused(value, path)
        else:
            yield from super().problems_inside(value, path)

    def based(self, value: Any, base: Path) -> Any:
        return BasedPath(value, base) if isinstance(value, str) else value


@dataclass(frozen=True)
class FunctionText(Text):
    """The name of a function, `module:function`; its module is looked for from the file's directory on."""

    expected: str = "the name of a function"

    def problems_inside(self, value: str, path: KeyPath) -> Iterator[Problem]:
        if not re.match(FUNCTION_FORM, value):
            yield self.refused(value, path)

    def based(self, value: Any, base: Path) -> Any:
        return BasedPath(value, base) if isinstance(value, str) else value

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": FUNCTION_FORM}


@dataclass(frozen=True)
class Duration(Text):
    """A duration of latency/durations.py."""

    example: str = '"5ms"'
    expected: str = "a duration as text, a number and ns, us, ms or s,"

    def problems_inside(self, value: str, path: KeyPath) -> Iterator[Problem]:
        try:
            parse_duration(value)
        except SpecError:
            yield self.refused(value, path)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": DURATION_FORM}


@dataclass(frozen=True)
class Spec(Kind):
    """A tensor spec of grammar.py."""

    example: str = '"float32[batch, 3]"'
    expected = "a tensor's dtype and shape as text"
    types = (str,)

    def problems(self, value: Any, path: KeyPath) -> Iterator[Problem]:
        if isinstance(value, Mapping) and len(value) == 1 and all(isinstance(v, str) for v in value.values()):
            [(rest, _)] = value.items()
            whole = dotted((*path[:-1], f"{path[-1]}.{rest}"))
            yield Problem(path, f"a name with a dot stands in quotes: {whole} = ...")
        else:
            yield from super().problems(value, path)

    def problems_inside(self, value: str, path: KeyPath) -> Iterator[Problem]:
        try:
            parse_tensor_spec(value)
        except SpecError as error:
            yield Problem(path, f"{dotted(path)}: {error}")

    def schema(self) -> dict[str, Any]:
        """Editors are told the form; which dtypes there are is the parser's."""
        dimension = r"\s*(\d+|(\d+\s*<=\s*)?([A-Za-z_]\w*|\?)(\s*<=\s*\d+)?)\s*"
        shape = rf"(\s*|\s*\.\.\.\s*|{dimension}(,{dimension})*)"
        return {"type": "string", "pattern": rf"^\s*[A-Za-z]\w*\s*\[{shape}\]\s*(=\s*\S[\s\S]*)?$"}


@dataclass(frozen=True)
class Number(Kind):
    """A number; with `least`, not below it, with `most`, not above it; with `whole`, an integer.

    `above` and `below` are limits that it does not reach.
    """

    example: str
    least: float | None = None
    whole: bool = False
    most: float | None = None
    above: float | None = None
    below: float | None = None

    @property
    def types(self) -> tuple[type, ...]:  # type: ignore[override]  # of Kind a plain value
        return (int,) if self.whole else (int, float)

    @property
    def expected(self) -> str:  # type: ignore[override]
        if self.least is not None and self.most is not None:
            limit = f" from {self.least:g} to {self.most:g}"
        else:
            limit = "" if self.least is None else f" from {self.least:g} on" if self.least else " that is not negative"
            limit += "" if self.above is None else f" above {self.above:g}"
            limit += "" if self.below is None else f" and is below {self.below:g}"
        return f"{'a whole number' if self.whole else 'a number'}{limit}"

    def problems_inside(self, value: float, path: KeyPath) -> Iterator[Problem]:
        low = (self.least is not None and value < self.least) or (self.above is not None and value <= self.above)
        high = (self.most is not None and value > self.most) or (self.below is not None and value >= self.below)
        if value != value or low or high:
            yield self.refused(value, path)

    def schema(self) -> dict[str, Any]:
        kind: dict[str, Any] = {"type": "integer" if self.whole else "number"}
        limits = {
            "minimum": self.least if self.above is None else self.above,
            "maximum": self.most if self.below is None else self.below,
        }
        unreached = [limit for limit in (self.above, self.below) if limit is not None]
        return {
            **kind,
            **{word: limit for word, limit in limits.items() if limit is not None},
            # exclusiveMinimum is a flag in draft 4, which editors read (Taplo), and a number in draft 7.
            **({"not": {"enum": unreached}} if unreached else {}),
        }


@dataclass(frozen=True)
class Flag(Kind):
    """true or false."""

    example: str = "true"
    expected = "true or false"
    types = (bool,)

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


@dataclass(frozen=True)
class Values(Kind):
    """What JSON can carry: numbers, text, true and false, lists and tables of these."""

    example: str
    expected: str = "numbers, text, lists or tables"
    types = (bool, int, float, str, list, dict)

    def problems_inside(self, value: Any, path: KeyPath) -> Iterator[Problem]:
        if isinstance(value, Mapping):
            inner: Any = value.items()
        else:
            inner = enumerate(value) if isinstance(value, list) else ()
        for key, item in inner:
            if self.takes(item):
                yield from self.problems_inside(item, (*path, key))
            else:
                yield Problem(
                    (*path, key), f"{dotted((*path, key))}: no tensor holds a date or a time; write it as text"
                )

    def schema(self) -> dict[str, Any]:
        return {}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        text = "{" + ", ".join(f"{dotted((str(k),))} = {_text(v)}" for k, v in value.items()) + "}"
    elif isinstance(value, list):
        text = "[" + ", ".join(map(_text, value[:_LONGEST_SHOWN])) + "]"
    else:
        text = quoted(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."
