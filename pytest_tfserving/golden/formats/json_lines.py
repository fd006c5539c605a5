"""Requests in JSON Lines: a case a line, as a golden's JSON has it (case.py). The file is never written to.

A case's key is the number of its line; answers are recorded beside (responses.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from pytest_tfserving.errors import GoldenError
from pytest_tfserving.golden.case import Case, Later, case_of, numbered_id, numbered_key, where
from pytest_tfserving.golden.formats.answers import is_answered, write_answers
from pytest_tfserving.golden.formats.format import Answers, Written
from pytest_tfserving.golden.formats.responses import check_requests, mark_of, read_responses, response_of
from pytest_tfserving.golden.text import loads
from pytest_tfserving.tfrecord import crc32c


class _Line(NamedTuple):
    """A line that is not blank, by its number, and where it begins."""

    number: int
    offset: int
    content: bytes

    @property
    def key(self) -> str:
        return numbered_key(self.number)

    @property
    def mark(self) -> str:
        """By which an answer knows its request."""
        return mark_of(crc32c(self.content.strip()))


class JsonLines:
    """Files of one request a line."""

    def read(self, file: Path) -> list[Case]:
        """The cases of a file; their values are read when they are asked for. Raises GoldenError."""
        responses = read_responses(file)
        cases = []
        for line in _lines(file):
            said = _parsed(file, line.number, line.content)
            case = case_of(file, line.key, said)
            given = None if case.answer is None else _later(file, line, *case.answer)
            recorded = None if case.expected_error else responses.answer(line.key, line.mark)
            cases.append(
                replace(
                    case,
                    id=numbered_id(file, line.key, case.signature_name),
                    request=_later(file, line, *case.request),
                    answer=given if recorded is None else recorded,
                    provenance=case.provenance if recorded is None else responses.provenance_of(line.key),
                    mark=line.mark,
                )
            )
        if not cases:
            raise GoldenError(f'{file} has no request; write one a line, such as {{"inputs": {{"x": [1.0, 2.0]}}}}')
        return cases

    def write(self, file: Path, answers: Answers, provenance: Mapping[str, str], asked: Mapping[str, str]) -> Written:
        """Records answers beside the file."""
        lines = [line for line in _lines(file) if line.key in answers]
        marks = {line.key: line.mark for line in lines}
        check_requests(file, answers, marks, asked)
        given = [line.key for line in lines if is_answered(_parsed(file, line.number, line.content))]
        return write_answers(response_of(file), answers, provenance, marks, given)


def _lines(file: Path) -> Iterator[_Line]:
    try:
        with file.open("rb") as stream:
            offset = 0
            for number, content in enumerate(stream, 1):
                if content.strip():
                    yield _Line(number, offset, content)
                offset += len(content)
    except OSError as error:
        raise GoldenError(f"{file} cannot be read: {error}") from error


def _parsed(file: Path, number: int, content: bytes) -> Any:
    place = where(file, numbered_key(number))
    try:
        return loads(content.decode("utf-8"), place)
    except UnicodeDecodeError as error:
        raise GoldenError(f"{place} cannot be read: {error}") from error


def _later(file: Path, line: _Line, form: str) -> Later:
    """One form of a line's case, which is read again when it is asked for."""
    return Later(form, partial(_value, file, line.number, line.offset, len(line.content), form))


def _value(file: Path, number: int, offset: int, length: int, form: str) -> Any:
    try:
        with file.open("rb") as stream:
            stream.seek(offset)
            content = stream.read(length)
    except OSError as error:
        raise GoldenError(f"{file} cannot be read: {error}") from error
    said = _parsed(file, number, content)
    if not isinstance(said, dict) or form not in said:
        raise GoldenError(f"{where(file, numbered_key(number))}: the file has changed since the run began")
    return said[form]
