"""What a model promises: signatures and the dtype and shape of each tensor, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

DEFAULT_SIGNATURE = "serving_default"

# A TF2 export lists its initialiser beside its signatures; no client can call it (its output is an operation).
INIT_OP_SIGNATURE = "__saved_model_init_op"

# A default that an input has and nobody wrote down: too long to be read, or any will do.
SOME_DEFAULT = "..."

# How contracts and REST's verbs call a method (tensorflow_serving/servables/tensorflow/predict_util.cc and its likes).
METHODS = {
    "predict": "tensorflow/serving/predict",
    "classify": "tensorflow/serving/classify",
    "regress": "tensorflow/serving/regress",
}


@dataclass(frozen=True)
class Range:
    """An open dimension whose size has limits, both included; `name` is None where it has none (`?<=64`)."""

    name: str | None
    at_least: int = 0
    at_most: int | None = None

    def holds(self, size: int) -> bool:
        """Whether a size keeps to the limits."""
        return self.at_least <= size and (self.at_most is None or size <= self.at_most)

    def __str__(self) -> str:
        """As the grammar writes it: `batch<=64`, `1<=batch`, `1<=?<=64`."""
        lower = f"{self.at_least}<=" if self.at_least else ""
        upper = "" if self.at_most is None else f"<={self.at_most}"
        return f"{lower}{self.name or '?'}{upper}"


# One dimension: a size; the name of a size that varies; None for a size that varies and has no name; either of the
# last two with limits.
Dimension = int | str | Range | None


@dataclass(frozen=True)
class TensorSpec:
    """A tensor's dtype and shape.

    dtype is TensorFlow's lower-case name (`float32`, `string`, `bfloat16`). shape is None where the rank is unknown.
    In an export or a server's metadata every unknown size is None; names and limits come from markers and contracts.
    `default` is the JSON text of the value that the server takes where a request leaves the input out (SignatureDef's
    defaults), SOME_DEFAULT for one that is not written down, None where the input must be sent.
    tensor_name is the tensor of the graph behind the alias, where it is known.
    """

    dtype: str
    shape: tuple[Dimension, ...] | None
    default: str | None = None
    tensor_name: str = field(default="", compare=False)

    def __str__(self) -> str:
        """As the grammar of grammar.py writes it: `float32[batch, 28]`, `string[?]`, `int32[] = 5`."""
        shape = "..." if self.shape is None else ", ".join("?" if d is None else str(d) for d in self.shape)
        default = "" if self.default is None else f" = {self.default}"
        return f"{self.dtype}[{shape}]{default}"


@dataclass(frozen=True)
class Signature:
    """One signature: input and output specs by alias."""

    name: str
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    method_name: str = ""

    @property
    def method(self) -> str:
        """`predict`, `classify` or `regress`; another method's whole name as the export has it."""
        return next((short for short, name in METHODS.items() if name == self.method_name), self.method_name)

    @property
    def defaulted(self) -> frozenset[str]:
        """The inputs that a request may leave out."""
        return frozenset(name for name, spec in self.inputs.items() if spec.default is not None)


@dataclass(frozen=True)
class ModelSchema:
    """The signatures of one version of a model, by name."""

    signatures: Mapping[str, Signature]

    @property
    def callable_signatures(self) -> Mapping[str, Signature]:
        """The signatures that a client can call."""
        return {name: s for name, s in self.signatures.items() if name != INIT_OP_SIGNATURE}
