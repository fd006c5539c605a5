"""Two sets of signatures and the findings between them: a table with every rule, and what holds for all of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_tfserving.compatibility import find_changes
from pytest_tfserving.contracts.check import ExpectedSignature
from pytest_tfserving.grammar import parse_tensor_spec
from pytest_tfserving.rules.compatibility import COMPATIBILITY_RULES
from pytest_tfserving.schema import INIT_OP_SIGNATURE, ModelSchema, Signature, TensorSpec

X = TensorSpec("float32", (None,))

METHODS = {"predict": "tensorflow/serving/predict", "classify": "tensorflow/serving/classify"}


def side(text: str) -> dict[str, TensorSpec]:
    """`x float32[?], n int32[] = 5` as specs by name."""
    parts = [part.strip() for part in re.split(r",\s*(?=\w+ \w+\[)", text) if part.strip()]
    return {name: parse_tensor_spec(spec) for name, spec in (part.split(" ", 1) for part in parts)}


def export(**signatures: str) -> ModelSchema:
    """`inputs -> outputs`, with ` : method` behind it; an initialiser stands beside them as in every TF2 export."""
    found = {INIT_OP_SIGNATURE: Signature(INIT_OP_SIGNATURE, {}, {INIT_OP_SIGNATURE: TensorSpec("invalid", None)})}
    for name, text in signatures.items():
        text, _, method = text.partition(" : ")
        inputs, outputs = text.split("->")
        found[name] = Signature(name, side(inputs), side(outputs), METHODS[method or "predict"])
    return ModelSchema(found)


def contract(**signatures: str) -> dict[str, ExpectedSignature]:
    """The same as a contract writes it; a side of `*` is not said, nor is a method that is not there."""
    found = {}
    for name, text in signatures.items():
        text, _, method = text.partition(" : ")
        inputs, outputs = (None if part.strip() == "*" else side(part) for part in text.split("->"))
        found[name] = ExpectedSignature(name, inputs, outputs, method or None)
    return found


def found(old, new) -> list[str]:
    """`rule where` of each finding, without serving_default's name."""
    return [
        f"{finding.rule.id} {finding.where.removeprefix('serving_default').removeprefix('.')}".strip()
        for finding in find_changes(old, new)
    ]


@dataclass(frozen=True)
class Case:
    """serving_default before and after, and what is found."""

    old: str
    new: str
    findings: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.old} => {self.new}"


