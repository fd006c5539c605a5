"""The keys of a contract file, in one table: what is unknown, what each takes, and the JSON schema come from it.

tools/write_contract_schema.py writes contract.schema.json from it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pytest_tfserving.contracts.checks import INVALID_KINDS
from pytest_tfserving.contracts.kinds import Duration, Flag, FunctionText, Number, PathText, Spec, Text, Values
from pytest_tfserving.contracts.promises import RELATIONS
from pytest_tfserving.contracts.tables import Either, Key, Many, Named, Table
from pytest_tfserving.errors import Code
from pytest_tfserving.golden.store import TRANSPORTS
from pytest_tfserving.rules.rule import LEVELS
from pytest_tfserving.schema import METHODS

_GOLDENS = '"goldens/half_plus_two"'
_PATHS = Either((PathText(_GOLDENS), Many(PathText(_GOLDENS), f"[{_GOLDENS}]", "a list of paths", least=1)))

_TOLERANCE = {
    "rtol": Key(Number("1e-5", least=0), "How far a float may be off, relative to the golden value."),
    "atol": Key(Number("1e-8", least=0), "How far a float may be off, absolutely."),
    "equal_nan": Key(Flag(), "Whether NaN equals NaN."),
}

_ACCEPTED = Table(
    {
        "rule": Key(Text('"output-renamed"'), "The rule's id.", required=True),
        "signature": Key(Text('"serving_default"'), "Only findings of this signature."),
        "tensor": Key(Text('"y"'), "Only findings of this input or output."),
        "reason": Key(Text('"no client reads it"'), "Why it is accepted.", required=True),
    },
    example='{ rule = "output-renamed", tensor = "y", reason = "no client reads it" }',
)

_POLICY = {
    "fail_on": Key(Text('"breaking"', choices=LEVELS), "The level from which a finding fails."),
    "severities": Key(
        Named(Text('"risky"', choices=(*LEVELS, "off")), '{ output-renamed = "risky" }', "levels by rule"),
        "Levels of single rules; `off` switches one off.",
    ),
    "accepted": Key(
        Either(
            (
                Many(_ACCEPTED, f"[{_ACCEPTED.example}]", "a list of tables with rule and reason"),
                PathText('"accepted.toml"'),
            )
        ),
        "Findings that are accepted for a reason, or a file that holds them.",
    ),
}

_LEVEL = Number("1", whole=True, least=0)

_MODEL = {
    "path": Key(
        PathText('"exports/half_plus_two"'),
        "The export: a SavedModel directory, or a directory of numbered versions.",
        required=True,
    ),
    "name": Key(Text('"half_plus_two"'), "The model's name on the server; the export's own without it."),
    "version": Key(_LEVEL, "The version that is tested; the newest without it."),
    "label": Key(Text('"stable"'), "The label of the version that is tested."),
    "labels": Key(Named(_LEVEL, "{ stable = 1 }", "versions by label"), "Version labels that the server is given."),
    "tags": Key(Many(Text('"serve"'), '["serve"]', "a list of text"), "The tags of the graph in the SavedModel."),
    "server_args": Key(
        Many(Text('"--enable_batching"'), '["--enable_batching"]', "a list of text"), "Further flags of the server."
    ),
    "isolated": Key(Flag(), "Whether its server serves no other model."),
}

_SPECS = Named(Spec(), '{ x = "float32[batch]" }', "tensor specs by name")

_SIGNATURE = Table(
    {
        "method": Key(Text('"predict"', choices=tuple(METHODS)), "How clients call it."),
        "inputs": Key(_SPECS, 'Every input, such as inputs.x = "float32[batch<=64, 3]".'),
        "outputs": Key(_SPECS, 'Every output, such as outputs.y = "float32[batch]".'),
    },
    example='{ inputs.x = "float32[batch]", outputs.y = "float32[batch]" }',
)

_OUTPUT_RULE = Table(
    {
        "exact": Key(Flag(), "Every value is equal."),
        "ulps": Key(Number("4", whole=True, least=0), "At most how many representable floats a value is off."),
        "cosine": Key(Number("0.999", least=-1, most=1), "The least cosine similarity of each row."),
        "psnr": Key(Number("40"), "The least peak signal-to-noise ratio of each entry (image), in dB."),
        "peak": Key(Number("255"), "With psnr: the largest value of a pixel; of integers the dtype's without it."),
        "argmax": Key(Flag(), "Each row's best class is the same."),
        "top_k": Key(Number("5", whole=True, least=1), "Each row has the same so many best classes, in any order."),
        "unordered": Key(Flag(), "Each row has the same strings or integers, in any order."),
        "custom": Key(FunctionText('"comparisons:same_boxes"'), "A function of the expected and the served array."),
        "mean_absolute": Key(Number("1e-4", least=0), "The largest mean of the absolute errors of all values."),
        **_TOLERANCE,
        "differing": Key(Number("0.005", least=0, most=1), "The share of values, rows or entries that may be wrong."),
    },
    example="{ cosine = 0.999 }",
)

_OVERALL_RULE = Table(
    {key: kind for key, kind in _OUTPUT_RULE.keys.items() if key != "custom"},
    example="{ argmax = true, differing = 0.005 }",
)

_GOLDEN = Table(
    {
        "path": Key(_PATHS, "Files, directories or globs of golden cases.", required=True),
        **_TOLERANCE,
        "outputs": Key(
            Named(_OUTPUT_RULE, f"{{ scores = {_OUTPUT_RULE.example} }}", "how values are compared, by output"),
            "What holds for single outputs in place of that.",
        ),
        "together": Key(Flag(), "Whether all cases are one test, which sends several requests at a time."),
        "overall": Key(
            Named(
                _OVERALL_RULE, "{ label = { argmax = true, differing = 0.005 } }", "what holds of all cases, by output"
            ),
            "What holds for outputs of all cases together, which are one test then.",
        ),
        "against": Key(
            Either((PathText('"exports/1"'), Number("1", whole=True, least=0))),
            "An export, or the number of another version, whose answers stand in place of recorded ones.",
        ),
    },
    example=f"{{ path = {_GOLDENS} }}",
)

_CODES = tuple(code.name for code in Code if code)
_ERROR_CODE = Text('"INVALID_ARGUMENT"', expected="a status code", choices=_CODES)

_REQUEST = Table(
    {
        "signature_name": Key(Text('"serving_default"'), "The signature that is called; serving_default without it."),
        "inputs": Key(Values("{ x = [1.0, 2.0] }"), "Values by input, or of the only input."),
        "instances": Key(Values("[{ x = 1.0 }, { x = 2.0 }]"), "Rows, as REST's row format has them."),
        "outputs": Key(Values("{ y = [2.5, 3.0] }"), "The expected values by output, or of the only output."),
        "predictions": Key(Values("[2.5, 3.0]"), "The expected rows."),
        "expect_error": Key(
            Either(
                (
                    _ERROR_CODE,
                    Table(
                        {
                            "code": Key(_ERROR_CODE, "The canonical status code.", required=True),
                            "text": Key(Text('"not divisible"'), "A part of the message."),
                        },
                        example='{ code = "INVALID_ARGUMENT", text = "part of the message" }',
                        expected="a table with code and text",
                    ),
                )
            ),
            "The error that refuses the request.",
        ),
        "transport": Key(Text('"grpc"', choices=TRANSPORTS), "The one transport that can carry the request."),
        "description": Key(Text('"more columns than the model has"'), "What the request is there for."),
    },
    example='{ inputs.x = [[1.0]], expect_error = "INVALID_ARGUMENT" }',
)

_NUMBER = Number("0")

_VALUES = {
    "finite": Key(Flag(), "No NaN and no infinity."),
    "min": Key(_NUMBER, "The least value, itself included."),
    "max": Key(_NUMBER, "The greatest value, itself included."),
    "one_of": Key(
        Many(Values("0", "a number or text"), '["cat", "dog"]', "a list of values", least=1),
        'Nothing else occurs; bytes as { b64 = "..." }.',
    ),
}

_INPUTS = Either((Text('"x"', "an input's name"), Many(Text('"x"'), '["x"]', "a list of these", least=1)))

_INPUT_VALUES = Table(
    {
        **_VALUES,
        "length": Key(
            Many(_LEVEL, "[1, 16]", "a list of two whole numbers", least=2, most=2),
            "The least and the greatest number of bytes of a string.",
        ),
    },
    example="{ min = 0, max = 1 }",
)
_OUTPUT_VALUES = Table(
    {
        **_VALUES,
        "sums_to": Key(_NUMBER, "What the values along the last axis sum to."),
        "increasing_in": Key(_INPUTS, "Inputs; when one grows and all others stay, this never falls."),
        "decreasing_in": Key(_INPUTS, "Inputs; when one grows and all others stay, this never rises."),
    },
    example="{ finite = true }",
)

_PROPERTIES = Table(
    {
        "inputs": Key(
            Named(_INPUT_VALUES, "{ x = { min = 0, max = 1 } }", "what values keep to, by input"),
            "What clients send; generated requests keep to it.",
        ),
        "outputs": Key(
            Named(_OUTPUT_VALUES, "{ y = { finite = true } }", "what values keep to, by output"),
            "What holds for every answer.",
        ),
        "same": Key(
            Many(Text('"alone"', choices=RELATIONS), '["alone", "order"]', "a list of relations"),
            "Other ways to ask that give the same answer.",
        ),
        "padding": Key(
            Table(
                {
                    "dimension": Key(Text('"length"'), "The named dimension of inputs that grows.", required=True),
                    "value": Key(Values("0", "a number or text"), "What fills it; 0 without it."),
                },
                example='{ dimension = "length", value = 0 }',
            ),
            "Padding that must not matter; outputs are cropped.",
        ),
        "requests": Key(_PATHS, "Golden files whose requests are sent; without it those of this contract."),
        **_TOLERANCE,
    },
    example="{ outputs.y = { finite = true } }",
)

_GENERATED = Table(
    {
        "examples": Key(Number("50", whole=True, least=1), "At most how many requests of a signature are sent."),
        "invalid": Key(
            Either(
                (
                    Flag(),
                    Many(
                        Text('"missing"', choices=INVALID_KINDS),
                        '["missing", "extra", "dtype", "rank"]',
                        "a list of kinds",
                        least=1,
                    ),
                )
            ),
            "The ways to break the signature that must be refused; missing, extra and dtype without it.",
        ),
        "signatures": Key(
            Many(Text('"serving_default"'), '["serving_default"]', "a list of signatures", least=1),
            "The signatures to call; without it every one of the contract that is called with predict.",
        ),
    },
    example="{ examples = 50 }",
)

_LATENCY = Table(
    {
        **{
            name: Key(Duration(example), f"The longest that {what} may take.")
            for name, example, what in (
                ("p50", '"5ms"', "half of the requests"),
                ("p90", '"10ms"', "90 of 100 requests"),
                ("p99", '"20ms"', "99 of 100 requests"),
                ("max", '"1s"', "any request"),
            )
        },
        "throughput": Key(Number("1000", above=0), "The least number of answers per second."),
        "requests": Key(Number("500", whole=True, least=1), "How many requests are measured."),
        "concurrency": Key(Number("4", whole=True, least=1), "How many clients there are that wait for their answers."),
        "rate": Key(Number("200", above=0), "How many requests per second are due, answered or not."),
        "warmup": Key(Number("50", whole=True, least=0), "How many requests are sent before those that are measured."),
        "failing": Key(Number("0.01", least=0, below=1), "The share of requests that may fail."),
        "transport": Key(Text('"grpc"', choices=TRANSPORTS), "The transport; gRPC without it, where that is tested."),
        "signature": Key(Text('"serving_default"'), "The signature that is called; serving_default without it."),
        "request": Key(_PATHS, "Golden files whose requests are sent; without it those of this contract."),
        "against": Key(
            Either((PathText('"exports/1"'), Number("1", whole=True, least=0))),
            "An export, or the number of another version, whose latencies are measured in turn.",
        ),
        "at_most": Key(Number("1.2", above=0), "How many times as long as the baseline's answers may take."),
    },
    example='{ p99 = "20ms" }',
)

_CHECKS = {
    "signatures": Key(
        Named(_SIGNATURE, f"{{ serving_default = {_SIGNATURE.example} }}", "a table by signature"),
        "The signatures that clients rely on.",
    ),
    "goldens": Key(
        Either((_GOLDEN, Many(_GOLDEN, f"[{_GOLDEN.example}]", "several such tables", least=1))),
        "Golden cases: recorded requests and answers.",
    ),
    "requests": Key(
        Named(_REQUEST, f"{{ too-wide = {_REQUEST.example} }}", "a table by name"),
        "Single requests with their answer or the error that refuses them.",
    ),
    "compatible": Key(
        Table(
            {
                "baseline": Key(
                    PathText('"exports/1"'), "The export or contract file that clients were built for.", required=True
                ),
                **_POLICY,
            },
            example='{ baseline = "exports/1" }',
        ),
        "Nothing that clients of a baseline rely on has changed.",
    ),
    "lint": Key(Table(_POLICY), "Nothing in the export hurts when it is served."),
    "properties": Key(
        Named(_PROPERTIES, f"{{ serving_default = {_PROPERTIES.example} }}", "a table by signature"),
        "What holds for every answer, by signature.",
    ),
    "generated": Key(_GENERATED, "Generated requests: valid ones are answered as promised, invalid ones refused."),
    "latency": Key(
        Either((_LATENCY, Many(_LATENCY, f"[{_LATENCY.example}]", "several such tables", least=1))),
        "How long answers take.",
    ),
}

SCHEMA_FILE = Path(__file__).with_name("contract.schema.json")

CHECKS = tuple(_CHECKS)
MODEL_KEYS = tuple(_MODEL)
POLICY_KEYS = tuple(_POLICY)

_SEVERAL = Table({**_MODEL, **_CHECKS}, example='{ path = "exports/half_plus_two" }')

_BESIDE = {name: f"beside [model], as [{name}]" for name in _CHECKS}

CONTRACT = Table(
    {
        "include": Key(
            Either(
                (
                    PathText('"common.toml"'),
                    Many(PathText('"common.toml"'), '["common.toml"]', "a list of paths"),
                )
            ),
            "Files whose tables are the base of this one's; this file wins, key by key.",
        ),
        "model": Key(Table(_MODEL, _BESIDE, example='{ path = "exports/half_plus_two" }'), "The model under test."),
        "models": Key(
            Named(_SEVERAL, '{ half_plus_two = { path = "exports/half_plus_two" } }', "a table by model"),
            "Several models, each with its own checks; checks beside them are of every model.",
        ),
        **_CHECKS,
    },
    {**dict.fromkeys(_MODEL, "in [model]"), **dict.fromkeys(_SIGNATURE.keys, "in [signatures.NAME]")},
)


def schema() -> dict[str, Any]:
    """The JSON schema of a contract file. What an included file may have is required of a file without includes."""
    models = {"anyOf": [{"required": ["model"]}, {"required": ["models"], "properties": {"models": _NOT_EMPTY}}]}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Contract of a served TensorFlow model (*.tfserving.toml)",
        **CONTRACT.schema(),
        "anyOf": [{"required": ["include"]}, {"allOf": [CONTRACT.requirements(), models]}],
        "not": {"required": ["model", "models"]},
    }


_NOT_EMPTY = {"minProperties": 1}


def schema_text() -> str:
    """The text of contract.schema.json."""
    return json.dumps(schema(), indent=2) + "\n"
