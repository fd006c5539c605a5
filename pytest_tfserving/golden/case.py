"""Golden cases: a request, with the answer that was recorded for it or the refusal that is expected.

A request is `inputs` or `instances`, an answer `outputs` or `predictions`, as in the bodies of TensorFlow Serving's
REST API. In place of an answer `expect_error` says how the server must refuse (refusal.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pytest_tfserving.errors import GoldenError
from pytest_tfserving.files import shown
from pytest_tfserving.golden.refusal import ExpectedError, read_expected_error

TRANSPORTS = ("rest", "grpc")

REQUEST_KEYS = ("inputs", "instances")
ANSWER_KEYS = ("outputs", "predictions")
CASE_KEYS = frozenset({*REQUEST_KEYS, *ANSWER_KEYS, "expect_error", "signature_name", "transport", "description",
                       "provenance"})  # fmt: skip
FILE_KEYS = CASE_KEYS | {"cases"}
REQUEST_SUFFIX, RESPONSE_SUFFIX = ".request.json", ".response.json"


@dataclass(frozen=True)
class Case:
    """One golden case: a request, and the answer if one was recorded, or the refusal that is expected.

    `id` is the file's stem with the case's name, for the test's id. `key` is its name in the file's `cases`, None at
    the top level. `request` and `answer` are JSON objects with one of the keys above each. `transport` is the one
    that alone can carry the case (REST has no half, no complex, no empty batch of rows), None where both can.
    With `output_filter` the answer is of these outputs alone. `mark` is that of the request, by which an answer that is
    recorded in another file knows it; "" where they lie in one.
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
    output_filter: tuple[str, ...] = ()
    mark: str = ""

    @property
    def where(self) -> str:
        """The case as a message names it: the file, and the case's name in it."""
        return where(self.file, self.key)


def where(file: Path, key: str | None = None) -> str:
    """A file, and a case in it, as a message names them: from the working directory where it lies below that."""
    return shown(file) + (f" [{key}]" if key is not None else "")


class Later(Mapping[str, Any]):
    """A request or an answer of one form (`inputs`, `outputs`, ...), whose value is read each time it is asked for.

    So the cases of a file of any size are listed without it in memory.
    """

    def __init__(self, form: str, read: Callable[[], Any]) -> None:
        self._form, self._read = form, read

    def __getitem__(self, form: str) -> Any:
        if form != self._form:
            raise KeyError(form)
        return self._read()

    def __contains__(self, form: object) -> bool:
        return form == self._form

    def __iter__(self) -> Iterator[str]:
        return iter((self._form,))

    def __len__(self) -> int:
        return 1

    def __repr__(self) -> str:
        return f"Later({self._form!r})"


class DamagedGoldenError(GoldenError):
    """A file of many requests that cannot be read to its end. `cases` are those before the damage."""

    def __init__(self, message: str, cases: list[Case]) -> None:
        super().__init__(message)
        self.cases = cases


def numbered_id(file: Path, key: str, signature_name: str | None) -> str:
    """The id of a case without a name, in a file of many: `requests-000012-serving_default`."""
    return f"{file.stem}-{key}" + (f"-{signature_name}" if signature_name else "")


def numbered_key(number: int) -> str:
    """The key of a case without a name. As wide for one case as for many: an id stays when the file grows."""
    return f"{number:06d}"


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

    `signature_name` and `provenance` are the file's, for a case that has none of its own. `case_id` is the case's id
    where that is not made of the file's stem and the key. Raises GoldenError, naming the place, for an object of
    another form.
    """

    def refused(problem: str) -> GoldenError:
        return GoldenError(f"{where(file, key)}: {problem}")

    if not isinstance(case, Mapping):
        raise refused("a case is an object with `inputs` or `instances`")
    unknown = set(case) - (FILE_KEYS if key is None else CASE_KEYS)
    if unknown:
        raise refused(f"unknown key {sorted(unknown)[0]!r}; a case has {', '.join(sorted(CASE_KEYS))}")
    requests = {name: case[name] for name in REQUEST_KEYS if name in case}
    answers = {name: case[name] for name in ANSWER_KEYS if name in case}
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
    provenance = case.get("provenance", provenance)
    if not isinstance(provenance, Mapping):
        raise refused(f"provenance is {provenance!r:.60}; an object of texts was expected")
    stem = file.name.removesuffix(REQUEST_SUFFIX) if file.name.endswith(REQUEST_SUFFIX) else file.stem
    if case_id is None:
        case_id = stem if key is None else f"{stem}-{key}"
    return Case(case_id, file, key, name, requests, answers or None, provenance, transport, expected_error)