CASES = [
    # Inputs: there or not.
    Case("x float32[?] -> y float32[?]", "x float32[?], k int32[?] -> y float32[?]",
         ("input-added inputs.k", "rest-input-needs-name inputs.x")),
    Case("x float32[?], z int32[?] -> y float32[?]", "x float32[?], z int32[?], k int32[?] -> y float32[?]",
         ("input-added inputs.k",)),
    Case("x float32[?], z int32[?] -> y float32[?]", "x float32[?], z int32[?], k int32[?] = 5 -> y float32[?]",
         ("input-added-with-default inputs.k",)),
    Case("x float32[?], z int32[?] -> y float32[?]", "x float32[?] -> y float32[?]", ("input-removed inputs.z",)),
    Case("x float32[?] -> y float32[?]", " -> y float32[?]", ("input-removed inputs.x", "rest-request-lost inputs")),
    # Inputs: their defaults.
    Case("x float32[?], k int32[] = 5 -> y float32[?]", "x float32[?], k int32[] -> y float32[?]",
         ("input-default-lost inputs.k",)),
    Case("x float32[?], k int32[] -> y float32[?]", "x float32[?], k int32[] = 5 -> y float32[?]",
         ("input-default-added inputs.k",)),
    Case("x float32[?], k int32[] = 5 -> y float32[?]", "x float32[?], k int32[] = 6 -> y float32[?]",
         ("input-default-changed inputs.k",)),
    # Inputs: renamed, one finding each.
    Case("x float32[?, 3] -> y float32[?]", "inputs float32[?, 3] -> y float32[?]", ("input-renamed inputs.x",)),
    Case("x int32[?, 10] -> y float32[?, 2]", "inputs float32[?, 10] -> output_0 float32[?, 2]",
         ("input-renamed inputs.x", "input-dtype-changed inputs.x", "output-renamed outputs.y")),
    Case("age float32[?], name string[?] -> y float32[?]", "age_years int32[?], score float32[?] -> y float32[?]",
         ("input-renamed inputs.age", "input-dtype-changed inputs.age", "input-removed inputs.name",
          "input-added inputs.score")),
    Case("a float32[?, 3], b string[?] -> y float32[?]", "args_0 float32[?, 3], args_1 string[?] -> y float32[?]",
         ("input-renamed inputs.a", "input-renamed inputs.b")),
    Case("a float32[?], b float32[?] -> y float32[?]", "args_0 float32[?], args_1 float32[?] -> y float32[?]",
         ("input-removed inputs.a", "input-removed inputs.b", "input-added inputs.args_0", "input-added inputs.args_1")),
    Case("tokens int32[?, 7] -> y float32[?]", "image string[] -> y float32[?]",
         ("input-removed inputs.tokens", "input-added inputs.image", "rest-row-request-lost inputs.image")),
    Case(
        "x int32[?, 10] -> y float32[?]",
        "inputs float32[1, 10] -> y float32[?]",
        ("input-renamed inputs.x", "input-dtype-changed inputs.x", "batch-dimension-fixed inputs.x"),
    ),
    Case(
        "x_a int32[?], x_b int32[?], x_c string[?] -> y float32[?]",
        "features_a int32[?], features_b int32[?], features_c string[?] -> y float32[?]",
        ("input-renamed inputs.x_a", "input-renamed inputs.x_b", "input-renamed inputs.x_c"),
    ),
    # Inputs: dtype and shape.
    Case("x int32[?] -> y float32[?]", "x float32[?] -> y float32[?]", ("input-dtype-changed inputs.x",)),
    Case("x float32[?] -> y float32[?]", "x bfloat16[?] -> y float32[?]",
         ("input-dtype-changed inputs.x", "rest-request-lost inputs.x")),
    Case("x float32[?, 3] -> y float32[?]", "x float32[?, 4] -> y float32[?]", ("input-size-changed inputs.x",)),
    Case("x float32[?, ?] -> y float32[?]", "x float32[?, 4] -> y float32[?]", ("input-shape-narrowed inputs.x",)),
    Case("x float32[...] -> y float32[?]", "x float32[?, 4] -> y float32[?]", ("input-shape-narrowed inputs.x",)),
    Case("x float32[?, 4] -> y float32[?]", "x float32[?, ?] -> y float32[?]", ("input-shape-widened inputs.x",)),
    Case("x float32[?, 4] -> y float32[?]", "x float32[...] -> y float32[?]", ("input-shape-widened inputs.x",)),
    Case("x float32[?, 4] -> y float32[?]", "x float32[?, 2, 2] -> y float32[?]", ("input-rank-changed inputs.x",)),
    Case("x float32[?, 4, ?] -> y float32[?]", "x float32[?, ?, 5] -> y float32[?]",
         ("input-shape-narrowed inputs.x", "input-shape-widened inputs.x")),
    # The batch.
    Case("x float32[?, 4] -> y float32[?]", "x float32[8, 4] -> y float32[8]",
         ("batch-dimension-fixed inputs.x", "batch-dimension-fixed outputs.y")),
    Case("x float32[?, 4] -> y float32[?]", "x float32[8, 5] -> y float32[?]",
         ("batch-dimension-fixed inputs.x", "input-size-changed inputs.x")),
    Case("x float32[8, 4] -> y float32[8]", "x float32[?, 4] -> y float32[?]",
         ("batch-dimension-opened inputs.x", "batch-dimension-opened outputs.y")),
    Case("x float32[?, 4] -> y float32[?]", "x float32[4] -> y float32[]",
         ("batch-dimension-lost inputs.x", "batch-dimension-lost outputs.y", "rest-row-answer-lost outputs.y")),
    Case("x float32[?] -> y float32[?]", "x float32[] -> y float32[?]",
         ("batch-dimension-lost inputs.x", "rest-row-request-lost inputs.x")),
    Case("x float32[4] -> y float32[1]", "x float32[?, 4] -> y float32[?, 1]",
         ("batch-dimension-gained inputs.x", "batch-dimension-gained outputs.y")),
    Case("x float32[?, ?] -> y float32[?, ?]", "x float32[?] -> y float32[?, ?, ?]",
         ("input-rank-changed inputs.x", "output-rank-changed outputs.y")),
    # ... of an output is one where inputs have a batch.
    Case("x float32[1, 4] -> y float32[?]", "x float32[1, 4] -> y float32[1]", ("output-shape-narrowed outputs.y",)),
    Case("x float32[?, 4] -> y float32[?]", "x float32[?, 4] -> y float32[1]", ("batch-dimension-fixed outputs.y",)),
    # Outputs.
    Case("x float32[?] -> y float32[?], z int32[?]", "x float32[?] -> y float32[?], z int32[?], w string[?]",
         ("output-added outputs.w",)),
    Case("x float32[?] -> y float32[?], z int32[?], w string[?]", "x float32[?] -> y float32[?], z int32[?]",
         ("output-removed outputs.w",)),
    Case("x float32[?] -> y float32[?, 2]", "x float32[?] -> output_0 float32[?, 2]", ("output-renamed outputs.y",)),
    Case("x float32[?] -> y float32[?]", "x float32[?] -> y int64[?]", ("output-dtype-changed outputs.y",)),
    Case("x float32[?] -> y float32[?]", "x float32[?] -> y float16[?]",
         ("output-dtype-changed outputs.y", "rest-answer-lost outputs.y")),
    Case("x float32[?] -> y float32[?, 10]", "x float32[?] -> y float32[?, 11]", ("output-size-changed outputs.y",)),
    Case("x float32[?] -> y float32[?, ?]", "x float32[?] -> y float32[?, 10]", ("output-shape-narrowed outputs.y",)),
    Case("x float32[?] -> y float32[?, 10]", "x float32[?] -> y float32[?, ?]", ("output-shape-widened outputs.y",)),
    Case("x float32[?] -> y float32[100, ?]", "x float32[?] -> y float32[?, ?]", ("output-shape-widened outputs.y",)),
    Case("x float32[?] -> y float32[?, 10]", "x float32[?] -> y float32[?, 5, 2]", ("output-rank-changed outputs.y",)),
    Case("x string[?] -> image string[?]", "x string[?] -> image_bytes string[?]",
         ("output-renamed outputs.image", "bytes-suffix-gained outputs.image")),
    Case("x string[?] -> image_bytes string[?]", "x string[?] -> image string[?]",
         ("output-renamed outputs.image_bytes", "bytes-suffix-lost outputs.image_bytes")),
    Case("x string[?] -> image_bytes uint8[?]", "x string[?] -> image uint8[?]",
         ("output-renamed outputs.image_bytes",)),
    Case("image_bytes string[?] -> y float32[?]", "image string[?] -> y float32[?]", ("input-renamed inputs.image_bytes",)),
    # REST's forms: what a harmless change does to clients that never asked for it.
    Case("x float32[?] -> y float32[?]", "x float32[?] -> y float32[?], z int32[?]",
         ("output-added outputs.z", "rest-output-named outputs.y")),
    Case("x float32[?] -> y float32[?], z int32[?]", "x float32[?] -> y float32[?]",
         ("output-removed outputs.z", "rest-output-bare outputs.y")),
    Case("x float32[?] -> y float32[?], z int32[?]", "x float32[?] -> y float32[?], z int32[?], loss float32[]",
         ("output-added outputs.loss", "rest-row-answer-lost outputs.loss")),
    Case("x float32[?] -> y float32[?], z int32[?]", "x float32[?] -> y float32[?], z int32[?], words string[9]",
         ("output-added outputs.words", "rest-row-answer-lost outputs.words")),
    Case("x float32[?] -> y float32[?], z int32[?]", "x float32[?] -> y float32[?], z int32[?], h complex64[?]",
         ("output-added outputs.h", "rest-answer-lost outputs.h")),
    Case("x float32[?], z int32[?] -> y float32[?]", "x float32[?], z int32[?], t float32[] = 0.5 -> y float32[?]",
         ("input-added-with-default inputs.t", "rest-row-request-lost inputs.t")),
    # ... nothing where REST, or its row format, could not call the signature before.
    Case("x float32[?] -> y float16[?]", "x float32[?] -> y float16[?], z float16[?]", ("output-added outputs.z",)),
    Case("x float16[?] -> y float32[?]", "x float16[?] -> y float32[?], z float32[]", ("output-added outputs.z",)),
    Case("x float16[?] -> y float32[?]", "x float16[?], k float32[] -> y float32[?]", ("input-added inputs.k",)),
    Case("x float32[] -> y float32[?], z int32[?]", "x float32[] -> y float32[?], z int32[?], loss float32[]",
         ("output-added outputs.loss",)),
    # Methods, and the calls that take Examples.
    Case("x float32[?] -> y float32[?] : classify", "x float32[?] -> y float32[?]", ("method-changed",)),
    Case("inputs string[?] -> scores float32[?, 2], classes string[?, 2]",
         "inputs string[?] -> scores float32[?, 2], classes string[?, 2], index int64[?, 2]",
         ("output-added outputs.index", "classify-lost")),
    Case("inputs string[?] -> outputs float32[?]", "inputs string[?] -> outputs float32[?], spread float32[?]",
         ("output-added outputs.spread", "rest-output-named outputs.outputs", "regress-lost")),
    # ... whose requests name no tensor: a client that follows the rename is another than the one that cannot.
    Case("inputs string[?] -> outputs float32[?]", "text string[?] -> outputs float32[?]",
         ("input-renamed inputs.inputs", "regress-lost")),
    Case("inputs string[?] -> scores float32[?, 2], classes string[?, 2]",
         "inputs string[?] -> scores float32[?, 3], classes string[?, 3], index int64[?, 3]",
         ("output-size-changed outputs.classes", "output-size-changed outputs.scores", "output-added outputs.index",
          "classify-lost")),
    Case("inputs string[?] -> scores float32[?, 2], rest int32[?]",
         "inputs string[?] -> scores float32[?, 2], classes string[?]",
         ("output-removed outputs.rest", "output-added outputs.classes", "classify-lost")),
    Case("inputs string[?] -> outputs float32[?, 1]", "inputs string[?] -> outputs float32[?, 2]",
         ("output-size-changed outputs.outputs", "regress-lost")),
]  # fmt: skip

