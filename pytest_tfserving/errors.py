"""The package's errors.

    TFServingError
    ├── SpecError         a marker, option or tensor spec that cannot be meant; nothing was started
    ├── ExportError       a SavedModel that is missing, damaged, or lacks what was asked of it
    ├── GoldenError       a golden file that cannot be used as it is
    ├── TensorError       a value that cannot be carried as the dtype or by the transport
    ├── BackendError      a server that cannot be had here
    │   ├── StartupError  it was started and did not become available
    │   └── ServerDiedError    it was available and is gone
    └── RequestError      a server's answer that is not OK

Every message says what is wrong and where, what was expected and received, and what to do next.
"""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """Canonical status codes (google/rpc/code.proto), the same numbers in gRPC and in TensorFlow."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class TFServingError(Exception):
    """Base of every error that this package raises."""


class SpecError(TFServingError):
    """What was asked for cannot be meant: a marker's keyword, an option's value, a tensor spec's text."""


class ExportError(TFServingError):
    """The export under test is missing, damaged, or has no such tag, version, signature or tensor."""


class GoldenError(TFServingError):
    """A golden file is missing, unreadable, or belongs to another signature."""


class TensorError(TFServingError, ValueError):
    """A value does not fit the dtype, or the transport has no form for it."""


class BackendError(TFServingError):
    """A server cannot be had: no engine, no image, no binary, no answer."""


class StartupError(BackendError):
    """A server was started and its model did not become available; the message ends with the server's log."""


class ServerDiedError(BackendError):
    """A server that had been available is gone; the message ends with the server's log."""


class ContractWarning(UserWarning):
    """Something that a check found, does not fail for, and should be read."""


class RequestError(TFServingError):
    """A server answered a request with an error, or did not answer.

    `code` is the canonical code. REST folds codes into HTTP statuses, some of them shared: 400 stands for
    INVALID_ARGUMENT, FAILED_PRECONDITION and OUT_OF_RANGE, and is reported as INVALID_ARGUMENT
    (tensorflow_serving/model_servers/http_server.cc, ToHTTPStatusCode).

    `message` is the server's text, `transport` is "rest" or "grpc", `model` the model with its version or label as the
    request named it, `signature` the signature, or None where a request names none (status, metadata).
    """

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        transport: str,
        model: str,
        signature: str | None = None,
        http_status: int | None = None,
    ) -> None:
        self.code = code
        self.message = message
        self.transport = transport
        self.model = model
        self.signature = signature
        self.http_status = http_status
        where = f"model {model}, signature {signature}" if signature else f"model {model}"
        how = f"{transport}, HTTP {http_status}" if http_status else transport
        super().__init__(f"{code.name} over {how} ({where}): {message}")

    @property
    def may_be_no_answer(self) -> bool:
        """Whether the code also stands for a server that is gone or hangs."""
        return self.code in (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED)
