"""Golden files: where they are, and which kind each of them is.

What a file holds and how answers are recorded is a matter of its kind (formats/): JSON of cases, JSON Lines of
requests, a TFRecord file of PredictionLogs.
"""

from __future__ import annotations

import glob
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from pytest_tfserving.errors import GoldenError
from pytest_tfserving.golden.case import (
    ANSWER_KEYS,
    REQUEST_SUFFIX,
    RESPONSE_SUFFIX,
    TRANSPORTS,
    Case,
    DamagedGoldenError,
    case_of,
    where,
)
from pytest_tfserving.golden.formats.document import read_object, with_stored
from pytest_tfserving.golden.formats.format import Answers, Format, Written
from pytest_tfserving.warmup_file import WARMUP_FILE

__all__ = [
    "TRANSPORTS", "Case", "DamagedGoldenError", "case_of", "find_files", "is_golden_name", "is_log", "read_answer",
    "read_cases", "where", "write_answers",
]  # fmt: skip

_LOGS = (".tfrecord", ".tfrecords")
_LINES = ".jsonl"
_FOUND = (".json", _LINES, *_LOGS)

# What lies beside a golden and belongs to it.
_BESIDE = (RESPONSE_SUFFIX, ".npz")


def find_files(pattern: str, base: Path) -> list[Path]:
    """The golden files that a marker's path means: a file, every one in a directory, or a glob; sorted.

    A path without its suffix is found too. Raises GoldenError where there is none.
    """
    path = base / pattern
    try:
        return _find(path, pattern, base)
    except OSError as error:
        raise GoldenError(f"{path} cannot be read: {error.strerror}") from error


def _find(path: Path, pattern: str, base: Path) -> list[Path]:
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if is_golden_name(file))
        problem = f"no golden (*.json) in the directory {path}"
    elif glob.has_magic(pattern):
        escaped = Path(glob.escape(str(base))) / pattern  # the directory's own brackets are no pattern
        files = sorted(Path(name) for name in glob.glob(str(escaped), recursive=True))  # noqa: PTH207  # absolute too
        problem = f"no golden matches {path}"
    else:
        named = (path, *(Path(f"{path}{suffix}") for suffix in (".json", REQUEST_SUFFIX, *_FOUND[1:])))
        files = [file for file in named if file.is_file()][:1]
        problem = f"no golden {path}"
    files = [file for file in files if not file.name.endswith(_BESIDE)]
    if not files:
        name = path if path.suffix == ".json" else path / "first.json"
        raise GoldenError(
            f'{problem}. Write a request such as {{"inputs": {{"x": [1.0, 2.0]}}}} into {name}, '
            f"then record its answer with `pytest --tfserving-update`"
        )
    return files


def is_golden_name(file: Path) -> bool:
    """Whether a directory's file is a golden by its name."""
    return (file.name.endswith(_FOUND) and not file.name.endswith(_BESIDE)) or file.name == WARMUP_FILE.name


def is_log(file: Path) -> bool:
    """Whether a file is one of PredictionLogs by its name."""
    return file.name.endswith(_LOGS) or file.name == WARMUP_FILE.name


def format_of(file: Path) -> Format:
    """The kind of a file, by its name: JSON where nothing else is said."""
    if is_log(file):
        from pytest_tfserving.golden.formats.prediction_log import PredictionLogFile  # it needs numpy and protobuf

        return PredictionLogFile()
    if file.name.endswith(_LINES):
        from pytest_tfserving.golden.formats.json_lines import JsonLines

        return JsonLines()
    from pytest_tfserving.golden.formats.json_file import JsonFile

    return JsonFile()


def read_cases(file: Path) -> list[Case]:
    """The cases of a file. Raises GoldenError where it cannot be used.

    DamagedGoldenError has the cases before the damage, of a file that is one of many requests.
    """
    return format_of(file).read(file)


def read_answer(file: Path) -> Case | None:
    """The case of a golden that a test's body checks: an answer alone, no request. None where there is no file."""
    if not file.exists():
        return None
    document = with_stored(read_object(file), file, where(file))
    answers = {name: document[name] for name in ANSWER_KEYS if name in document}
    unknown = set(document) - {*ANSWER_KEYS, "description", "provenance"}
    if unknown or len(answers) != 1:
        raise GoldenError(f"{file}: a golden of a test's body has `outputs` (and `provenance`), nothing else")
    return Case(file.stem, file, None, None, {}, answers, document.get("provenance", {}))


def write_answers(
    file: Path, answers: Answers, provenance: Mapping[str, str], asked: Mapping[str, str] = MappingProxyType({})
) -> Written:
    """Records the outputs of some of a file's cases, by key, in one step; says where, and how many are new.

    `answers` are recorded tensors by output name, `asked` the marks of their requests where those have any
    (Case.mark). Raises OSError, and GoldenError where the file is no longer what it was.
    """
    return format_of(file).write(file, answers, provenance, asked)