X_TO_Y, K_TO_Z = "x float32[?] -> y float32[?]", "k int32[?, 3] -> z string[?]"

MODELS = [
    (export(a=X_TO_Y, b=K_TO_Z), export(a=X_TO_Y), ["signature-removed b"]),
    (export(a=X_TO_Y), export(a=X_TO_Y, b=K_TO_Z), ["signature-added b"]),
    (export(a=X_TO_Y, b=K_TO_Z), export(a=X_TO_Y, c=K_TO_Z), ["signature-renamed b"]),
    (
        export(b=K_TO_Z),
        export(c="k int32[?, 3] -> z string[?, 2]"),
        ["signature-renamed b", "output-rank-changed b.outputs.z"],
    ),
    (export(b=K_TO_Z), export(c=X_TO_Y), ["signature-removed b", "signature-added c"]),
    (export(serving_default=X_TO_Y, b=K_TO_Z), export(b=K_TO_Z), ["default-signature-removed"]),
    (export(serving_default=X_TO_Y), export(serve=X_TO_Y), ["default-signature-removed", "signature-added serve"]),
    (
        export(serving_default=X_TO_Y, b=K_TO_Z),
        export(serving_default=K_TO_Z, b=K_TO_Z),
        ["default-signature-moved"],
    ),
    (  # what breaks nobody is no other function
        export(serving_default="x float32[8] -> y float32[8]", b=X_TO_Y),
        export(serving_default=X_TO_Y, b=X_TO_Y),
        ["batch-dimension-opened inputs.x", "batch-dimension-opened outputs.y"],
    ),
    (
        export(serving_default=X_TO_Y, b=K_TO_Z),
        export(serving_default=K_TO_Z, b=X_TO_Y),
        # b's own clients are found out about as well: nothing points at another signature there.
        ["input-removed b.inputs.k", "input-added b.inputs.x", "output-removed b.outputs.z", "output-added b.outputs.y",
         "default-signature-moved"],
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_signature(case):
    assert found(export(serving_default=case.old), export(serving_default=case.new)) == list(case.findings)


@pytest.mark.parametrize(("old", "new", "findings"), MODELS)
def test_model(old, new, findings):
    assert found(old, new) == findings


def all_findings():
    for case in CASES:
        yield from find_changes(export(serving_default=case.old), export(serving_default=case.new))
    for old, new, _ in MODELS:
        yield from find_changes(old, new)


@pytest.mark.parametrize("rule", COMPATIBILITY_RULES, ids=lambda rule: rule.id)
def test_the_tables_have_every_rule(rule):
    assert rule in {finding.rule for finding in all_findings()}


def test_a_finding_says_what_and_names_its_tensor():
    for finding in all_findings():
        assert finding.level == finding.rule.level
        assert (finding.tensor or finding.signature) in finding.sentence, finding
        assert not finding.sentence.endswith("."), finding
        if finding.side == "input":
            assert finding.direction == "request"


def test_the_specs_are_in_the_sentence():
    [finding] = find_changes(export(a="x int32[?, 10] -> y float32[?]"), export(a="x float32[?, 10] -> y float32[?]"))
    assert (finding.old, finding.new) == ("int32[?, 10]", "float32[?, 10]")
    assert finding.sentence == (
        "input x was int32[?, 10] and is float32[?, 10]: gRPC clients that send int32 are refused; JSON clients notice "
        "nothing: a number is taken as before, integers beyond 2^24 rounded"
    )


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("int32", "float32", "notice nothing: a number is taken as before, integers beyond 2^24 rounded"),
        ("int8", "float32", "notice nothing: a number is taken as before"),
        ("int64", "float64", "integers beyond 2^53 rounded"),
        ("float64", "float32", "notice nothing: a number is taken as before, and rounded to float32"),
        ("float32", "int32", "refused wherever a number has a point or an exponent, as 1.0 has: int32 wants integers"),
        ("int32", "int64", "notice nothing: an integer is taken as before"),
        ("int64", "int32", "refused where a value is outside -2147483648 to 2147483647"),
        ("int32", "uint8", "go on, but a value outside 0 to 255 wraps around without a word"),
        ("int64", "uint8", "outside 0 to 255 wraps around without a word, one beyond int32 is refused"),
        ("int32", "string", "refused too: string wants strings"),
        ("int32", "bool", "refused too: bool wants true or false"),
        ("float32", "float16", "REST has no form for float16, and JSON clients are refused too"),
        ("float16", "float32", "REST has no form for float16, so that no JSON client sent it"),
    ],
)
def test_what_json_clients_notice_of_an_inputs_dtype(old, new, words):
    [finding, *_] = find_changes(export(a=f"x {old}[?] -> y int8[?]"), export(a=f"x {new}[?] -> y int8[?]"))
    assert finding.rule.id == "input-dtype-changed"
    assert finding.sentence.endswith(words)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("int32", "float32", "get 3.0 where 3 stood, which typed parsers refuse for an integer, integers beyond 2^24 rounded"),
        ("float32", "int32", "get 3 where 3.0 stood, and no fractions"),
        ("float32", "float64", "get numbers of more digits"),
        ("int32", "int64", "get integers as before, but JavaScript rounds those beyond 2^53"),
        ("int32", "uint8", "get integers as before, from 0 to 255"),
        ("float32", "string", "get strings where numbers stood"),
        ("bool", "int32", "get numbers where true or false stood"),
        ("float32", "bfloat16", "REST has no form for bfloat16, and refuses the whole answer"),
        ("bfloat16", "float32", "REST has no form for bfloat16, so that no JSON client read it"),
    ],
)  # fmt: skip
def test_what_json_clients_notice_of_an_outputs_dtype(old, new, words):
    [finding, *_] = find_changes(export(a=f"x int8[?] -> y {old}[?]"), export(a=f"x int8[?] -> y {new}[?]"))
    assert finding.rule.id == "output-dtype-changed"
    assert finding.sentence.endswith(words)


