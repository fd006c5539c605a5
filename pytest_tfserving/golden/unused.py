"""Goldens that no test uses, found beside those that tests use.

A file is a golden by its name and by what it holds: a request with its answer, or the answer of a test's body. What
nobody recorded or answered, such as a configuration, a notebook or a request that a test sends itself, is none.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from pytest_tfserving.errors import GoldenError
from pytest_tfserving.golden.case import FILE_KEYS, REQUEST_SUFFIX, RESPONSE_SUFFIX
from pytest_tfserving.golden.formats.document import read_object
from pytest_tfserving.golden.store import find_files, is_golden_name, is_log, read_answer, read_cases
from pytest_tfserving.golden.text import is_exact, npz_keys
from pytest_tfserving.golden.uses import Uses
from pytest_tfserving.warmup_file import WARMUP_FILE

# How a golden's text begins, a file or a line: so what is none, of any size, is not read as one.
_BEGINNING = re.compile(r'\s*\{\s*"(\w+)"\s*:')
_SNIFFED = 4096


class Unused(NamedTuple):
    """A golden that no test uses, and the files beside it that hold its values."""

    file: Path
    beside: tuple[Path, ...] = ()


def used_files(uses: Uses) -> set[Path]:
    """The goldens that a run's tests use, run or skipped."""
    files = {Path(file) for file in uses.bodies}
    for pattern, base in uses.asked:
        with suppress(GoldenError):  # its test has failed for that
            files |= set(find_files(pattern, Path(base)))
    return files


def find_unused(
    used: Collection[Path], root: Path, passed_over: Iterable[str] = (), *, bodies: bool = True
) -> list[Unused]:
    """The unused goldens in the directories of `used` files and below, sorted; with their .npz and .response.json.

    An .npz with recorded arrays and a response whose golden is gone are listed too. Nothing outside of `root` is, and
    nothing that lies behind a symbolic link, in an export, or in a directory whose name begins with a dot or matches
    `passed_over`. `bodies` False leaves out the goldens of tests' bodies.
    """
    # One that is named in full may have any suffix, and its .npz then looks like one whose golden is gone.
    known = {_identity(path) for file in used for path in (file, file.with_suffix(".npz"))} - {None}
    found: dict[Path, Unused] = {}
    root = _absolute(root)
    for directory in sorted({_absolute(file).parent for file in used}):
        # Below the root lies everything, other people's tests too.
        for file in _files(directory, root, tuple(passed_over), below=directory != root):
            if _identity(file) in known:
                continue
            if is_golden_name(file) and _is_golden(file, bodies=bodies):
                found[file] = Unused(file, tuple(path for path in _beside(file) if _is_plain(path)))
            elif _is_left_over(file):
                npz = file.with_suffix(".npz")
                found[file] = Unused(file, (npz,) if npz != file and _is_plain(npz) else ())
    belonging = {path for unused in found.values() for path in unused.beside}
    return [found[file] for file in sorted(found) if file not in belonging]


def remove(goldens: Iterable[Unused]) -> tuple[list[Path], list[str]]:
    """Removes them with what lies beside; what was removed, and why others could not be."""
    removed, problems = [], []
    for file in [path for golden in goldens for path in (golden.file, *golden.beside)]:
        try:
            file.unlink()
            removed.append(file)
        except OSError as error:
            problems.append(f"{file} cannot be removed: {error.strerror}")
    return removed, problems


def _files(directory: Path, root: Path, passed_over: tuple[str, ...], *, below: bool) -> Iterator[Path]:
    """The files of a directory in `root`, and those below it."""
    if not directory.is_relative_to(root) or directory.resolve() != root.resolve() / directory.relative_to(root):
        return
    for where, directories, files in os.walk(directory):  # links are not followed
        if "saved_model.pb" in files or Path(where).name == WARMUP_FILE.parent.name:
            directories.clear()  # an export: its warm-up file and assets are its own
            continue
        directories[:] = [
            name
            for name in sorted(directories)
            if below and not name.startswith(".") and not any(fnmatch(name, pattern) for pattern in passed_over)
        ]
        yield from (path for path in (Path(where, name) for name in files) if _is_plain(path))


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100  # what is a link must be seen to be one


def _is_plain(file: Path) -> bool:
    return file.is_file() and not file.is_symlink()


def _identity(file: Path) -> tuple[int, int] | None:
    """By which a file is known under each of its names, on a file system that ignores case too."""
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


def _beside(file: Path) -> Iterator[Path]:
    """Where a golden's answers and large tensors may lie."""
    if file.name.endswith(REQUEST_SUFFIX):
        response = file.with_name(file.name.removesuffix(REQUEST_SUFFIX) + RESPONSE_SUFFIX)
    elif file.suffix == ".json":
        if any(npz_keys(read_object(file))):  # else an .npz of that name is a person's
            yield file.with_suffix(".npz")
        return
    else:
        response = file.with_name(file.name + RESPONSE_SUFFIX)
    yield response
    yield response.with_suffix(".npz")


def _is_golden(file: Path, *, bodies: bool) -> bool:
    """Whether what a file holds is a golden's: read as far as that needs."""
    try:
        if is_log(file):
            return any(path.is_file() for path in _beside(file)) or _begins_with_an_answer(file)
        if not _begins_as_golden(file):
            return False
        with suppress(GoldenError):
            return any(case.answer is not None or case.expected_error is not None for case in read_cases(file))
        return bodies and file.suffix == ".json" and _is_of_body(file)
    except (GoldenError, OSError, ValueError):
        return False


def _begins_as_golden(file: Path) -> bool:
    with file.open(encoding="utf-8", errors="replace") as stream:
        beginning = _BEGINNING.match(stream.read(_SNIFFED))
    return beginning is not None and beginning[1] in FILE_KEYS


def _begins_with_an_answer(log: Path) -> bool:
    from pytest_tfserving.golden.formats.prediction_log import first_log

    first = first_log(log)
    return first is not None and first.predict_log.HasField("response")


def _is_of_body(file: Path) -> bool:
    case = read_answer(file)
    outputs = case.answer.get("outputs") if case and case.answer else None
    return isinstance(outputs, dict) and bool(outputs) and all(map(is_exact, outputs.values()))


def _is_left_over(file: Path) -> bool:
    """Whether a file holds values of a golden that is gone."""
    if file.suffix == ".npz":
        return not file.with_suffix(".json").exists() and _has_recorded_arrays(file)
    if not file.name.endswith(RESPONSE_SUFFIX):
        return False
    stem = file.name.removesuffix(RESPONSE_SUFFIX)
    if any(file.with_name(name).exists() for name in (stem, stem + REQUEST_SUFFIX)):
        return False
    from pytest_tfserving.golden.formats.responses import read_responses

    try:
        if not _begins_as_golden(file):
            return False
        if {*read_object(file)} & {"cases"}:
            return bool(read_responses(file.with_name(stem)).cases)
        return read_answer(file) is not None
    except (GoldenError, OSError):
        return False


def _has_recorded_arrays(file: Path) -> bool:
    from pytest_tfserving.golden.formats.npz import is_recorded

    try:
        with zipfile.ZipFile(file) as archive:
            return any(is_recorded(name.removesuffix(".npy")) for name in archive.namelist())
    except (OSError, ValueError, zipfile.BadZipFile):
        return False
