"""Signatures that cannot be called, or not by the names that clients will know them by."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pytest_tfserving.findings import Finding
from pytest_tfserving.inspection import Inspection
from pytest_tfserving.rules import lint as rules
from pytest_tfserving.savedmodel import DEFAULT_TAGS
from pytest_tfserving.schema import DEFAULT_SIGNATURE, Signature

_METHODS = ("predict", "classify", "regress")

# output_0 and args_0 are tf.function's, input_1 and dense_3 those of Keras 2 (layer names), keras_tensor_12 Keras 3's,
# the rest are names of a graph's nodes.
_GENERATED = re.compile(
    r"(?:outputs?|inputs?|args|keras_tensor|dense|conv[123]d|activation|softmax|sigmoid|flatten|lambda|concatenate|add"
    r"|embedding|lstm|gru|reshape|dropout|sequential|model|functional|tf_op_layer_\w+|Placeholder|Identity)_\d+(?:_\d+)*"
    r"|keras_tensor|Placeholder|Identity|(?:Stateful)?PartitionedCall\w*|.*:\d+"
)


def find_missing_signatures(inspection: Inspection) -> Iterator[Finding]:
    """Findings about what a server loads and which signatures there are."""
    names = list(inspection.schema.callable_signatures)
    if not names:
        yield Finding.of(
            rules.NO_SIGNATURE,
            "the export has no signature, so every request is refused although the model is AVAILABLE. Export it with "
            "signatures",
        )
    elif DEFAULT_SIGNATURE not in names:
        yield Finding.of(
            rules.NO_SERVING_DEFAULT,
            f"a client that names no signature is refused: there is no {DEFAULT_SIGNATURE}. Clients have to name one "
            f"of {_some(names)}; or export one of them as {DEFAULT_SIGNATURE} too",
        )
    if not any(set(tags) == set(DEFAULT_TAGS) for tags in inspection.tag_sets):
        tags = ",".join(inspection.tags)
        yield Finding.of(
            rules.TAGS_NOT_SERVE,
            f"a server does not load the export by itself, since no graph has the tag serve alone. Start every server "
            f"with --saved_model_tags={tags}, or export with the tag serve",
        )


def find_signature_problems(inspection: Inspection, signature: Signature) -> Iterator[Finding]:
    """Findings about one signature, but for those of lint/batch.py and lint/json_form.py."""
    name = signature.name
    if not signature.outputs:
        yield Finding.of(
            rules.NO_OUTPUTS,
            f"every request for {name!r} fails, since it has no output. Return a tensor, or leave the signature out",
            signature=name,
        )
    if not signature.inputs:
        yield Finding.of(
            rules.NO_INPUTS,
            f"REST refuses every request for {name!r}, since it has no input; gRPC answers it. Give it an input, or "
            f"call it over gRPC only",
            signature=name,
        )
    if signature.method not in _METHODS:
        yield Finding.of(
            rules.METHOD_UNKNOWN,
            f"a server with --enable_signature_method_name_check refuses {name!r}: its method is "
            f"{signature.method_name!r}. Export it with tensorflow/serving/predict",
            signature=name,
        )
    if signature.method in ("classify", "regress"):
        yield from _find_wrong_form(signature)
    for side, specs in (("input", signature.inputs), ("output", signature.outputs)):
        for alias, spec in specs.items():
            place = {"signature": name, "side": side, "tensor": alias}
            if not inspection.graph.has_node(spec.tensor_name):
                lack = f"the graph has no {spec.tensor_name}" if spec.tensor_name else "it has no tensor of its own"
                yield Finding.of(
                    rules.TENSOR_NOT_IN_GRAPH,
                    f"every request for {name!r} fails at {side} {alias!r}: {lack}. Export again, with dense tensors",
                    **place,
                )
            if _GENERATED.fullmatch(alias):
                yield Finding.of(
                    rules.GENERATED_NAME,
                    f"{side} {alias!r} has a name that a tool made up; the next export may call it otherwise, and its "
                    f"clients break. Name it when exporting",
                    **place,
                )
            if spec.default is not None:
                yield Finding.of(
                    rules.DEFAULT_NOT_OVER_REST,
                    f"input {alias!r} has a default, which only gRPC clients can rely on: REST clients must send it "
                    f"({'...' if spec.default == '...' else spec.default}) in every request",
                    **place,
                )
    [alias, *others] = signature.inputs or ["", ""]
    if alias == "b64" and not others and signature.inputs[alias].dtype == "string":
        yield Finding.of(
            rules.INPUT_NAMED_B64,
            f"a REST client that sends {{'b64': 'text'}} to {name!r} has its text read as base64. Give the input "
            f"another name",
            signature=name,
            side="input",
            tensor=alias,
        )


def _find_wrong_form(signature: Signature) -> Iterator[Finding]:
    """Findings about a signature whose method takes examples."""
    classify = signature.method == "classify"
    dtypes = {"classes": "string", "scores": "float32"} if classify else {"outputs": "float32"}
    read = [alias for alias in signature.outputs if alias in dtypes]
    wrong = None
    if list(signature.inputs) != ["inputs"]:
        wrong = f"its inputs are {_some(list(signature.inputs))}, and it takes one, 'inputs'"
    elif signature.inputs["inputs"].dtype != "string":
        wrong = f"its input is {signature.inputs['inputs'].dtype}, and it takes serialized Examples, which are string"
    elif not read:
        wrong = f"its outputs are {_some(list(signature.outputs))}, and it gives {_some(list(dtypes))}"
    elif len(signature.outputs) > len(dtypes):
        wrong = f"its outputs are {_some(list(signature.outputs))}, and it has at most {len(dtypes)}"
    else:
        for alias in read:
            if signature.outputs[alias].dtype != dtypes[alias]:
                wrong = f"its output {alias!r} is {signature.outputs[alias].dtype}, and has to be {dtypes[alias]}"
    if wrong:
        method = signature.method.capitalize()
        yield Finding.of(
            rules.EXAMPLES_FORM,
            f"{method} refuses every request for {signature.name!r}, while Predict may take it: {wrong}. Export it "
            f"so, or with method predict",
            signature=signature.name,
        )


def _some(names: list[str], most: int = 5) -> str:
    shown = ", ".join(map(repr, names[:most])) or "none"
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")
