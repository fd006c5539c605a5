"""The one exception that travels through the server; each edge maps it (HTTP status, gRPC code)."""

from __future__ import annotations

from pytest_tfserving.errors import Code


class ServingError(Exception):
    """A request, or a model, that cannot be served: a canonical code and the text that a client is told."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(f"{code.name}: {message}")  # as TF Serving embeds a status in another's text
        self.code = code
        self.message = message


def invalid(message: str) -> ServingError:
    """The most frequent one: INVALID_ARGUMENT."""
    return ServingError(Code.INVALID_ARGUMENT, message)


class CannotListenError(Exception):
    """A port that could not be bound."""

    def __init__(self, what: str, host: str, port: int, cause: object = "it is taken, or not yours to use") -> None:
        super().__init__(f"cannot listen on {host}:{port} for {what}: {cause}; port 0 takes one that is free")
