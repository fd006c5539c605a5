"""A contract file with the files that it includes, as one table, and where each of its keys stands."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_tfserving.contracts.keys import CONTRACT
from pytest_tfserving.contracts.kinds import BasedPath, Problem
from pytest_tfserving.errors import SpecError
from pytest_tfserving.files import shown
from pytest_tfserving.suggestion import did_you_mean
from pytest_tfserving.toml import Document, KeyPath, load

_MOST_SHOWN = 20
_DEEPEST = 50


@dataclass(frozen=True)
class Sources:
    """The documents that a contract is made of, the one that wins first, and what they come to.

    Paths in `values` are BasedPath: each starts at the directory of the file that it stands in.
    """

    documents: tuple[Document, ...] = field(repr=False)
    values: Mapping[str, Any]

    def document_of(self, path: KeyPath) -> Document:
        """The document that the value at `path` comes from; the contract file itself for what stands in none."""
        return next((document for document in self.documents if holds(document.values, path)), self.documents[0])

    def where(self, path: KeyPath) -> str:
        """`half_plus_two.tfserving.toml:7`."""
        return self.document_of(path).where(path)

    def error(self, problems: Iterable[Problem]) -> SpecError:
        """All problems as one error, a line each and more for those with a caret, in the order of the file."""
        placed = [(self.document_of(p.path), self.document_of(p.path).line_of(p.path), p.sentence) for p in problems]
        return _error(sorted(placed, key=lambda item: (self.documents.index(item[0]), item[1])))


def read_sources(file: Path) -> Sources:
    """The contract file and its includes. Raises SpecError, naming file and line, for all that is wrong in their form.

    Included files come first and later ones win over earlier; the file itself wins over all, key by key. A list is
    replaced as a whole.
    """
    documents: list[Document] = []
    values = _read(_absolute(file), (), documents)
    documents.reverse()
    problems = [
        (document, document.line_of(problem.path), problem.sentence)
        for document in documents
        for problem in sorted(
            CONTRACT.problems(document.values, ()), key=lambda problem: document.line_of(problem.path)
        )
    ]
    if problems:
        raise _error(problems)
    return Sources(tuple(documents), values)


def holds(values: Any, path: KeyPath) -> bool:
    """Whether something stands at `path`."""
    for part in path:
        known = range(len(values)) if isinstance(values, list) else values if isinstance(values, Mapping) else ()
        if part not in known:
            return False
        values = values[part]
    return True


def merged(base: Mapping[str, Any], winner: Mapping[str, Any]) -> dict[str, Any]:
    """Both tables, key by key; where both have a value that is not a table, the winner's."""
    both = {**base, **winner}
    for key in base.keys() & winner.keys():
        if isinstance(base[key], Mapping) and isinstance(winner[key], Mapping):
            both[key] = merged(base[key], winner[key])
    return both


def _read(file: Path, chain: tuple[Path, ...], documents: list[Document]) -> dict[str, Any]:
    """The values of a file over those of its includes; appends each document behind those that it wins over."""
    document = load(file)
    chain = (*chain, file)
    base: dict[str, Any] = {}
    for position, included in _includes(document):
        target = _absolute(included.absolute)
        where = document.where(position)
        if len(chain) > _DEEPEST:
            raise SpecError(f"{where}: {_DEEPEST} files include each other down to here; include them side by side")
        for count, before in enumerate(chain):
            if os.path.realpath(before) == os.path.realpath(target):
                names = " -> ".join(shown(name) for name in (*chain[count:], target))
                raise SpecError(f"{where}: circular include: {names}")
        if not os.path.isfile(target):  # noqa: PTH113  # Path.is_file() raises where a name is too long
            raise SpecError(f"{where}: no such file to include: {target}{_similar(target)}")
        base = merged(base, _read(target, chain, documents))
    documents.append(document)
    return merged(base, CONTRACT.based({k: v for k, v in document.values.items() if k != "include"}, file.parent))


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100  # not resolve(): paths in a linked file start at the link


def _includes(document: Document) -> list[tuple[KeyPath, BasedPath]]:
    """The paths that a document includes, each with its place; none where `include` has another form."""
    given = document.values.get("include", [])
    listed: list[tuple[KeyPath, Any]] = [(("include",), given)]
    if isinstance(given, list):
        listed = [(("include", index), path) for index, path in enumerate(given)]
    return [
        (place, BasedPath(path, document.file.parent))
        for place, path in listed
        if isinstance(path, str) and path and "\0" not in path
    ]


def _similar(missing: Path) -> str:
    if not os.path.isdir(missing.parent):  # noqa: PTH112  # as above
        return f"; there is no directory {missing.parent}"
    names = [path.name for path in missing.parent.glob("*.toml")]
    return did_you_mean(missing.name, names)


def _error(problems: list[tuple[Document, int, str]]) -> SpecError:
    # A file that is included twice has each of its problems once.
    told = list(dict.fromkeys(f"{shown(document.file)}:{line}: {sentence}" for document, line, sentence in problems))
    lines, more = told[:_MOST_SHOWN], len(told) - _MOST_SHOWN
    return SpecError("\n".join([*lines, *([f"... and {more} more"] if more > 0 else [])]))
