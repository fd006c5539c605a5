"""Checks of a signature: as the export says, as the server's metadata says, and in a prediction's own sizes.

Findings are values; report/terminal.py renders them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pytest_tfserving.schema import SOME_DEFAULT, Dimension, ModelSchema, Range, Signature, TensorSpec


@dataclass(frozen=True)
class ExpectedSignature:
    """What a contract says of one signature; inputs, outputs or a method of None are not checked."""

    name: str
    inputs: Mapping[str, TensorSpec] | None = None
    outputs: Mapping[str, TensorSpec] | None = None
    method: str | None = None


@dataclass(frozen=True)
class TensorRow:
    """One tensor, as expected and as each source has it; a spec of None means that it is not there.

    `sources` maps "export" and "server" to what each has; a source that is not known (the export of a server that was
    only addressed) is missing.
    """

    side: str
    name: str
    expected: TensorSpec | None
    sources: Mapping[str, TensorSpec | None]

    @property
    def holds(self) -> bool:
        """Whether every source has what is expected."""
        return all(_agrees(self.expected, spec) for spec in self.sources.values())


@dataclass(frozen=True)
class SignatureComparison:
    """The comparison of one signature. `missing_in` lists the sources without it, `known` the signatures of each.

    `methods` has the method of each source where it is not the one that is expected.
    """

    name: str
    rows: tuple[TensorRow, ...]
    missing_in: tuple[str, ...]
    known: Mapping[str, tuple[str, ...]]
    method: str | None = None
    methods: Mapping[str, str] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether the signature is there, its method and every tensor as expected."""
        return not self.missing_in and not self.methods and all(row.holds for row in self.rows)


class HasShape(Protocol):
    """An array, as far as sizes are concerned."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The size of each dimension."""


def compare_signature(expected: ExpectedSignature, sources: Mapping[str, ModelSchema]) -> SignatureComparison:
    """The expected signature beside each source's.

    Names, dtypes and shapes must be equal; a name, `?` or a range in an expected shape stands for a dimension that the
    source leaves open (-1). A default counts where one is expected. A tensor that is not expected counts: clients of
    the row format must send every input.
    """
    found = {source: schema.signatures.get(expected.name) for source, schema in sources.items()}
    rows: list[TensorRow] = []
    for side, specs in (("inputs", expected.inputs), ("outputs", expected.outputs)):
        if specs is None:
            continue
        theirs = {source: _side(signature, side) for source, signature in found.items()}
        names = list(specs) + sorted({name for tensors in theirs.values() for name in tensors} - set(specs))
        rows += [
            TensorRow(side, name, specs.get(name), {source: theirs[source].get(name) for source in sources})
            for name in names
        ]
    return SignatureComparison(
        name=expected.name,
        rows=tuple(rows),
        missing_in=tuple(source for source, signature in found.items() if signature is None),
        known={source: tuple(schema.callable_signatures) for source, schema in sources.items()},
        method=expected.method,
        methods={
            source: signature.method or "none"
            for source, signature in found.items()
            if signature is not None and expected.method not in (None, signature.method)
        },
    )


def find_size_conflicts(
    expected: ExpectedSignature, inputs: Mapping[str, HasShape], outputs: Mapping[str, HasShape]
) -> list[str]:
    """Where the sizes of one request and its answer break what the signature's dimensions promise, as sentences.

    A named dimension is one number within a request: `batch` of an input and `batch` of an output must agree. The
    limits of a range hold wherever its name stands.
    """
    conflicts = []
    ranges = _ranges(expected)
    bound: dict[str, tuple[int, str]] = {}
    for side, specs, tensors in (("input", expected.inputs, inputs), ("output", expected.outputs, outputs)):
        for name, spec in (specs or {}).items():
            if name not in tensors or spec.shape is None:
                continue
            shape, where = tensors[name].shape, f"{side} {name}"
            if not _fits(shape, spec.shape):
                conflicts.append(f"{where} has shape {list(shape)}; {spec} was promised")
                continue
            for size, dimension in zip(shape, spec.shape, strict=True):
                name_of_size = dimension.name if isinstance(dimension, Range) else dimension
                limits = dimension if isinstance(dimension, Range) else ranges.get(dimension)
                if limits is not None and not limits.holds(size):
                    conflicts.append(f"a dimension of {where} is {size}; {limits} was promised")
                if isinstance(name_of_size, str) and bound.setdefault(name_of_size, (size, where))[0] != size:
                    other, first = bound[name_of_size]
                    conflicts.append(f"{name_of_size} is {other} in {first} and {size} in {where}, {spec}")
    return conflicts


def _ranges(expected: ExpectedSignature) -> dict[object, Range]:
    specs = [*(expected.inputs or {}).values(), *(expected.outputs or {}).values()]
    dimensions = [dimension for spec in specs for dimension in spec.shape or ()]
    return {dimension.name: dimension for dimension in dimensions if isinstance(dimension, Range) and dimension.name}


def _side(signature: Signature | None, side: str) -> Mapping[str, TensorSpec]:
    if signature is None:
        return {}
    return signature.inputs if side == "inputs" else signature.outputs


def _fits(shape: tuple[int, ...], promised: tuple[Dimension, ...]) -> bool:
    return len(shape) == len(promised) and all(
        size == dimension for size, dimension in zip(shape, promised, strict=True) if isinstance(dimension, int)
    )


def _agrees(expected: TensorSpec | None, found: TensorSpec | None) -> bool:
    if expected is None or found is None:
        return expected is found
    if expected.dtype != found.dtype or (expected.shape is None) != (found.shape is None):
        return False
    if not _default_agrees(expected.default, found.default):
        return False
    if expected.shape is None or found.shape is None:
        return True
    open_or_fixed = tuple(size if isinstance(size, int) else None for size in expected.shape)
    return open_or_fixed == found.shape


def _default_agrees(expected: str | None, found: str | None) -> bool:
    if expected is None or found is None:
        return expected is None
    return expected == found or SOME_DEFAULT in (expected, found)
