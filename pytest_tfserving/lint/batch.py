"""Shapes that REST's row format, and batching, have no way with."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_tfserving.findings import Finding
from pytest_tfserving.rules import lint as rules
from pytest_tfserving.schema import Signature, TensorSpec


def find_batch_problems(signature: Signature) -> Iterator[Finding]:
    """Findings about the first dimensions of a signature's tensors. Of an unknown rank nothing is said."""
    name = signature.name
    inputs, outputs = signature.inputs, signature.outputs
    sizes = {_first(spec) for spec in inputs.values() if spec.shape}
    has_open_batch = None in sizes or any(spec.shape is None for spec in inputs.values())
    batch_of_one_size = not has_open_batch and len(sizes) == 1
    for alias, spec in inputs.items():
        if spec.shape == ():
            what = "a scalar, and rows send it"
        elif spec.shape and _first(spec) is not None and not batch_of_one_size:
            what = f"of a fixed size {_first(spec)}, not batched, and rows send it"
        else:
            continue
        yield Finding.of(
            rules.ROWS_UNBATCHED_INPUT,
            f"input {alias!r} of {name!r} is {what} once a row, with a dimension too many: a request with `instances` "
            f"fails, or computes something else. Send `inputs` or use gRPC; or give it a batch dimension",
            signature=name,
            side="input",
            tensor=alias,
        )
    if batch_of_one_size:
        [size] = sizes
        yield Finding.of(
            rules.FIXED_BATCH,
            f"every request for {name!r} must have {size} {'row' if size == 1 else 'rows'}: the first dimension of "
            f"{', '.join(repr(alias) for alias, spec in inputs.items() if spec.shape)} is fixed. Export it open: "
            f"tf.TensorSpec([None, ...])",
            signature=name,
        )
    unbatched = False
    for alias, spec in outputs.items():
        if spec.shape == ():
            what = "is a scalar: a request with `instances` is refused after the model ran, and so is every request"
        elif spec.shape and _first(spec) is not None and has_open_batch:
            what = (
                f"has {_first(spec)} rows however many are sent: a request with `instances` gets rows that are not "
                f"those of its instances, and every request is refused"
            )
        else:
            continue
        unbatched = True
        yield Finding.of(
            rules.ROWS_UNBATCHED_OUTPUT,
            f"output {alias!r} of {name!r} {what} where the server runs with --enable_batching. Let clients send "
            f"`inputs` or use gRPC; or give it a batch dimension",
            signature=name,
            side="output",
            tensor=alias,
        )
    fixed = {alias: _first(spec) for alias, spec in outputs.items() if spec.shape and _first(spec) is not None}
    if len(set(fixed.values())) > 1 and not unbatched:
        counts = ", ".join(f"{alias!r} {size}" for alias, size in fixed.items())
        yield Finding.of(
            rules.ROWS_UNEVEN_OUTPUTS,
            f"a request for {name!r} with `instances` is refused after the model ran, since its outputs have different "
            f"numbers of rows ({counts}). Let clients send `inputs` or use gRPC; or split the signature",
            signature=name,
        )


def _first(spec: TensorSpec) -> int | None:
    """The size of the first dimension; None where it is open. An export has sizes and None only."""
    size = spec.shape[0] if spec.shape else None
    return size if isinstance(size, int) else None
