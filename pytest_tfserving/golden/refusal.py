"""The refusal that a golden case expects in place of an answer: how it is written, and what a server's says to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_tfserving.errors import Code, GoldenError, RequestError
from pytest_tfserving.suggestion import did_you_mean

if TYPE_CHECKING:
    from pytest_tfserving.tensors import Array

_CODES = tuple(code.name for code in Code if code is not Code.OK)
_KEYS = ("code", "text")

# Codes that REST folds into one HTTP status, by the one that its client reports for the status
# (tensorflow_serving/model_servers/http_server.cc, ToHTTPStatusCode).
_OVER_REST = {
    Code.FAILED_PRECONDITION: Code.INVALID_ARGUMENT,
    Code.OUT_OF_RANGE: Code.INVALID_ARGUMENT,
    Code.ALREADY_EXISTS: Code.ABORTED,
    Code.UNKNOWN: Code.INTERNAL,
    Code.DATA_LOSS: Code.INTERNAL,
}


@dataclass(frozen=True)
class ExpectedError:
    """A refusal's code, and a part of the server's message where that matters too."""

    code: Code
    text: str | None = None

    def agrees(self, error: RequestError) -> bool:
        """Whether it is the refusal: the text in the message, and the code as far as the transport tells it."""
        return same_code(self.code, error.code, error.transport) and (self.text is None or self.text in error.message)

    def __str__(self) -> str:
        """`INVALID_ARGUMENT`, or `INVALID_ARGUMENT with 'not found'`."""
        return self.code.name if self.text is None else f"{self.code.name} with {self.text!r}"


@dataclass(frozen=True)
class Refusal:
    """What came of a request that must be refused: `error` as the server said it, or the outputs that it `answered`."""

    expected: ExpectedError
    error: RequestError | None
    answered: Mapping[str, Array]

    @property
    def holds(self) -> bool:
        """Whether the server refused as expected."""
        return self.error is not None and self.expected.agrees(self.error)


def same_code(expected: Code, received: Code, transport: str) -> bool:
    """Whether a code may be the one expected: over REST, whether both have the same HTTP status."""
    if transport == "rest":
        return _OVER_REST.get(expected, expected) is _OVER_REST.get(received, received)
    return expected is received


def read_expected_error(value: Any, place: str) -> ExpectedError:
    """The value of a case's `expect_error`: a code's name, or {"code": ..., "text": ...}.

    Raises GoldenError, which begins with `place`, for anything else.
    """
    if isinstance(value, dict):
        for key in value:
            if key not in _KEYS:
                raise GoldenError(f"{place}: expect_error has `code` and `text`, not {key!r}{_meant(key, _KEYS)}")
        code, text = value.get("code"), value.get("text")
        if code is None:
            raise GoldenError(f'{place}: expect_error lacks its `code`, such as "INVALID_ARGUMENT"')
    else:
        code, text = value, None
    if not isinstance(code, str):
        raise GoldenError(
            f'{place}: expect_error is {value!r:.60}; a code such as "INVALID_ARGUMENT", or {{"code": ..., "text": '
            f'"a part of the message"}}, was expected'
        )
    if code not in _CODES:
        raise GoldenError(
            f"{place}: expect_error has no code {code!r}{_meant(code.upper().replace(' ', '_'), _CODES)}; "
            f"codes: {' '.join(_CODES)}"
        )
    if text is not None and (not isinstance(text, str) or not text):
        raise GoldenError(f"{place}: the text of expect_error is {text!r:.60}; a part of the message was expected")
    return ExpectedError(Code[code], text)


def _meant(word: Any, known: tuple[str, ...]) -> str:
    return did_you_mean(str(word), known, repr)
