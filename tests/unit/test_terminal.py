"""What a failing test says, word for word."""

from pytest_tfserving.contracts.check import ExpectedSignature, compare_signature
from pytest_tfserving.grammar import parse_tensor_spec as spec
from pytest_tfserving.report.terminal import signature_failure, table
from pytest_tfserving.schema import ModelSchema, Signature

WHERE = {"export": "/exports/mnist/1", "server": "http://127.0.0.1:8501 (embedded)"}


def schema(inputs, outputs, name="serving_default"):
    sides = [{alias: spec(text) for alias, text in side.items()} for side in (inputs, outputs)]
    return ModelSchema({name: Signature(name, *sides)})


def failure_of_signature(expected_inputs, expected_outputs, **sources):
    sides = [
        side and {alias: spec(text) for alias, text in side.items()} for side in (expected_inputs, expected_outputs)
    ]
    return signature_failure(compare_signature(ExpectedSignature("serving_default", *sides), sources), "mnist", WHERE)


def test_a_signature_that_is_not_as_expected():
    text = failure_of_signature(
        {"image": "float32[batch, 28, 28]", "label": "string[batch]"},
        {"scores": "float32[batch, 10]"},
        export=schema({"image": "float32[?, 784]"}, {"scores": "float32[?, 10]", "classes": "int64[?]"}),
        server=schema({"image": "float32[?, 28, 28]"}, {"scores": "float32[?, 10]", "classes": "int64[?]"}),
    )
    assert text == (
        """\
signature 'serving_default' of mnist is not as expected

           tensor   expected                export           server
  inputs   image    float32[batch, 28, 28]  float32[?, 784]  float32[?, 28, 28]  <- differs
  inputs   label    string[batch]           -                -                   <- missing
  outputs  scores   float32[batch, 10]      float32[?, 10]   float32[?, 10]
  outputs  classes  -                       int64[?]         int64[?]            <- not expected

export: /exports/mnist/1
server: http://127.0.0.1:8501 (embedded)"""
    )


def test_a_signature_that_is_not_there():
    text = failure_of_signature(
        {"x": "float32[batch]"},
        None,
        export=schema({"x": "float32[?]"}, {}, name="serving_defualt"),
        server=ModelSchema({}),
    )
    assert text == (
        """\
signature 'serving_default' of mnist is not as expected

the export has no such signature; it has 'serving_defualt'. Did you mean 'serving_defualt'?
the server has no such signature; it has none

export: /exports/mnist/1
server: http://127.0.0.1:8501 (embedded)"""
    )


def test_a_long_table_is_cut():
    lines = table([["head"], *([str(number)] for number in range(50))])
    assert len(lines) == 1 + 40 + 1
    assert lines[0] == "  head"
    assert lines[-2:] == ["  39", "  ... and 10 more"]
    assert len(table([["head"], *([str(number)] for number in range(40))])) == 1 + 40
    assert len(table([["head"], *([str(number)] for number in range(50))], most=60)) == 1 + 50
