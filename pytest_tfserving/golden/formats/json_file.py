"""A golden in JSON, its large tensors in an .npz beside it.

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

A file, or a pair NAME.request.json and NAME.response.json, can be made with curl (case.py has the forms).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_tfserving.errors import GoldenError
from pytest_tfserving.golden.case import (
    ANSWER_KEYS,
    FILE_KEYS,
    REQUEST_KEYS,
    REQUEST_SUFFIX,
    RESPONSE_SUFFIX,
    Case,
    case_of,
    where,
)
from pytest_tfserving.golden.formats.answers import write_answers
from pytest_tfserving.golden.formats.document import read_object, read_text, with_stored
from pytest_tfserving.golden.formats.format import Answers, Written
from pytest_tfserving.golden.text import loads


class JsonFile:
    """JSON files of cases, and pairs of a request's and an answer's file."""

    def read(self, file: Path) -> list[Case]:
        """The cases of a file. Raises GoldenError where it is unreadable or not of the form above."""
        document = read_object(file)
        answers_in = file
        if file.name.endswith(REQUEST_SUFFIX):
            answers_in = _response_of(file)
            document |= _read_response(file, answers_in)
        unknown = set(document) - FILE_KEYS
        if unknown:
            raise GoldenError(
                f"{file}: unknown key {sorted(unknown)[0]!r}; a golden has {', '.join(sorted(FILE_KEYS))}"
            )
        signature_name, provenance = document.get("signature_name"), document.get("provenance", {})
        if "cases" not in document:
            case = with_stored(document, answers_in, where(answers_in))
            return [case_of(file, None, case, signature_name, provenance)]
        cases = document["cases"]
        if not isinstance(cases, dict) or not cases or any(key in document for key in (*REQUEST_KEYS, *ANSWER_KEYS)):
            raise GoldenError(f"{file}: `cases` is an object of one or more cases by name, and holds all of them")
        return [
            case_of(file, key, with_stored(case, file, where(file, key)), signature_name, provenance)
            for key, case in cases.items()
        ]

    def write(
        self,
        file: Path,
        answers: Answers,
        provenance: Mapping[str, str],
        asked: Mapping[str, str],  # noqa: ARG002  # a request has no mark: its answer is written into its own case
    ) -> Written:
        """Writes recorded outputs into their cases, of a pair into the response."""
        return write_answers(_response_of(file), answers, provenance)


def _response_of(file: Path) -> Path:
    """The file that holds the answers: of a request that has a file of its own, the response beside it."""
    if file.name.endswith(REQUEST_SUFFIX):
        return file.with_name(file.name.removesuffix(REQUEST_SUFFIX) + RESPONSE_SUFFIX)
    return file


def _read_response(request: Path, response: Path) -> dict[str, Any]:
    if not response.is_file():
        return {}
    answer = loads(read_text(response), str(response))
    if isinstance(answer, dict) and "error" in answer:
        raise GoldenError(
            f"{response}: an error was recorded, not an answer: {answer['error']}; if the server is right, "
            f'write "expect_error" into {request.name} and remove the response'
        )
    if not isinstance(answer, dict) or not set(answer) & {*ANSWER_KEYS}:
        raise GoldenError(f"{response}: a response has `predictions` or `outputs`")
    return answer
