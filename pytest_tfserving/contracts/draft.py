"""A first contract of an export, as the text of a contract file; and new signatures for a contract that is there.

tomlkit is imported only to merge: it keeps the comments, the order and the layout of what a person wrote.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pytest_tfserving.errors import SpecError
from pytest_tfserving.grammar import DTYPES
from pytest_tfserving.schema import METHODS, Signature, TensorSpec
from pytest_tfserving.toml import dotted, quoted

_BATCH = "batch"

_HEAD = """\
# What clients of {name} rely on, checked by pytest. A first draft by `pytest-tfserving init`: change what is guessed.
# A named dimension is one number within any one request: {batch} must be the same wherever it stands. Limits are
# written {batch}<=64, a dimension without a name is ?.
"""


def draft(
    name: str, model: Mapping[str, Any], signatures: Iterable[Signature], goldens: str | None, left_out: Sequence[str]
) -> str:
    """The text of a contract: the `model` table, signatures, goldens at a path, lint.

    `left_out` are sentences for what has no golden case; `goldens` is None where nothing has one.
    """
    lines = [_HEAD.format(name=one_line(name), batch=_BATCH), "[model]"]
    lines += [f"{dotted((key,))} = {_value(value)}" for key, value in model.items()]
    for signature in signatures:
        lines += ["", signature_table(signature)]
    lines += ["", "[goldens]" if goldens is not None else "# [goldens]"]
    lines += [f"# {one_line(sentence)}" for sentence in left_out]
    lines += [f"path = {quoted(goldens)}" if goldens is not None else '# path = "goldens"']
    return "\n".join([*lines, "", "[lint]", ""])


def signature_table(signature: Signature) -> str:
    """`[signatures.NAME]` of a signature; as comments where the grammar has no word for one of its dtypes."""
    named = with_batch(signature)
    lines = [f"[{dotted(('signatures', named.name))}]"]
    if named.method in METHODS:
        lines.append(f"method = {quoted(named.method)}")
    for side, specs in (("inputs", named.inputs), ("outputs", named.outputs)):
        lines += [f"{dotted((side, alias))} = {quoted(str(spec))}" for alias, spec in specs.items()]
        lines += [] if specs else [f"{side} = {{}}"]
    if not is_served(signature):
        lines = ["# no client can send or receive one of these:", *lines]
        return "\n".join(f"# {line.removeprefix('# ')}" for line in lines)
    return "\n".join(lines)


def is_served(signature: Signature) -> bool:
    """Whether clients can send and receive every tensor of the signature: no resource, variant or quantized one."""
    return all(spec.dtype in DTYPES for spec in (*signature.inputs.values(), *signature.outputs.values()))


def with_batch(signature: Signature) -> Signature:
    """The signature with `batch` for first dimensions that are open, where inputs and outputs have some."""
    sides = (signature.inputs, signature.outputs)
    if not all(any(_leads_open(spec) for spec in specs.values()) for specs in sides):
        return signature
    inputs, outputs = ({alias: _batched(spec) for alias, spec in specs.items()} for specs in sides)
    return replace(signature, inputs=inputs, outputs=outputs)


def merge(text: str, key: str | None, signatures: Iterable[Signature]) -> str:
    """The text of a valid contract with tables for further signatures, of the model `key` of several.

    All that was there stays as it was. Raises SpecError where the text has its signatures in a form that no table can
    be added to without rewriting it.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    mark, text = ("\ufeff", text[1:]) if text.startswith("\ufeff") else ("", text)
    try:
        document: Any = tomlkit.parse(text)
        holder = document if key is None else document["models"][key]
        if "signatures" not in holder:
            holder["signatures"] = tomlkit.table(is_super_table=True)
        for signature in signatures:
            if is_served(signature):
                written = f"{signature_table(signature)}\n".replace("\n", "\r\n" if "\r\n" in text else "\n")
                table: Any = tomlkit.parse(written)["signatures"]
                holder["signatures"][signature.name] = table[signature.name]
        merged = tomlkit.dumps(document)
    except (TOMLKitError, TypeError, ValueError) as error:
        raise SpecError(f"no table can be added beside the others: {error}") from error
    if not _keeps(text, merged):
        raise SpecError(
            "no table can be added beside the others without a change to what is there; write tables that belong "
            "together one after the other, or add [signatures.NAME] by hand"
        )
    return mark + merged


def one_line(text: str) -> str:
    """Text for a comment or a message, which ends with its line and holds no control characters."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _keeps(text: str, merged: str) -> bool:
    """Whether every line is still there, in its order."""
    lines = iter(merged.splitlines())
    return all(line in lines for line in text.splitlines() if line.strip())


def _leads_open(spec: TensorSpec) -> bool:
    return bool(spec.shape) and spec.shape[0] is None  # type: ignore[index]  # bool() says that it is there


def _batched(spec: TensorSpec) -> TensorSpec:
    return replace(spec, shape=(_BATCH, *spec.shape[1:])) if spec.shape and spec.shape[0] is None else spec


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    return quoted(value) if isinstance(value, str) else str(value)