def test_integers_of_one_field_of_a_tensor_proto():
    [finding] = find_changes(export(a="x int8[?] -> y int32[?]"), export(a="x int8[?] -> y int16[?]"))
    assert (
        "is int16[?]: gRPC clients find the values in int_val as before, those that check the dtype" in finding.sentence
    )


def test_the_request_of_several_inputs_is_shown_whole():
    *_, finding = find_changes(export(a="x int8[?] -> y int8[?]"), export(a="c int8[?], b int8[?] -> y int8[?]"))
    assert finding.rule.id == "rest-input-needs-name"
    assert finding.sentence.endswith('as in {"instances": [{"b": ..., "c": ...}]}')


def test_strings_under_a_bytes_name_are_base64_objects():
    [finding] = find_changes(
        export(a="x int8[?] -> y_bytes uint8[?]"), export(a="x int8[?] -> y_bytes string[?]")
    )  # fmt: skip
    assert finding.sentence.endswith('JSON clients get {"b64": ...} objects where numbers stood')


def test_a_name_that_is_empty_is_a_name():
    old, new = (
        ModelSchema({"": Signature("", {"": X}, {"": parse_tensor_spec(spec)})}) for spec in ("float32[?]", "half[?]")
    )
    assert [finding.rule.id for finding in find_changes(old, new)] == ["output-dtype-changed", "rest-answer-lost"]


