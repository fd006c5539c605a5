"""What a model promises: signatures and the dtype and shape of each tensor, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

DEFAULT_SIGNATURE = "serving_default"

# A TF2 export lists its initialiser beside its signatures; no client can call it (its output is an operation).
INIT_OP_SIGNATURE = "__saved_model_init_op"

# One dimension: a size; the name of a size that varies; None for a size that varies and has no name.
Dimension = int | str | None


@dataclass(frozen=True)
class TensorSpec:
    """A tensor's dtype and shape.

    dtype is TensorFlow's lower-case name (`float32`, `string`, `bfloat16`). shape is None where the rank is unknown.
    In an export or a server's metadata every unknown size is None; names come from markers and contracts.
    tensor_name is the tensor of the graph behind the alias, where it is known.
    """

    dtype: str
    shape: tuple[Dimension, ...] | None
    tensor_name: str = field(default="", compare=False)

    def __str__(self) -> str:
        """As the grammar of grammar.py writes it: `float32[batch, 28]`, `string[?]`, `float32[...]`."""
        if self.shape is None:
            return f"{self.dtype}[...]"
        return f"{self.dtype}[{', '.join('?' if size is None else str(size) for size in self.shape)}]"


@dataclass(frozen=True)
class Signature:
    """One signature: input and output specs by alias. `defaulted` inputs may be left out of a request."""

    name: str
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    method_name: str = ""
    defaulted: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ModelSchema:
    """The signatures of one version of a model, by name."""

    signatures: Mapping[str, Signature]

    @property
    def callable_signatures(self) -> Mapping[str, Signature]:
        """The signatures that a client can call."""
        return {name: s for name, s in self.signatures.items() if name != INIT_OP_SIGNATURE}
