"""Golden files: where they are, what they hold, and how answers are written into them.

A file holds one case at its top level, or several by name under `cases`:

    {
      "signature_name": "serving_default",
      "cases": {
        "three-values": {
          "inputs": {"x": [1.0, 2.0, 5.0]},
          "outputs": {"y": {"dtype": "float32", "shape": [3], "values": [2.5, 3.0, 4.5]}}
        }
      },
      "provenance": {"backend": "embedded", "tensorflow": "2.21.0", ...}
    }

A request is `inputs` or `instances`, an answer `outputs` or `predictions`, as in the bodies of TensorFlow Serving's
REST API; so a file, or a pair NAME.request.json and NAME.response.json, can be made with curl. In place of an answer
`expect_error` says how the server must refuse (refusal.py). Recording writes exact tensors (exact.py) and leaves
requests as they were written, and refusals alone.
"""

from __future__ import annotations

import glob
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pytest_tfserving.errors import GoldenError
from pytest_tfserving.files import shown, write_text
from pytest_tfserving.golden.refusal import ExpectedError, read_expected_error
from pytest_tfserving.golden.text import dumps, loads, with_verbatim

TRANSPORTS = ("rest", "grpc")

_REQUEST_KEYS = ("inputs", "instances")
_ANSWER_KEYS = ("outputs", "predictions")
_CASE_KEYS = {*_REQUEST_KEYS, *_ANSWER_KEYS, "expect_error", "signature_name", "transport", "description"}
_FILE_KEYS = {*_CASE_KEYS, "cases", "provenance"}
_REQUEST_SUFFIX, _RESPONSE_SUFFIX = ".request.json", ".response.json"


@dataclass(frozen=True)
class Case:
    """One golden case: a request, and the answer if one was recorded, or the refusal that is expected.

    `id` is the file's stem with the case's name, for the test's id. `key` is its name in the file's `cases`, None at
    the top level. `request` and `answer` are JSON objects with one of the keys above each. `transport` is the one
    that alone can carry the case (REST has no half, no complex, no empty batch of rows), None where both can.
    """

    id: str
    file: Path
    key: str | None
    signature_name: str | None
    request: Mapping[str, Any]
    answer: Mapping[str, Any] | None
    provenance: Mapping[str, str]
    transport: str | None = None
    expected_error: ExpectedError | None = None

    @property
    def where(self) -> str:
        """The case as a message names it: the file, and the case's name in it."""
        return where(self.file, self.key)


def where(file: Path, key: str | None = None) -> str:
    """A file, and a case in it, as a message names them: from the working directory where it lies below that."""
    return shown(file) + (f" [{key}]" if key is not None else "")


def find_files(pattern: str, base: Path) -> list[Path]:
    """The golden files that a marker's path means: a file, every one in a directory, or a glob; sorted.

    A path without its `.json` is found too. Raises GoldenError where there is none.
    """
    path = base / pattern
    try:
        return _find(path, pattern, base)
    except OSError as error:
        raise GoldenError(f"{path} cannot be read: {error.strerror}") from error


def _find(path: Path, pattern: str, base: Path) -> list[Path]:
    if path.is_dir():
        files = sorted(path.glob("*.json"))
        problem = f"no golden (*.json) in the directory {path}"
    elif glob.has_magic(pattern):
        escaped = Path(glob.escape(str(base))) / pattern  # the directory's own brackets are no pattern
        files = sorted(Path(name) for name in glob.glob(str(escaped), recursive=True))  # noqa: PTH207  # absolute too
        problem = f"no golden matches {path}"
    else:
        files = [file for file in (path, Path(f"{path}.json"), Path(f"{path}{_REQUEST_SUFFIX}")) if file.is_file()][:1]
        problem = f"no golden {path}"
    files = [file for file in files if not file.name.endswith(_RESPONSE_SUFFIX)]
    if not files:
        name = path if path.suffix == ".json" else path / "first.json"
        raise GoldenError(
            f'{problem}. Write a request such as {{"inputs": {{"x": [1.0, 2.0]}}}} into {name}, '
            f"then record its answer with `pytest --tfserving-update`"
        )
    return files


def read_cases(file: Path) -> list[Case]:
    """The cases of a file. Raises GoldenError where it is unreadable or not of the form above."""
    document = _read(file)
    unknown = set(document) - _FILE_KEYS
    if unknown:
        raise GoldenError(f"{file}: unknown key {sorted(unknown)[0]!r}; a golden has {', '.join(sorted(_FILE_KEYS))}")
    provenance = document.get("provenance", {})
    if "cases" not in document:
        return [case_of(file, None, document, document.get("signature_name"), provenance)]
    cases = document["cases"]
    if not isinstance(cases, dict) or not cases or any(key in document for key in (*_REQUEST_KEYS, *_ANSWER_KEYS)):
        raise GoldenError(f"{file}: `cases` is an object of one or more cases by name, and holds all of them")
    return [case_of(file, key, case, document.get("signature_name"), provenance) for key, case in cases.items()]


