"""An inspection as `show` prints it: text that is TOML throughout, whose tables are a contract's; and JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pytest_tfserving.grammar import DTYPES
from pytest_tfserving.inspection import File, Inspection
from pytest_tfserving.report.findings import printable
from pytest_tfserving.schema import DEFAULT_SIGNATURE, INIT_OP_SIGNATURE, METHODS, Signature, TensorSpec
from pytest_tfserving.toml import dotted, quoted
from pytest_tfserving.warmup_file import WARMUP_FILE

_WIDTH = 100
_LABEL = 12

# What is shown unless all is asked for: of signatures, of a signature's inputs and outputs each, of lists.
_MOST_SIGNATURES = 30
_MOST_TENSORS = 100
_MOST_LISTED = 10


def inspection_text(inspection: Inspection, *, everything: bool = False) -> str:
    """Signatures as a contract file has them, then the rest of the export as comments."""
    signatures = inspection.schema.callable_signatures
    names = sorted(signatures, key=lambda name: name != DEFAULT_SIGNATURE)  # the rest stays in order
    shown = names if everything else names[:_MOST_SIGNATURES]
    blocks = ["\n".join(_signature(signatures[name], everything)) for name in shown]
    if len(shown) < len(names):
        blocks.append(f"# ... and {len(names) - len(shown)} more signatures; --all shows them")
    if not names:
        blocks.append("# no signature")
    return "\n\n".join([*blocks, "\n".join(_rest(inspection, everything))])


def inspection_document(inspection: Inspection) -> dict[str, object]:
    """The same as plain JSON, and all of it. Sizes are in bytes; a shape is null where the rank is unknown."""
    checkpoint = inspection.checkpoint
    return {
        "tags": list(inspection.tags),
        "tag_sets": [list(tags) for tags in inspection.tag_sets],
        "tensorflow_version": inspection.tensorflow_version,
        "signatures": {
            name: {
                "method": signature.method,
                "method_name": signature.method_name,
                "inputs": _specs_document(signature.inputs),
                "outputs": _specs_document(signature.outputs),
            }
            for name, signature in inspection.schema.callable_signatures.items()
        },
        "initialiser": INIT_OP_SIGNATURE in inspection.schema.signatures,
        "variables": {
            "needed": inspection.needs_variables,
            "damage": checkpoint.damage if inspection.needs_variables else None,
            "size": checkpoint.size,
            "tensors": [
                {"name": v.name, "dtype": v.dtype, "shape": None if v.shape is None else list(v.shape), "size": v.size}
                for v in checkpoint.variables
            ],
        },
        "assets": [{"name": asset.name, "size": asset.size} for asset in inspection.assets],
        "ops": {
            op: {"nodes": count, "served": op in inspection.served_ops}
            for op, count in sorted(inspection.ops.items())
        },
        "warmup": None
        if inspection.warmup is None
        else {"requests": len(inspection.warmup.requests), "error": inspection.warmup.error},
        "files": [{"path": file.name, "size": file.size} for file in inspection.files],
        "size": inspection.size,
    }  # fmt: skip


def _specs_document(specs: Mapping[str, TensorSpec]) -> dict[str, object]:
    return {
        alias: {
            "spec": str(spec),
            "dtype": spec.dtype,
            "shape": None if spec.shape is None else list(spec.shape),
            "default": spec.default,
            "tensor": spec.tensor_name,
        }
        for alias, spec in specs.items()
    }


def _signature(signature: Signature, everything: bool) -> Iterator[str]:
    yield f"[{dotted(['signatures', signature.name])}]"
    yield _if(signature.method in METHODS, f"method = {quoted(signature.method)}")
    rows: list[tuple[bool, str, str, str]] = []
    left_out = []
    for side, specs in (("inputs", signature.inputs), ("outputs", signature.outputs)):
        tensors = list(specs.items())
        shown = tensors if everything else tensors[:_MOST_TENSORS]
        for alias, spec in shown:
            rows.append((spec.dtype in DTYPES, dotted([side, alias]), quoted(str(spec)), printable(spec.tensor_name)))
        if len(shown) < len(tensors):
            left_out.append(f"# ... and {len(tensors) - len(shown)} more {side}; --all shows them")
    key_width = max((len(key) for _, key, _, _ in rows), default=0)
    spec_width = max((len(spec) for _, _, spec, _ in rows), default=0)
    for is_grammar, key, text, tensor in rows:
        yield _if(is_grammar, f"{key:<{key_width}} = {text:<{spec_width}}  # {tensor}".rstrip())
    yield from left_out


def _if(contract_has_it: bool, line: str) -> str:
    """A line, as a comment where no contract file may have it: another method, a dtype such as resource."""
    return line if contract_has_it else f"# {line}"


def _rest(inspection: Inspection, everything: bool) -> Iterator[str]:
    """All but the signatures, a labelled paragraph each."""
    tags = ", ".join(inspection.tags) or "none"
    others = [f"{{{', '.join(tags)}}}" for tags in inspection.tag_sets if set(tags) != set(inspection.tags)]
    yield from _labelled("tags", tags + (f"; other graphs have {' '.join(others)}" if others else ""))
    yield from _labelled("written by", f"TensorFlow {inspection.tensorflow_version or '(it does not say which)'}")
    yield from _variables(inspection, everything)
    yield from _labelled("assets", "" if inspection.assets else "none")
    yield from _sizes(inspection.assets, everything)
    yield from _ops(inspection, everything)
    if inspection.warmup:
        problem = f"; then: {inspection.warmup.error}" if inspection.warmup.error else ""
        yield from _labelled(
            "warm-up", f"{_count(len(inspection.warmup.requests), 'request')} in {WARMUP_FILE}{problem}"
        )
    yield from _labelled("files", f"{size_text(inspection.size)} in {_count(len(inspection.files), 'file')}")
    yield from _sizes(inspection.files, everything)


def _variables(inspection: Inspection, everything: bool) -> Iterator[str]:
    checkpoint = inspection.checkpoint
    if inspection.needs_variables and checkpoint.damage:
        yield from _labelled("variables", checkpoint.damage)
    if checkpoint.variables:
        count = _count(len(checkpoint.variables), "tensor")
        yield from _labelled("variables", f"{size_text(checkpoint.size)} in {count}")
        rows = [(v.name, str(TensorSpec(v.dtype, v.shape))) for v in checkpoint.variables]
        yield from _listed(rows, everything)
    elif not inspection.needs_variables:
        yield from _labelled("variables", "none")


def _ops(inspection: Inspection, everything: bool) -> Iterator[str]:
    served = sorted(inspection.served_ops & inspection.ops.keys())
    rest = sorted(inspection.ops.keys() - inspection.served_ops)
    nodes = _count(sum(inspection.ops.values()), "node")
    text = f"{nodes} of {_count(len(inspection.ops), 'op')}; signatures run {', '.join(served) or 'none'}"
    if everything and rest:
        text += f"; for loading and saving alone: {', '.join(rest)}"
    yield from _labelled("ops", text)


def _sizes(files: Sequence[File], everything: bool) -> Iterator[str]:
    rows = [(file.name, "missing" if file.size is None else size_text(file.size)) for file in files]
    yield from _listed(rows, everything)


def _labelled(label: str, text: str) -> Iterable[str]:
    lines = textwrap.wrap(
        printable(text), _WIDTH - _LABEL, break_long_words=False, break_on_hyphens=False
    ) or [""]  # fmt: skip
    first = f"# {label:<{_LABEL}} {lines[0]}".rstrip()
    return [first, *(f"# {'':<{_LABEL}} {line}" for line in lines[1:])]


def _listed(rows: Sequence[tuple[str, str]], everything: bool) -> Iterator[str]:
    shown = [(printable(name), text) for name, text in (rows if everything else rows[:_MOST_LISTED])]
    width = max((len(name) for name, _ in shown), default=0)
    for name, text in shown:
        yield f"#   {name:<{width}}  {text}"
    if len(shown) < len(rows):
        yield f"#   ... and {len(rows) - len(shown)} more; --all shows them"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def size_text(size: int) -> str:
    """`512 bytes`, `12.5 kB`, `1.3 GB`: thousands, as disks are sold."""
    if size < 1000:
        return _count(size, "byte")
    number = float(size)
    for unit in ("kB", "MB", "GB"):
        number /= 1000
        if number < 999.95:
            return f"{number:.1f} {unit}"
    return f"{number / 1000:.1f} TB"
