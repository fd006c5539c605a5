"""What a contract says of the values of a signature's tensors; properties.py and relations.py check it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

# Ways to ask the same that must give the same answer (relations.py says what each does).
Relation = Literal[
    "alone", "order", "repeated", "rest-rows", "rest-columns", "grpc", "batching", "padding", "in-process"
]  # fmt: skip


@dataclass(frozen=True)
class Values:
    """What the values of one tensor keep to. Of an output it is promised; of an input clients send nothing else.

    `finite`: no NaN, no infinity. `min` and `max`: both included. `sums_to`: along the last axis. `one_of`: nothing
    else occurs (numbers, text or bytes). `increasing_in`, `decreasing_in`: never moves the other way when that input
    grows and all others stay. `length`: (least, most) bytes of a string, of an input.
    """

    finite: bool = False
    min: float | None = None
    max: float | None = None
    sums_to: float | None = None
    one_of: tuple[object, ...] | None = None
    increasing_in: str | None = None
    decreasing_in: str | None = None
    length: tuple[int, int] | None = None


@dataclass(frozen=True)
class Padding:
    """Padding that must not matter: the named dimension of inputs grows by entries of `value`; outputs are cropped."""

    dimension: str
    value: object = 0


@dataclass(frozen=True)
class Promises:
    """What holds for every answer of one signature."""

    signature: str
    inputs: Mapping[str, Values] = field(default_factory=dict)
    outputs: Mapping[str, Values] = field(default_factory=dict)
    same: tuple[Relation, ...] = ()
    padding: Padding | None = None
