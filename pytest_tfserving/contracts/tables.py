"""Kinds of values that hold others (kinds.py): lists, tables of known keys, tables of names that a person chose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_tfserving.contracts.kinds import Kind, Problem
from pytest_tfserving.suggestion import did_you_mean
from pytest_tfserving.toml import KeyPath, dotted


@dataclass(frozen=True)
class Many(Kind):
    """A list, of `least` to `most` elements."""

    of: Kind
    example: str
    expected: str
    least: int = 0
    most: int | None = None
    types = (list,)

    def problems_inside(self, value: Sequence[Any], path: KeyPath) -> Iterator[Problem]:
        if len(value) < self.least or (self.most is not None and len(value) > self.most):
            yield self.refused(value, path)
        for index, item in enumerate(value):
            yield from self.of.problems(item, (*path, index))

    def gaps(self, value: Any, path: KeyPath) -> Iterator[Problem]:
        for index, item in enumerate(value) if isinstance(value, list) else ():
            yield from self.of.gaps(item, (*path, index))

    def based(self, value: Any, base: Path) -> Any:
        return [self.of.based(item, base) for item in value] if isinstance(value, list) else value

    def schema(self) -> dict[str, Any]:
        sizes = {"minItems": self.least or None, "maxItems": self.most}
        items = self.of.schema()
        if self.of.requirements():  # a list is taken from one file as a whole
            items = {"allOf": [items, self.of.requirements()]}
        return {"type": "array", "items": items, **{k: v for k, v in sizes.items() if v is not None}}


@dataclass(frozen=True)
class Either(Kind):
    """One of several kinds, told apart by TOML's type."""

    kinds: tuple[Kind, ...]

    @property
    def types(self) -> tuple[type, ...]:  # type: ignore[override]
        return tuple(kind for choice in self.kinds for kind in choice.types)

    @property
    def expected(self) -> str:  # type: ignore[override]
        return " or ".join(choice.expected for choice in self.kinds)

    @property
    def example(self) -> str:  # type: ignore[override]
        return self.kinds[0].example

    def takes(self, value: object) -> bool:
        return any(kind.takes(value) for kind in self.kinds)

    def problems_inside(self, value: Any, path: KeyPath) -> Iterator[Problem]:
        yield from next(kind for kind in self.kinds if kind.takes(value)).problems_inside(value, path)

    def gaps(self, value: Any, path: KeyPath) -> Iterator[Problem]:
        for kind in self.kinds:
            if kind.takes(value):
                yield from kind.gaps(value, path)

    def based(self, value: Any, base: Path) -> Any:
        return next((kind.based(value, base) for kind in self.kinds if kind.takes(value)), value)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [kind.schema() for kind in self.kinds]}

    def requirements(self) -> dict[str, Any]:
        return next(filter(None, (kind.requirements() for kind in self.kinds)), {})  # heeded by tables alone


@dataclass(frozen=True)
class Key:
    """One key of a table: what it takes and, for editors and docs, what it means."""

    kind: Kind
    description: str
    required: bool = False


@dataclass(frozen=True)
class Table(Kind):
    """A table of known keys. `elsewhere` says where keys belong that are often put here."""

    keys: Mapping[str, Key] = field(hash=False)
    elsewhere: Mapping[str, str] = field(default_factory=dict, hash=False)
    example: str = "{}"
    expected: str = "a table"
    types = (dict,)

    def problems_inside(self, value: Mapping[str, Any], path: KeyPath) -> Iterator[Problem]:
        for name, item in value.items():
            if name in self.keys:
                yield from self.keys[name].kind.problems(item, (*path, name))
            else:
                yield Problem((*path, name), self._unknown(name, path))

    def gaps(self, value: Any, path: KeyPath) -> Iterator[Problem]:
        for name, key in self.keys.items() if isinstance(value, Mapping) else ():
            if name in value:
                yield from key.kind.gaps(value[name], (*path, name))
            elif key.required:
                yield Problem(path, f"{dotted(path)} has no {name}; write {name} = {key.kind.example}")

    def based(self, value: Any, base: Path) -> Any:
        if not isinstance(value, dict):
            return value
        return {
            name: self.keys[name].kind.based(item, base) if name in self.keys else item for name, item in value.items()
        }

    def schema(self) -> dict[str, Any]:
        properties = {
            name: {"description": key.description.replace("`", ""), **key.kind.schema()}
            for name, key in self.keys.items()
        }
        return {"type": "object", "properties": properties, "additionalProperties": False}

    def requirements(self) -> dict[str, Any]:
        inner = {name: key.kind.requirements() for name, key in self.keys.items()}
        parts = {
            "required": [name for name, key in self.keys.items() if key.required],
            "properties": {name: schema for name, schema in inner.items() if schema},
        }
        return {word: part for word, part in parts.items() if part}

    def _unknown(self, name: str, path: KeyPath) -> str:
        if name in self.elsewhere:
            return f"unknown key {dotted((*path, name))}; {name} belongs {self.elsewhere[name]}"
        meant = did_you_mean(name, self.keys)
        return f"unknown key {dotted((*path, name))}{meant} (known: {', '.join(self.keys)})"


@dataclass(frozen=True)
class Named(Kind):
    """A table of values by names that a person chose; `example` is one with its name."""

    of: Kind
    example: str
    expected: str
    types = (dict,)

    def problems_inside(self, value: Mapping[str, Any], path: KeyPath) -> Iterator[Problem]:
        for name, item in value.items():
            yield from self.of.problems(item, (*path, name))

    def gaps(self, value: Any, path: KeyPath) -> Iterator[Problem]:
        for name, item in value.items() if isinstance(value, Mapping) else ():
            yield from self.of.gaps(item, (*path, name))

    def based(self, value: Any, base: Path) -> Any:
        return {n: self.of.based(item, base) for n, item in value.items()} if isinstance(value, dict) else value

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": self.of.schema()}

    def requirements(self) -> dict[str, Any]:
        inner = self.of.requirements()
        return {"additionalProperties": inner} if inner else {}
