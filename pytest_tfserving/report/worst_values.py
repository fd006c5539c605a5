"""The worst of an output's values, each with what was sent for it: an input in a line, and pictures as pictures."""

from __future__ import annotations

from typing import Any

from pytest_tfserving.golden.check import Outcome
from pytest_tfserving.golden.compare import describe
from pytest_tfserving.golden.difference import Offender
from pytest_tfserving.golden.output_rule import OutputRule
from pytest_tfserving.report.tensors import values_text
from pytest_tfserving.report.totals import MOST_WORST, worst_of
from pytest_tfserving.schema import TensorSpec
from pytest_tfserving.tensors import Array

# Of one case the entries of a batch whose pictures are drawn.
_MOST_PICTURED = 4
# An input of few values is shown whole, a larger one by the row that belongs to the value that is wrong.
_FEW = 8


def worst_values(
    outcome: Outcome, output: str, offenders: list[Offender], rule: OutputRule | None, pictures: bool
) -> list[dict[str, Any]]:
    """The worst of an output's values or rows, each with what was sent for it."""
    # Of an entry of the batch, or of the whole answer, the same is shown for all its values.
    shown: dict[int | None, dict[str, Any]] = {}
    worst = []
    for offender in offenders[:MOST_WORST]:
        entry = _entry_of(outcome, output, offender)
        if entry not in shown:
            draw = pictures and len(shown) < _MOST_PICTURED
            shown[entry] = {
                "inputs": [_input(outcome, output, name, entry, draw) for name in outcome.inputs],
                "pictures": _output_pictures(outcome, output, entry, rule) if draw else None,
            }
        worst.append({**worst_of(offender), **shown[entry]})
    return worst


def _entry_of(outcome: Outcome, output: str, offender: Offender) -> int | None:
    """Which entry of the batch is wrong; None where the output has no batch, or is wrong as a whole."""
    spec = outcome.signature.outputs.get(output)
    return offender.at[0] if offender.at and (spec is None or _has_batch(spec)) else None


def _entry_at(array: Array, entry: int | None) -> Array:
    """One entry along the first axis, or the whole where `entry` is None."""
    # Not array[entry]: of an array of bytes that is no array any more.
    return array if entry is None else array[entry : entry + 1].reshape(array.shape[1:])


def _has_batch(spec: TensorSpec) -> bool:
    return spec.shape is None or (bool(spec.shape) and not isinstance(spec.shape[0], int))


def _input(outcome: Outcome, output: str, name: str, entry: int | None, draw: bool) -> dict[str, Any]:
    """An input in a line: what was sent for an entry of the output; whole where it has no batch, or few values."""
    array, spec = outcome.inputs[name], outcome.signature.inputs.get(name)
    shared = entry is not None and array.ndim > 0 and array.shape[0] == outcome.outputs[output].shape[0]
    sent = entry if shared and (spec is None or _has_batch(spec)) else None
    picture = None
    if draw:
        from pytest_tfserving.report.tensor_pictures import picture_of

        picture = picture_of(_entry_at(array, sent), name)
    if sent is not None and array.size > _FEW:
        name, array = f"{name}[{sent}]", _entry_at(array, sent)
    return {"name": name, "spec": describe(array), "text": values_text(array), "picture": picture}


def _output_pictures(
    outcome: Outcome, output: str, entry: int | None, rule: OutputRule | None
) -> dict[str, str] | None:
    from pytest_tfserving.report.tensor_pictures import pictures_of

    assert outcome.expected is not None
    grey = rule is not None and rule.psnr is not None
    sides = outcome.expected[output], outcome.outputs[output]
    return pictures_of(*(_entry_at(side, entry) for side in sides), grey=grey)
