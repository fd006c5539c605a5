"""How a signature can be called, beyond its tensors one by one: REST's formats, Classify, Regress.

What breaks here breaks for clients that never touch the tensor that changed: a scalar output beside the others ends
REST's row format for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from pytest_tfserving.compatibility.json_values import has_json_form
from pytest_tfserving.compatibility.promised import PromisedSignature
from pytest_tfserving.findings import Finding
from pytest_tfserving.rules import compatibility as rules
from pytest_tfserving.schema import TensorSpec

Specs = Mapping[str, TensorSpec]


def find_rest_forms(signature: str, old: PromisedSignature, new: PromisedSignature) -> Iterator[Finding]:
    """The forms of REST's requests and answers that were and are no more; nothing where REST could not call it before.

    A side that is not promised may have been anything.
    """
    if old.inputs is not None and not (old.inputs and _first(old.inputs, _has_no_json_form) is None):
        return
    if old.outputs is not None and not (old.outputs and _first(old.outputs, _has_no_json_form) is None):
        return
    in_rows = _first(old.inputs or {}, _is_scalar) is None and _without_rows(old.outputs or {}) is None
    if old.inputs is not None and new.inputs is not None:
        yield from _find_request_forms(signature, old.inputs, new.inputs, in_rows)
    if old.outputs is not None and new.outputs is not None:
        yield from _find_answer_forms(signature, old.outputs, new.outputs, in_rows)


def _find_request_forms(signature: str, old: Specs, new: Specs, in_rows: bool) -> Iterator[Finding]:
    without = _first(new, _has_no_json_form)
    if without is not None:
        yield Finding.of(
            rules.REST_REQUEST_LOST,
            f"input {without} is {new[without]}, for which REST has no form: no JSON client can call "
            f"{signature} any more; use gRPC",
            signature=signature, side="input", tensor=without, old=_spec(old, without), new=str(new[without]),
        )  # fmt: skip
        return
    if not new:
        yield Finding.of(
            rules.REST_REQUEST_LOST,
            f"{signature} has no inputs any more, and REST cannot call such a signature; use gRPC",
            signature=signature, side="input", old=_listed(old),
        )  # fmt: skip
        return
    if len(old) == 1 and len(new) > 1:
        [name] = old
        shown = ", ".join(f'"{name}": ...' for name in sorted(new)[:_MOST_LISTED])
        more = ", ..." if len(new) > _MOST_LISTED else ""
        yield Finding.of(
            rules.REST_INPUT_NEEDS_NAME,
            f"input {name} was the only one, and REST took it bare; now each of {len(new)} must be named, as in "
            f'{{"instances": [{{{shown}{more}}}]}}',
            signature=signature, side="input", tensor=name, old=_listed(old), new=_listed(new),
        )  # fmt: skip
    if in_rows and (scalar := _first(new, _is_scalar)) is not None:
        yield Finding.of(
            rules.REST_ROW_REQUEST_LOST,
            f"input {scalar} is {new[scalar]}, without a batch: from REST's row format it arrives with a dimension for "
            f'the instances; send "inputs" in columns',
            signature=signature, side="input", tensor=scalar, old=_spec(old, scalar), new=str(new[scalar]),
        )  # fmt: skip


def _find_answer_forms(signature: str, old: Specs, new: Specs, in_rows: bool) -> Iterator[Finding]:
    without = _first(new, _has_no_json_form)
    if without is not None:
        yield Finding.of(
            rules.REST_ANSWER_LOST,
            f"output {without} is {new[without]}, for which REST has no form: it refuses every answer of "
            f"{signature}; use gRPC",
            signature=signature, side="output", tensor=without, old=_spec(old, without), new=str(new[without]),
        )  # fmt: skip
        return
    if len(old) == 1 and len(new) > 1:
        [name] = old
        read = f'"{name}"' if name in new else "NAME"
        yield Finding.of(
            rules.REST_OUTPUT_NAMED,
            f"output {name} was the only one, and REST wrote it bare; with {_listed(new)} answers are objects by name: "
            f"read predictions[i][{read}] and outputs[{read}]",
            signature=signature, side="output", tensor=name, old=_listed(old), new=_listed(new),
        )  # fmt: skip
    if len(old) > 1 and len(new) == 1:
        [name] = new
        yield Finding.of(
            rules.REST_OUTPUT_BARE,
            f"output {name} is the only one now, and REST writes it bare; read predictions[i] and outputs without a "
            f"name",
            signature=signature, side="output", tensor=name, old=_listed(old), new=_listed(new),
        )  # fmt: skip
    if in_rows and (uneven := _without_rows(new)) is not None:
        yield Finding.of(
            rules.REST_ROW_ANSWER_LOST,
            f"output {uneven} is {new[uneven]}, which REST's row format cannot split into rows beside the rest: it "
            f'refuses every answer to "instances"; send "inputs" in columns',
            signature=signature, side="output", tensor=uneven, old=_spec(old, uneven), new=str(new[uneven]),
        )  # fmt: skip


def find_lost_calls(signature: str, old: PromisedSignature, new: PromisedSignature) -> Iterator[Finding]:
    """Classify or Regress, where the signature could be called so and cannot any more."""
    for name, rule, fits in (
        ("Classify", rules.CLASSIFY_LOST, _fits_classify),
        ("Regress", rules.REGRESS_LOST, _fits_regress),
    ):
        known = new.inputs is not None and new.outputs is not None
        if known and fits(old.inputs, old.outputs) and not fits(new.inputs, new.outputs):
            yield Finding.of(
                rule,
                f"{signature} is {_call(new)} now, and {name} refuses it",
                signature=signature, old=_call(old), new=_call(new),
            )  # fmt: skip


def _fits_classify(inputs: Specs | None, outputs: Specs | None) -> bool:
    """As classifier.cc wants it (PreProcessClassification, PostProcessClassificationResult)."""
    if not _takes_examples(inputs) or outputs is None or len(outputs) not in (1, 2):
        return False
    kept = [(outputs[name], dtype) for name, dtype in (("scores", "float32"), ("classes", "string")) if name in outputs]
    return bool(kept) and all(
        spec.dtype == dtype and (spec.shape is None or len(spec.shape) == 2) for spec, dtype in kept
    )


def _fits_regress(inputs: Specs | None, outputs: Specs | None) -> bool:
    """As regressor.cc wants it (PreProcessRegression, PostProcessRegressionResult)."""
    if not _takes_examples(inputs) or outputs is None or list(outputs) != ["outputs"]:
        return False
    values = outputs["outputs"]
    one_an_example = (
        values.shape is None or len(values.shape) == 1 or (len(values.shape) == 2 and values.shape[1] in (1, None))
    )
    return values.dtype == "float32" and one_an_example


def _takes_examples(inputs: Specs | None) -> bool:
    return inputs is not None and list(inputs) == ["inputs"] and inputs["inputs"].dtype == "string"


def _has_no_json_form(spec: TensorSpec) -> bool:
    return not has_json_form(spec)


def _is_scalar(spec: TensorSpec) -> bool:
    return spec.shape == ()


def _without_rows(outputs: Specs) -> str | None:
    """The first output that has no row for each example; a rank that is not known may have."""
    scalar = _first(outputs, _is_scalar)
    if scalar is not None:
        return scalar
    first = {name: spec.shape[0] for name, spec in sorted(outputs.items()) if spec.shape}
    fixed = {name: size for name, size in first.items() if isinstance(size, int)}
    if len(fixed) < len(first):  # the others have as many rows as the request
        return next(iter(fixed), None)
    return next((name for name, size in fixed.items() if size != next(iter(fixed.values()))), None)


def _first(specs: Specs, holds: Callable[[TensorSpec], bool]) -> str | None:
    return next((name for name in sorted(specs) if holds(specs[name])), None)


def _spec(specs: Specs, name: str) -> str | None:
    return str(specs[name]) if name in specs else None


_MOST_LISTED = 6


def _listed(specs: Specs) -> str:
    names = sorted(specs)
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return (", ".join(names[:_MOST_LISTED]) or "nothing") + more


def _call(signature: PromisedSignature) -> str:
    return f"{_listed(signature.inputs or {})} -> {_listed(signature.outputs or {})}"
