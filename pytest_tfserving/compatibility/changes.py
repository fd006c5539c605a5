"""The differences between two sets of signatures, each as a finding for the client that it breaks."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping

from pytest_tfserving.compatibility.forms import find_lost_calls, find_rest_forms
from pytest_tfserving.compatibility.promised import PromisedSignature, PromisedSignatures, signatures_of
from pytest_tfserving.compatibility.renames import kind, only_pairs
from pytest_tfserving.compatibility.shapes import ShapeChange, shape_changes
from pytest_tfserving.compatibility.sides import find_inputs, find_outputs, pair_tensors
from pytest_tfserving.findings import Finding
from pytest_tfserving.rules import compatibility as rules
from pytest_tfserving.schema import DEFAULT_SIGNATURE, ModelSchema, TensorSpec

_MOST_LISTED = 6


def find_changes(old: PromisedSignatures, new: PromisedSignatures) -> Iterator[Finding]:
    """What is different in `new` for clients of `old`, signature by signature, inputs before outputs, names in order.

    Of two exports (ModelSchema) every difference is found, the safe ones too. A contract, signatures by name, is all
    that its clients rely on: a signature or an output beyond it is none of their business, an input is, since every
    request must send it. `new` may be a contract too; what it does not say is not compared.
    """
    complete = isinstance(old, ModelSchema)
    before, after = signatures_of(old), signatures_of(new)
    removed = sorted(set(before) - set(after))
    added = sorted(set(after) - set(before))
    renames = _signature_renames(before, after, removed, added)
    for name in sorted(before):
        if name in after:
            found = list(_find_signature_changes(name, before[name], after[name], complete))
            moved_from = _moved_default(before, after) if name == DEFAULT_SIGNATURE else None
            if moved_from is not None and any(finding.level == "breaking" for finding in found):
                yield Finding.of(
                    rules.DEFAULT_SIGNATURE_MOVED,
                    f"{name} takes and gives what {moved_from} did: {_interface_text(after[name])}; it was "
                    f"{_interface_text(before[name])}. Requests that name no signature reach another function",
                    signature=name, old=_interface_text(before[name]), new=_interface_text(after[name]),
                )  # fmt: skip
            else:
                yield from found
        elif name in renames:
            yield Finding.of(
                rules.SIGNATURE_RENAMED,
                f"signature {name} is called {renames[name]} now: requests that name {name} are refused; name "
                f"{renames[name]}, or export it under both names",
                signature=name, old=name, new=renames[name],
            )  # fmt: skip
            yield from _find_signature_changes(name, before[name], after[renames[name]], complete)
        else:
            yield _removed_signature(name, before[name], after)
    if complete:
        renamed = set(renames.values())
        for name in added:
            if name not in renamed:
                yield Finding.of(
                    rules.SIGNATURE_ADDED, f"signature {name} is new: no client calls it yet", signature=name, new=name
                )


def _find_signature_changes(
    name: str, old: PromisedSignature, new: PromisedSignature, complete: bool
) -> Iterator[Finding]:
    if old.method is not None and new.method is not None and old.method != new.method:
        yield Finding.of(
            rules.METHOD_CHANGED,
            f"signature {name} had method {old.method or 'none'} and has {new.method or 'none'}: a server with "
            f"--enable_signature_method_name_check refuses Classify and Regress where the method is another",
            signature=name, old=old.method, new=new.method,
        )  # fmt: skip
    if old.inputs == new.inputs and old.outputs == new.outputs:
        return
    batch = {ShapeChange.BATCH_FIXED}
    if old.inputs is not None and new.inputs is not None:
        renames = pair_tensors(old.inputs, new.inputs)
        yield from find_inputs(name, old.inputs, new.inputs, renames)
        batch = _batch_changes(old.inputs, new.inputs, renames)
    if old.outputs is not None and new.outputs is not None:
        yield from find_outputs(name, old.outputs, new.outputs, complete, batch)
    yield from find_rest_forms(name, old, new)
    yield from find_lost_calls(name, old, new)


def _batch_changes(
    old: Mapping[str, TensorSpec], new: Mapping[str, TensorSpec], renames: Mapping[str, str]
) -> set[ShapeChange]:
    """Which changes of an output's first dimension are the batch's: one that was open for inputs, or is now."""
    batch = set()
    if any(spec.shape is None or (spec.shape and not isinstance(spec.shape[0], int)) for spec in old.values()):
        batch.add(ShapeChange.BATCH_FIXED)
    if any(ShapeChange.BATCH_OPENED in shape_changes(old[name], new[now]) for name, now in renames.items()):
        batch.add(ShapeChange.BATCH_OPENED)
    return batch


def _removed_signature(name: str, old: PromisedSignature, after: Mapping[str, PromisedSignature]) -> Finding:
    if name != DEFAULT_SIGNATURE:
        shown = ", ".join(sorted(after)[:_MOST_LISTED]) + (" ..." if len(after) > _MOST_LISTED else "")
        return Finding.of(
            rules.SIGNATURE_REMOVED,
            f"signature {name} is gone: requests that name it are refused; name one that is there ({shown or 'none'})",
            signature=name, old=name,
        )  # fmt: skip
    same = next((other for other in sorted(after) if _interface(after[other]) == _interface(old)), None)
    then = f"name {same}, which takes and gives the same" if same else "name one of those that are there"
    return Finding.of(
        rules.DEFAULT_SIGNATURE_REMOVED,
        f"{name} is gone: requests that name no signature are refused; {then}, or export one as {name}",
        signature=name, old=name, new=same,
    )  # fmt: skip


def _moved_default(before: Mapping[str, PromisedSignature], after: Mapping[str, PromisedSignature]) -> str | None:
    """The signature of old that serving_default is now, where it was another."""
    now = _interface(after[DEFAULT_SIGNATURE])
    if now == _interface(before[DEFAULT_SIGNATURE]):
        return None
    others = (name for name in sorted(before) if name != DEFAULT_SIGNATURE and before[name].inputs is not None)
    return next((name for name in others if _interface(before[name]) == now), None)


def _signature_renames(
    before: Mapping[str, PromisedSignature],
    after: Mapping[str, PromisedSignature],
    removed: list[str],
    added: list[str],
) -> dict[str, str]:
    """New names by old ones: of the only two with the same inputs and outputs, else of the only two that are left."""
    removed = [name for name in removed if name != DEFAULT_SIGNATURE]
    added = [name for name in added if name != DEFAULT_SIGNATURE]
    renames = only_pairs({n: _interface(before[n]) for n in removed}, {n: _interface(after[n]) for n in added})
    taken = set(renames.values())
    gone = [name for name in removed if name not in renames]
    new = [name for name in added if name not in taken]
    if len(gone) == len(new) == 1 and _shares_a_side(before[gone[0]], after[new[0]]):
        renames[gone[0]] = new[0]
    return renames


def _shares_a_side(old: PromisedSignature, new: PromisedSignature) -> bool:
    return any(
        a is not None and b is not None and _specs(a) == _specs(b)
        for a, b in ((old.inputs, new.inputs), (old.outputs, new.outputs))
    )


def _interface(signature: PromisedSignature) -> Hashable:
    """What a client sees of a signature, its name and method apart."""
    return _specs(signature.inputs), _specs(signature.outputs)


def _specs(specs: Mapping[str, TensorSpec] | None) -> Hashable:
    return None if specs is None else frozenset((name, kind(spec)) for name, spec in specs.items())


def _interface_text(signature: PromisedSignature) -> str:
    sides = (signature.inputs or {}, signature.outputs or {})
    inputs, outputs = (
        ", ".join(f"{name} {specs[name]}" for name in sorted(specs)[:_MOST_LISTED]) or "nothing" for specs in sides
    )
    return f"{inputs} -> {outputs}"