class TestContract:
    """A contract is all that its clients rely on."""

    @pytest.mark.parametrize(
        ("old", "new", "findings"),
        [
            # What it does not speak of is not its business, but every request must send every input.
            (X_TO_Y, "x float32[?] -> y float32[?]", []),
            ("x float32[?], z int8[?] -> y int8[?], w int8[?]", "x float32[?], z int8[?], k int8[?] -> y int8[?], w int8[?]",
             ["input-added inputs.k"]),
            ("x int8[?] -> y int8[?], w int8[?]", "x int8[?] -> y int8[?], w int8[?], v int8[?]", []),
            ("x int8[?] -> y int8[?]", "x int8[?] -> y int8[?], v int8[?]", ["rest-output-named outputs.y"]),
            ("x int8[?] -> *", "x int8[?] -> v float32[]", []),
            ("* -> y int8[?]", "k string[] -> y int8[?]", []),
            ("* -> y int8[?]", "k string[] -> y int16[?]", ["output-dtype-changed outputs.y"]),
            ("* -> * : classify", "x int8[?] -> y int8[?]", ["method-changed"]),
            ("* -> *", "x int8[?] -> y int8[?] : classify", []),
            # Names and ranges promise an open dimension.
            ("x int8[batch, 3] -> y int8[batch]", "x int8[?, 3] -> y int8[?]", []),
            ("x int8[batch<=64] -> y int8[batch]", "x int8[?] -> y int8[?]", []),
            ("x int8[1<=batch<=64] -> y int8[batch]", "x int8[64] -> y int8[?]", ["batch-dimension-fixed inputs.x"]),
            ("x int8[batch, words<=9] -> y int8[batch]", "x int8[?, 9] -> y int8[?]", ["input-shape-narrowed inputs.x"]),
            ("x int8[batch, 9] -> y int8[batch]", "x int8[?, ?] -> y int8[?]", ["input-shape-widened inputs.x"]),
            ("x int8[64<=batch<=64] -> y int8[batch]", "x int8[64] -> y int8[?]", []),
            ("x int8[batch, words<=9] -> y int8[batch]", "x int8[?, 10] -> y int8[?]", ["input-size-changed inputs.x"]),
            ("x int8[batch] -> y int8[batch, words<=9]", "x int8[?] -> y int8[?, 10]", ["output-size-changed outputs.y"]),
            ("x int8[batch] -> y int8[batch, words<=9]", "x int8[?] -> y int8[?, 9]", ["output-shape-narrowed outputs.y"]),
            # A default that is promised without its value.
            ("x int8[?], k int8[] = ... -> y int8[?]", "x int8[?], k int8[] = 5 -> y int8[?]", []),
            ("x int8[?], k int8[] = 5 -> y int8[?]", "x int8[?], k int8[] = 5 -> y int8[?]", []),
            ("x int8[?], k int8[] = ... -> y int8[?]", "x int8[?], k int8[] -> y int8[?]", ["input-default-lost inputs.k"]),
        ],
    )  # fmt: skip
    def test_against_an_export(self, old, new, findings):
        assert found(contract(serving_default=old), export(serving_default=new, other=K_TO_Z)) == findings

    def test_a_signature_that_it_names_must_be_there(self):
        assert found(contract(a="* -> *", b="* -> *"), export(a=X_TO_Y)) == ["signature-removed b"]

    @pytest.mark.parametrize(
        ("old", "new", "findings"),
        [
            ("x int8[batch<=64] -> y int8[batch]", "x int8[batch<=128] -> y int8[batch]", ["input-shape-widened inputs.x"]),
            ("x int8[batch<=64] -> y int8[batch]", "x int8[batch<=32] -> y int8[batch]", ["input-shape-narrowed inputs.x"]),
            ("x int8[batch<=64] -> y int8[batch]", "x int8[batch] -> y int8[batch]", ["input-shape-widened inputs.x"]),
            ("x int8[batch] -> y int8[batch]", "x int8[rows] -> y int8[rows]", []),
            ("x int8[?] -> y int8[?, n<=64]", "x int8[?] -> y int8[?, 32<=n<=128]",
             ["output-shape-narrowed outputs.y", "output-shape-widened outputs.y"]),
            ("x int8[5] -> y int8[5]", "x int8[batch<=4] -> y int8[5]", ["input-size-changed inputs.x"]),
            ("x int8[?] -> y int8[?]", "* -> *", []),
        ],
    )  # fmt: skip
    def test_against_a_contract(self, old, new, findings):
        assert found(contract(serving_default=old), contract(serving_default=new)) == findings

    def test_an_export_against_a_contract(self):
        old, new = export(a="x int8[?] -> y int8[?]"), contract(a="x int8[batch<=8] -> *")
        assert found(old, new) == ["input-shape-narrowed a.inputs.x"]