def case_of(
    file: Path,
    key: str | None,
    case: Any,
    signature_name: Any = None,
    provenance: Mapping[str, str] = MappingProxyType({}),
    *,
    case_id: str | None = None,
) -> Case:
    """The case that an object says, which stands in `file` under `key` (None: it is the whole file).

    `signature_name` is the file's, for a case that names none. `case_id` is the case's id where that is not made of
    the file's stem and the key. Raises GoldenError, naming the place, for an object of another form.
    """

    def refused(problem: str) -> GoldenError:
        return GoldenError(f"{where(file, key)}: {problem}")

    if not isinstance(case, Mapping):
        raise refused("a case is an object with `inputs` or `instances`")
    unknown = set(case) - (_FILE_KEYS if key is None else _CASE_KEYS)
    if unknown:
        raise refused(f"unknown key {sorted(unknown)[0]!r}; a case has {', '.join(sorted(_CASE_KEYS))}")
    requests = {name: case[name] for name in _REQUEST_KEYS if name in case}
    answers = {name: case[name] for name in _ANSWER_KEYS if name in case}
    if len(requests) != 1:
        raise refused(f"a case has either `inputs` or `instances`; this has {' and '.join(requests) or 'none'}")
    if len(answers) > 1:
        raise refused("a case has either `outputs` or `predictions`, not both")
    expected_error = read_expected_error(case["expect_error"], where(file, key)) if "expect_error" in case else None
    if expected_error and answers:
        raise refused(f"a case has either an answer or `expect_error`; this has {next(iter(answers))} and expect_error")
    name = case.get("signature_name", signature_name)
    if name is not None and not isinstance(name, str):
        raise refused(f"signature_name is {name!r}; a signature's name was expected")
    transport = case.get("transport")
    if transport not in (None, *TRANSPORTS):
        raise refused(f"transport is {transport!r}; rest or grpc was expected")
    stem = file.name.removesuffix(_REQUEST_SUFFIX) if file.name.endswith(_REQUEST_SUFFIX) else file.stem
    if case_id is None:
        case_id = stem if key is None else f"{stem}-{key}"
    return Case(case_id, file, key, name, requests, answers or None, provenance, transport, expected_error)


def read_answer(file: Path) -> Case | None:
    """The case of a golden that a test's body checks: an answer alone, no request. None where there is no file."""
    if not file.exists():
        return None
    document = _read(file)
    answers = {name: document[name] for name in _ANSWER_KEYS if name in document}
    unknown = set(document) - {*_ANSWER_KEYS, "description", "provenance"}
    if unknown or len(answers) != 1:
        raise GoldenError(f"{file}: a golden of a test's body has `outputs` (and `provenance`), nothing else")
    return Case(file.stem, file, None, None, {}, answers, document.get("provenance", {}))


def write_answers(file: Path, answers: Mapping[str | None, Mapping[str, Any]], provenance: Mapping[str, str]) -> Path:
    """Writes the recorded outputs of some of a file's cases, by key, in one step; gives the file that was written.

    `answers` are recorded tensors by output name. What a person wrote, requests above all, keeps its layout.
    """
    if file.name.endswith(_REQUEST_SUFFIX):
        document: dict[str, Any] = {"outputs": dict(answers[None]), "provenance": dict(provenance)}
        file = _response_of(file)
        write_text(file, dumps(document))
        return file
    kept = (*_REQUEST_KEYS, "description", "expect_error")
    file.parent.mkdir(parents=True, exist_ok=True)
    document = with_verbatim(file.read_text(encoding="utf-8"), kept, named="cases") if file.exists() else {}
    for key, outputs in answers.items():
        case = document if key is None else document["cases"][key]
        for old in _ANSWER_KEYS:
            case.pop(old, None)
        case["outputs"] = dict(outputs)
    document.pop("provenance", None)
    document["provenance"] = dict(provenance)
    write_text(file, dumps(document))
    return file


def _read(file: Path) -> dict[str, Any]:
    document = loads(_text(file), str(file))
    if not isinstance(document, dict):
        raise GoldenError(f"{file}: a golden is a JSON object, this is {type(document).__name__}")
    if file.name.endswith(_REQUEST_SUFFIX):
        response = _response_of(file)
        if response.is_file():
            answer = loads(_text(response), str(response))
            if isinstance(answer, dict) and "error" in answer:
                raise GoldenError(
                    f"{response}: an error was recorded, not an answer: {answer['error']}; if the server is right, "
                    f'write "expect_error" into {file.name} and remove the response'
                )
            if not isinstance(answer, dict) or not set(answer) & {*_ANSWER_KEYS}:
                raise GoldenError(f"{response}: a response has `predictions` or `outputs`")
            document |= answer
    return document


def _response_of(request: Path) -> Path:
    return request.with_name(request.name.removesuffix(_REQUEST_SUFFIX) + _RESPONSE_SUFFIX)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise GoldenError(f"{file} cannot be read: {error}") from error
