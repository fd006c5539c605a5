"""TOML files with the line of each key: tomllib says what a file holds, not where.

The lines are found by a second reading, which happens only when a message needs one.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pytest_tfserving.errors import SpecError
from pytest_tfserving.files import shown

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# Keys and indices from the top of a document: ("goldens", 1, "path").
KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """A TOML file: what it holds, and where."""

    file: Path
    text: str = field(repr=False)
    values: Mapping[str, Any]

    def line_of(self, path: Sequence[str | int]) -> int:
        """The line, from 1, of the key at `path`, or of the nearest table around it that the file writes."""
        for length in range(len(path), 0, -1):
            if tuple(path[:length]) in self._lines:
                return self._lines[tuple(path[:length])]
        return 1

    def where(self, path: Sequence[str | int] = ()) -> str:
        """`half_plus_two.tfserving.toml:7`, or the file alone without a path."""
        return f"{shown(self.file)}:{self.line_of(path)}" if path else shown(self.file)

    @cached_property
    def _lines(self) -> Mapping[KeyPath, int]:
        return lines_of(self.text)


def load(file: Path) -> Document:
    """The document of a file. Raises SpecError with file, line and a caret where it cannot be read as TOML."""
    try:
        text = file.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        raise SpecError(f"{shown(file)} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise SpecError(f"{shown(file)}:{line}: not UTF-8, which TOML is: {error.reason}") from error
    try:
        return Document(file, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise SpecError(_explained(file, text, str(error))) from error
    except RecursionError as error:
        raise SpecError(f"{shown(file)}: arrays or tables are nested too deep to be read") from error


def line_of(text: str, path: Sequence[str | int]) -> int:
    """The line, from 1, of the key at `path` in valid TOML; of the nearest table around it where it has none."""
    return Document(Path(), text, {}).line_of(path)


def lines_of(text: str) -> dict[KeyPath, int]:
    """The first line of every key, table and array element of valid TOML text."""
    return _Lines(text).read()


def dotted(path: Sequence[str | int]) -> str:
    """A path as TOML writes it, with an index in brackets: `goldens[1].path`, `inputs."a.b"`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if _BARE.fullmatch(part) else quoted(part))
    return text


def quoted(text: str) -> str:
    """Text as a basic string of TOML."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08X}" for c in escaped) + '"'


_BARE = re.compile(r"[A-Za-z0-9_-]+")
_PART = r"""(?:[A-Za-z0-9_-]+|"(?:\\.|[^"\\])*"|'[^']*')"""
_KEY = re.compile(rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*")
_STRING = re.compile(
    r'''"""(?:\\.|[^\\])*?"""+|\'\'\'.*?\'\'\'+|"(?:\\.|[^"\\])*"|'[^']*\'''', re.DOTALL
)  # up to five quotes end a multi-line string: two of them may be its own
_BARE_VALUE = re.compile(r"[^,\]}#\n]+")
_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")


class _Lines:
    """One reading of a valid document: statements, and in their values the elements and keys."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.found: dict[KeyPath, int] = {}
        self._sizes: dict[KeyPath, int] = {}  # how many tables each array of tables has so far
        self._counted, self._line = 0, 1

    def read(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        at = self._skip(0)
        while at < len(self.text):
            if self.text[at] != "[":
                at = self._pair(at, table)
            else:
                start, brackets = at, 2 if self.text.startswith("[[", at) else 1
                at = self._skip(at + brackets)
                parts, at = self._key(at)
                at = self._skip(at) + brackets
                table = self._resolved(parts, () if brackets == 1 else parts)
                self._note(table, start)
            at = self._skip(at)
        return self.found

    def _resolved(self, parts: list[str], array: Sequence[str]) -> KeyPath:
        """The path that a header means: each array of tables on the way stands for its last table."""
        path: KeyPath = ()
        for count, part in enumerate(parts, 1):
            path += (part,)
            if count == len(array):
                self._sizes[path] = self._sizes.get(path, 0) + 1
            if path in self._sizes:
                path += (self._sizes[path] - 1,)
        return path

    def _pair(self, at: int, table: KeyPath) -> int:
        """Takes `key = value`."""
        parts, end = self._key(at)
        path = (*table, *parts)
        self._note(path, at)
        return self._value(self._skip(self._skip(end) + 1), path)

    def _value(self, at: int, path: KeyPath) -> int:
        opening = self.text[at]
        if opening not in "[{":
            match = (_STRING if opening in "\"'" else _BARE_VALUE).match(self.text, at)
            return match.end() if match else at + 1
        at, index = self._skip(at + 1), 0
        while self.text[at] not in "]}":
            if opening == "[":
                self._note((*path, index), at)
                at, index = self._value(at, (*path, index)), index + 1
            else:
                at = self._pair(at, path)
            at = self._skip(at)
            if self.text[at] == ",":
                at = self._skip(at + 1)
        return at + 1

    def _key(self, at: int) -> tuple[list[str], int]:
        """The parts of a dotted key, and where it ends."""
        match = _KEY.match(self.text, at)
        if match is None:
            raise ValueError(f"no key at {at}: the text is not valid TOML")
        if _BARE.fullmatch(match[0]):
            return [match[0]], match.end()
        parts, value = [], tomllib.loads(f"{match[0]} = 0")
        while isinstance(value, dict):
            [(part, value)] = value.items()
            parts.append(part)
        return parts, match.end()

    def _note(self, path: KeyPath, at: int) -> None:
        """The line of `path`, and of the tables around it that nothing wrote before."""
        self._line += self.text.count("\n", self._counted, at)
        self._counted = at
        for length in range(len(path), 0, -1):
            if self.found.setdefault(path[:length], self._line) != self._line:
                break

    def _skip(self, at: int) -> int:
        """Behind space, line ends and comments."""
        match = _SPACE.match(self.text, at)
        return match.end() if match else at


_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_TWICE = ("Cannot overwrite", "Cannot declare", "Cannot mutate", "Duplicate inline table key", "Cannot redefine")


def _explained(file: Path, text: str, message: str) -> str:
    """tomllib's message with the file, the line that it means and a caret."""
    lines = text.split("\n")
    place = _AT.search(message)
    number, column = (int(place[1]), int(place[2])) if place and place[1] else (len(lines), len(lines[-1]) + 1)
    what = message[: place.start()] if place else message
    line = lines[number - 1] if number <= len(lines) else ""
    if what.startswith(_TWICE):
        what = f"a key or table stands twice{_first(lines[: number - 1], line)}"
        column = len(line) - len(line.lstrip()) + 1
    elif what == "Invalid value":
        what += "; text stands in quotes, true and false are small letters"
    return f"{shown(file)}:{number}: {what[0].lower() + what[1:]}\n    {line}\n    {' ' * (column - 1)}^"


def _first(before: list[str], line: str) -> str:
    """Where the key or table of a line stood before, as a clause; empty where that cannot be told."""
    header = re.match(r"\s*\[{1,2}\s*", line)
    match = _KEY.match(line, header.end() if header else len(line) - len(line.lstrip()))
    if match is None:
        return ""
    pattern = re.compile(rf"\s*\[{{1,2}}\s*{re.escape(match[0])}\s*\]" if header else rf"\s*{re.escape(match[0])}\s*=")
    for number, earlier in reversed(list(enumerate(before, 1))):
        if pattern.match(earlier):
            return f", {match[0]}, first on line {number}"
        if not header and earlier.lstrip().startswith("["):
            break
    return f", {match[0]}"