NAMES = st.sampled_from(["x", "y", "x_1", "images", "image_bytes", "inputs", "outputs", "scores", "output_0"])
SPECS = st.builds(
    TensorSpec,
    st.sampled_from(["float32", "int32", "int64", "string", "bool", "float16", "uint8"]),
    st.none() | st.lists(st.none() | st.integers(0, 3), max_size=3).map(tuple),
    st.sampled_from([None, None, "5", "6"]),
)
SIDES = st.dictionaries(NAMES, SPECS, max_size=4)
SIGNATURES = st.builds(
    Signature, st.just(""), SIDES, SIDES.map(lambda specs: {n: replace(s, default=None) for n, s in specs.items()}),
    st.sampled_from(list(METHODS.values())),
)  # fmt: skip
SCHEMAS = st.dictionaries(
    st.sampled_from(["serving_default", "serve", "a", "b", "c"]), SIGNATURES, max_size=4
).map(lambda found: ModelSchema({name: replace(signature, name=name) for name, signature in found.items()}))  # fmt: skip


@given(SCHEMAS)
def test_nothing_changed_between_a_schema_and_itself(schema):
    assert list(find_changes(schema, schema)) == []


@given(SCHEMAS, SCHEMAS)
def test_whatever_changed_is_told(old, new):
    findings = list(find_changes(old, new))
    assert findings == list(find_changes(old, new))
    for finding in findings:
        assert (finding.tensor or finding.signature) in finding.sentence
    # One finding a rule and tensor, so that one acceptance accepts one thing.
    assert len({(finding.rule.id, finding.where) for finding in findings}) == len(findings)
    if old != new:
        assert findings


