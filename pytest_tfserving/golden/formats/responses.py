"""Answers that are recorded for the requests of a file that is never written to: a log, a list of requests.

FILE.response.json beside FILE holds them, by the key of each case:

    {
      "cases": {
        "000001": {
          "request": "crc32c:8a9136aa",
          "outputs": {"y": {"dtype": "float32", "shape": [1], "values": [2.5]}}
        }
      },
      "provenance": {...}
    }

`request` is the checksum of the request that got the answer, so that the answer of one that has changed, or has moved
to another place in the file, is not taken for that of another. A case made elsewhere than the others has a
`provenance` of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_tfserving.errors import GoldenError
from pytest_tfserving.golden.case import ANSWER_KEYS, RESPONSE_SUFFIX, Later, where
from pytest_tfserving.golden.formats.document import read_object, with_stored


@dataclass(frozen=True)
class Responses:
    """The recorded answers of a file of requests; none where there is no such file."""

    file: Path
    cases: Mapping[str, Mapping[str, Any]]
    provenance: Mapping[str, str]

    def provenance_of(self, key: str) -> Mapping[str, str]:
        """What made the answer of a case."""
        own: Mapping[str, str] = self.cases[key].get("provenance", self.provenance)
        return own

    def answer(self, key: str, mark: str) -> Mapping[str, Any] | None:
        """The answer of a case whose request has this mark; None where there is none.

        One that was recorded for another request raises GoldenError when it is read, which recording anew ends.
        """
        case = self.cases.get(key)
        if case is None:
            return None
        if case.get("request") != mark:
            return Later("outputs", _refusing(f"{where(self.file, key)} was recorded for another request: "
                                              f"record it again with `pytest --tfserving-update`"))  # fmt: skip
        stored = with_stored(dict(case), self.file, where(self.file, key))
        return {form: stored[form] for form in ANSWER_KEYS if form in stored}


def response_of(file: Path) -> Path:
    """Where the answers to a file's requests are recorded."""
    return file.with_name(file.name + RESPONSE_SUFFIX)


def mark_of(checksum: int) -> str:
    """The text of a request's checksum."""
    return f"crc32c:{checksum:08x}"


def read_responses(requests: Path) -> Responses:
    """What was recorded for the requests of a file. Raises GoldenError where that cannot be read."""
    file = response_of(requests)
    if not file.is_file():
        return Responses(file, {}, {})
    document = read_object(file)
    cases = document.get("cases", {})
    if set(document) - {"cases", "provenance"} or not isinstance(cases, dict):
        raise GoldenError(f"{file}: recorded answers have `cases` and `provenance`, nothing else")
    for key, case in cases.items():
        if not isinstance(case, dict) or not isinstance(case.get("outputs"), dict) or "request" not in case:
            raise GoldenError(f"{where(file, key)}: a recorded answer has `request` and `outputs`")
        if set(case) - {"request", "outputs", "provenance"} or not isinstance(case.get("provenance", {}), dict):
            raise GoldenError(
                f"{where(file, key)}: a recorded answer has `request`, `outputs` and, where it is not the file's, "
                f"`provenance`, nothing else"
            )
    return Responses(file, cases, document.get("provenance", {}))


def check_requests(file: Path, keys: Iterable[str | None], marks: Mapping[str, str], asked: Mapping[str, str]) -> None:
    """Whether the file, whose requests have these `marks`, still has each request that was `asked`, by its mark too.

    Raises GoldenError: an answer must not be written beside another request.
    """
    for key in keys:
        if key is None or key not in marks or asked.get(key, marks[key]) != marks[key]:
            raise GoldenError(f"{where(file, key)}: the case is not there any more; it was when the run began")


def _refusing(message: str) -> Callable[[], Any]:
    def refuse() -> Any:
        raise GoldenError(message)

    return refuse
