"""What clients rely on, from wherever it is known: an export's signature and a contract's are of one shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from pytest_tfserving.schema import ModelSchema, TensorSpec


class PromisedSignature(Protocol):
    """A signature as it is promised; inputs, outputs or a method of None promise nothing.

    schema.Signature is one that says all, contracts.check.ExpectedSignature one that says what its author wrote.
    """

    @property
    def inputs(self) -> Mapping[str, TensorSpec] | None:
        """What a request sends, by name."""

    @property
    def outputs(self) -> Mapping[str, TensorSpec] | None:
        """What an answer gives, by name."""

    @property
    def method(self) -> str | None:
        """`predict`, `classify`, `regress`, or an export's own."""


# All that an export has, or the signatures that a contract writes down.
PromisedSignatures = ModelSchema | Mapping[str, PromisedSignature]


def signatures_of(promised: PromisedSignatures) -> Mapping[str, PromisedSignature]:
    """The signatures that clients can call, by name."""
    return promised.callable_signatures if isinstance(promised, ModelSchema) else promised