@given(SCHEMAS)
def test_the_order_of_names_does_not_matter(schema):
    other = ModelSchema(
        {
            name: replace(
                signature,
                inputs=dict(reversed(signature.inputs.items())),
                outputs=dict(reversed(signature.outputs.items())),
            )
            for name, signature in reversed(schema.signatures.items())
        }
    )
    assert list(find_changes(other, schema)) == []


class Counted(str):
    """A name that counts how often it is compared."""

    compared = 0

    def __eq__(self, other: object) -> bool:
        Counted.compared += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def test_10_000_signatures_that_are_all_renamed():
    Counted.compared = 0
    spec = parse_tensor_spec("float32[?]")

    def model(prefix: str) -> ModelSchema:
        names = [Counted(f"{prefix}_{index}") for index in range(10_000)]
        return ModelSchema(
            {
                name: Signature(name, {f"in_{index % 100}": spec}, {f"o_{index}": spec})
                for index, name in enumerate(names)
            }
        )

    findings = list(find_changes(model("old"), model("new")))
    assert {finding.rule.id for finding in findings} == {"signature-renamed"}
    assert len(findings) == 10_000
    assert Counted.compared < 1_000_000


@pytest.mark.parametrize(
    ("prefixes", "findings"),
    [
        (("old_", "new_"), 10_000),
        (("old", "new"), 20_000),  # two are of each kind: which became which cannot be told
    ],
)
def test_10_000_tensors_that_are_all_renamed(prefixes, findings):
    Counted.compared = 0
    specs = {index: TensorSpec("float32", (None, index // 2)) for index in range(10_000)}
    old, new = (
        ModelSchema({"a": Signature("a", {Counted(f"{prefix}{i}"): spec for i, spec in specs.items()}, {})})
        for prefix in prefixes
    )
    assert len(list(find_changes(old, new))) == findings
    assert Counted.compared < 1_000_000
