"""Where an export is: a path as a person gives it -> a base directory of versions, or one version.

A base directory holds a directory a version, named by its number, as tensorflow_model_server wants it. A SavedModel
that lies at the path itself is one version: the number that the directory is named by, else 1.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from pytest_tfserving.errors import ExportError

__tracebackhide__ = True  # a failing test's report ends at the test's own line

SAVED_MODEL_FILES = ("saved_model.pb", "saved_model.pbtxt")

_DEPTH_OF_SEARCH = 4
_MAX_SEARCHED = 2_000


@dataclass(frozen=True)
class Export:
    """An export on disk. `versions` maps each number to its SavedModel directory; there is at least one."""

    path: Path
    versions: Mapping[int, Path]

    @property
    def latest(self) -> int:
        """The version that a server serves when it is told nothing: the highest."""
        return max(self.versions)


def find_export(path: Path) -> Export:
    """The export at `path`. Raises ExportError where there is none, naming the nearest that there is."""
    path = Path(os.path.abspath(path))  # noqa: PTH100  # not resolve(): a link's own name is the model's name
    try:
        return _find(path)
    except OSError as error:
        raise ExportError(f"{path} cannot be read: {error.strerror}") from error


def _find(path: Path) -> Export:
    if not path.exists():
        raise ExportError(f"no such directory: {path}{_suggestion(path)}")
    if not path.is_dir():
        raise ExportError(f"{path} is a file; an export is the directory that holds saved_model.pb{_suggestion(path)}")
    if holds_saved_model(path):
        return Export(path, {int(path.name) if _is_number(path.name) else 1: path})
    # Of two directories with the same number a server takes the last by name: 1 over 01.
    numbered = {int(child.name): child for child in sorted(path.iterdir()) if _is_number(child.name) and child.is_dir()}
    versions = {number: child for number, child in numbered.items() if holds_saved_model(child)}
    if not versions:
        empty = f" (nothing in {', '.join(f'{child.name}/' for child in numbered.values())})" if numbered else ""
        raise ExportError(
            f"no SavedModel in {path}: neither saved_model.pb nor a numbered directory such as 1/saved_model.pb"
            f"{empty}{_suggestion(path)}"
        )
    if max(numbered) not in versions:
        newest = numbered[max(numbered)]
        raise ExportError(
            f"no SavedModel in {newest}, the newest version of {path}; a server would try to load it and stop. "
            f"Export it again, or remove the directory"
        )
    return Export(path, versions)


def name_of_path(path: Path) -> str:
    """The model's name that a path implies: its last part, or the one before where the last is a version's number."""
    return path.parent.name if _is_number(path.name) and path.parent.name else path.name


def holds_saved_model(path: Path) -> bool:
    """Whether a SavedModel lies in the directory itself."""
    return any((path / name).is_file() for name in SAVED_MODEL_FILES)


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit()


def _suggestion(path: Path) -> str:
    """The export nearest to a path that is none: below it, else beside or above it, most similar name first."""
    for start in [path, *path.parents][:3]:
        found = [candidate for candidate in _exports_below(start) if candidate != path] if start.is_dir() else []
        if found:
            similar = get_close_matches(str(path), [str(candidate) for candidate in found], n=1, cutoff=0)
            return f"; did you mean {similar[0]}?"
    return ""


def _exports_below(start: Path) -> Iterator[Path]:
    depth = len(start.parts)
    for count, (directory, children, _) in enumerate(os.walk(start)):
        here = Path(directory)
        if count > _MAX_SEARCHED:
            return
        children[:] = [c for c in sorted(children) if not c.startswith((".", "__"))]
        if holds_saved_model(here):
            yield here.parent if _is_number(here.name) and here.parent != start.parent else here
            children.clear()
        elif len(here.parts) - depth >= _DEPTH_OF_SEARCH:
            children.clear()
