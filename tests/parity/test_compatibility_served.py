"""What the rules of compatibility say of clients is what a server does: requests of old, sent to old and to new."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import numpy as np
import pytest

from pytest_tfserving.commands.diff import run
from pytest_tfserving.compatibility import find_changes
from pytest_tfserving.dtypes import dtype_enum
from pytest_tfserving.savedmodel import read_schema
from pytest_tfserving.serve_request import ModelRequest, ServeRequest
from pytest_tfserving.tensors import from_proto, to_proto
from pytest_tfserving.wire import serving_pb2 as serving
from pytest_tfserving.wire import tensorflow_pb2 as tf
from tests.conftest import EXAMPLES, MODELS

HALF_PLUS_TWO = EXAMPLES / "half_plus_two" / "exports" / "half_plus_two" / "1"
DTYPES = MODELS / "dtypes" / "1"
EXAMPLES_MODEL = MODELS / "examples" / "1"

# Tensors of these graphs: half_plus_two's placeholder, its answer, and its two variables as they are read.
X, Y, A, B = "serving_default_x:0", "StatefulPartitionedCall:0", "a/Read/ReadVariableOp:0", "b/Read/ReadVariableOp:0"
FLOATS = "float32", (None,)
SCALAR = "float32", ()

Tensors = dict[str, tuple[str, str, tuple[int | None, ...]]]


@dataclass(frozen=True)
class Interface:
    """serving_default as a test wants it: alias -> (tensor of the graph, dtype, shape), and inputs with a default."""

    inputs: Tensors
    outputs: Tensors
    defaults: dict[str, float] = field(default_factory=dict)

    def write(self, base: Path, directory: Path) -> Path:
        """The export at `base` with this for its only signature."""
        shutil.copytree(base, directory / "1")
        file = directory / "1" / "saved_model.pb"
        model = tf.SavedModel.FromString(file.read_bytes())
        graph = model.meta_graphs[0]
        for name in [name for name in graph.signature_def if name != "__saved_model_init_op"]:
            del graph.signature_def[name]
        signature = graph.signature_def["serving_default"]
        signature.method_name = "tensorflow/serving/predict"
        for infos, tensors in ((signature.inputs, self.inputs), (signature.outputs, self.outputs)):
            for alias, (tensor, dtype, shape) in tensors.items():
                infos[alias].name, infos[alias].dtype = tensor, dtype_enum(dtype)
                infos[alias].tensor_shape.SetInParent()
                for size in shape:
                    infos[alias].tensor_shape.dim.add(size=-1 if size is None else size)
        for alias, value in self.defaults.items():
            signature.defaults[alias].CopyFrom(to_proto(np.float32(value)))
        file.write_bytes(model.SerializeToString())
        return directory


X_TO_Y = Interface({"x": (X, *FLOATS)}, {"y": (Y, *FLOATS)})
WITH_K = Interface({"x": (X, *FLOATS), "k": (B, *FLOATS)}, {"y": (Y, *FLOATS)})


def identity(dtype: str, output: str = "y") -> Interface:
    """A signature of the model `dtypes` that gives back what it gets."""
    signature = read_schema(DTYPES).signatures[f"id_{dtype}"]
    return Interface(
        {"x": (signature.inputs["x"].tensor_name, dtype, (None,))},
        {output: (signature.outputs["y"].tensor_name, dtype, (None,))},
    )


# The model `examples` parses Examples, scores classes and adds something up.
EXAMPLES_IN = {"inputs": ("examples:0", "string", (None,))}
SCORES, CLASSES = ("TopKV2:0", "float32", (None, None)), ("GatherV2:0", "string", (None, None))
SUM = ("add:0", "float32", (None,))

BARE, NAMED = {"instances": [1, 2]}, {"instances": [{"x": 1}, {"x": 2}]}
BARE_COLUMNS, COLUMNS = {"inputs": [1, 2]}, {"inputs": {"x": [1, 2]}}
ROW_OF_TWO, TWO_COLUMNS = {"instances": [{"x": 1, "k": 1}]}, {"inputs": {"x": [1], "k": [1]}}
ONE_AND_TWO = {"x": np.float32([1, 2])}

ROWS, IN_COLUMNS = {"predictions": [2.5, 3.0]}, {"outputs": [2.5, 3.0]}
REFUSED = "refused"


class Something:
    """Equal to every answer, not to a refusal."""

    def __eq__(self, other: object) -> bool:
        return other != REFUSED

    __hash__ = None  # type: ignore[assignment]


SOMETHING = Something()

CASES = {
    "input-renamed": (
        HALF_PLUS_TWO, X_TO_Y, Interface({"inputs": (X, *FLOATS)}, X_TO_Y.outputs), ["input-renamed"],
        [(BARE, ROWS, ROWS), (NAMED, ROWS, REFUSED), (BARE_COLUMNS, IN_COLUMNS, IN_COLUMNS),
         (COLUMNS, IN_COLUMNS, REFUSED), (ONE_AND_TWO, {"y": [2.5, 3.0]}, REFUSED)],
    ),
    "output-renamed": (
        HALF_PLUS_TWO, X_TO_Y, Interface(X_TO_Y.inputs, {"output_0": (Y, *FLOATS)}), ["output-renamed"],
        [(BARE, ROWS, ROWS), (COLUMNS, IN_COLUMNS, IN_COLUMNS),
         (ONE_AND_TWO, {"y": [2.5, 3.0]}, {"output_0": [2.5, 3.0]})],
    ),
    "output-added": (
        HALF_PLUS_TWO, X_TO_Y, Interface(X_TO_Y.inputs, {"y": (Y, *FLOATS), "z": (Y, *FLOATS)}),
        ["output-added", "rest-output-named"],
        [(BARE, ROWS, {"predictions": [{"y": 2.5, "z": 2.5}, {"y": 3.0, "z": 3.0}]}),
         (COLUMNS, IN_COLUMNS, {"outputs": {"y": [2.5, 3.0], "z": [2.5, 3.0]}}),
         (ONE_AND_TWO, {"y": [2.5, 3.0]}, {"y": [2.5, 3.0], "z": [2.5, 3.0]})],
    ),
    "scalar output added": (
        HALF_PLUS_TWO, X_TO_Y, Interface(X_TO_Y.inputs, {"y": (Y, *FLOATS), "b": (B, *SCALAR)}),
        ["output-added", "rest-output-named", "rest-row-answer-lost"],
        [(BARE, ROWS, REFUSED), (COLUMNS, IN_COLUMNS, {"outputs": {"y": [2.5, 3.0], "b": 2.0}})],
    ),
    "input-added-with-default": (
        HALF_PLUS_TWO, X_TO_Y, Interface(WITH_K.inputs, X_TO_Y.outputs, {"k": 2.0}),
        ["input-added-with-default", "rest-input-needs-name"],
        [(BARE, ROWS, REFUSED), (NAMED, ROWS, REFUSED), (COLUMNS, IN_COLUMNS, REFUSED),
         (ONE_AND_TWO, {"y": [2.5, 3.0]}, {"y": [2.5, 3.0]})],
    ),
    "input-removed": (
        HALF_PLUS_TWO, WITH_K, X_TO_Y, ["input-removed"],
        [(ROW_OF_TWO, {"predictions": [2.5]}, REFUSED), (TWO_COLUMNS, {"outputs": [2.5]}, {"outputs": [2.5]}),
         ({"x": np.float32([1]), "k": np.float32([1])}, {"y": [2.5]}, REFUSED)],
    ),
    "int32 to float32": (
        DTYPES, identity("int32"), identity("float32"), ["input-dtype-changed", "output-dtype-changed"],
        [({"instances": [1, 16777217]}, {"predictions": [1, 16777217]}, {"predictions": [1.0, 16777216.0]}),
         ({"x": np.int32([1])}, {"y": [1]}, REFUSED)],
    ),
    "float32 to int32": (
        DTYPES, identity("float32"), identity("int32"), ["input-dtype-changed", "output-dtype-changed"],
        [({"instances": [1.0]}, {"predictions": [1.0]}, REFUSED), ({"instances": [1]}, {"predictions": [1.0]}, {"predictions": [1]}),
         ({"x": np.float32([1])}, {"y": [1.0]}, REFUSED)],
    ),
    "int32 to uint8": (
        DTYPES, identity("int32"), identity("uint8"), ["input-dtype-changed", "output-dtype-changed"],
        [({"instances": [300, -1]}, {"predictions": [300, -1]}, {"predictions": [44, 255]})],
    ),
    "int64 to int32": (
        DTYPES, identity("int64"), identity("int32"), ["input-dtype-changed", "output-dtype-changed"],
        [({"instances": [2**31]}, {"predictions": [2**31]}, REFUSED), ({"instances": [7]}, {"predictions": [7]}, {"predictions": [7]})],
    ),
    "int64 to uint8": (
        DTYPES, identity("int64"), identity("uint8"), ["input-dtype-changed", "output-dtype-changed"],
        [({"instances": [300]}, {"predictions": [300]}, {"predictions": [44]}),
         ({"instances": [2**31]}, {"predictions": [2**31]}, REFUSED)],
    ),
    "half output added": (
        DTYPES, identity("float16"),
        Interface(identity("float16").inputs, {**identity("float16").outputs, **identity("float16", "z").outputs}),
        ["output-added"],
        [({"inputs": [1.5]}, REFUSED, REFUSED), ({"x": np.float16([1.5])}, {"y": [1.5]}, {"y": [1.5], "z": [1.5]})],
    ),
    "float32 to float16": (
        DTYPES, identity("float32"), identity("float16"),
        ["input-dtype-changed", "output-dtype-changed", "rest-request-lost", "rest-answer-lost"],
        [({"instances": [1.5]}, {"predictions": [1.5]}, REFUSED), ({"inputs": [1.5]}, {"outputs": [1.5]}, REFUSED)],
    ),
    "classify-lost": (
        EXAMPLES_MODEL, Interface(EXAMPLES_IN, {"scores": SCORES, "classes": CLASSES}),
        Interface(EXAMPLES_IN, {"scores": SCORES, "classes": CLASSES, "sum": SUM}), ["output-added", "classify-lost"],
        [({"examples": [{"x": [1.0, 2.0]}], "verb": "classify"}, SOMETHING, REFUSED)],
    ),
    "classify-lost by a rename": (
        EXAMPLES_MODEL, Interface(EXAMPLES_IN, {"scores": SCORES}),
        Interface({"text": EXAMPLES_IN["inputs"]}, {"scores": SCORES}), ["input-renamed", "classify-lost"],
        [({"examples": [{"x": [1.0, 2.0]}], "verb": "classify"}, SOMETHING, REFUSED)],
    ),
    "regress-lost": (
        EXAMPLES_MODEL, Interface(EXAMPLES_IN, {"outputs": SUM}), Interface(EXAMPLES_IN, {"outputs": SUM, "scores": SCORES}),
        ["output-added", "rest-output-named", "regress-lost"],
        [({"examples": [{"x": [1.0, 2.0]}], "verb": "regress"}, SOMETHING, REFUSED)],
    ),
    "bytes-suffix-gained": (
        DTYPES, identity("string"), identity("string", "y_bytes"), ["output-renamed", "bytes-suffix-gained"],
        [({"instances": ["a"]}, {"predictions": ["a"]}, {"predictions": [{"b64": "YQ=="}]})],
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory, serving_of):
    """The old and the new model of each case, all on one server."""
    root = tmp_path_factory.mktemp("changes")
    requests = []
    for name, (base, old, new, _, _) in CASES.items():
        for age, interface in (("old", old), ("new", new)):
            model = f"{name.replace(' ', '_')}.{age}"
            requests.append(ModelRequest(interface.write(base, root / model)))
    return serving_of(backend="embedded").serve(ServeRequest(tuple(requests)))


def ask(model, request):
    """The answer as plain values, or REFUSED. A request of arrays goes over gRPC, one of JSON over REST."""
    if {"instances", "inputs", "examples"} & set(request):
        verb = request.get("verb", "predict")  # a key that the server does not know is ignored
        response = model.rest.request("POST", f"/v1/models/{model.name}:{verb}", data=json.dumps(request))
        return response.json() if response.status_code == 200 else REFUSED
    message = serving.PredictRequest(
        model_spec=serving.ModelSpec(name=model.name),
        inputs={name: to_proto(array) for name, array in request.items()},
    )
    call = model.grpc.channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    try:
        answer = serving.PredictResponse.FromString(call(message.SerializeToString(), timeout=30))
    except grpc.RpcError as error:
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        return REFUSED
    return {name: from_proto(answer.outputs[name]).tolist() for name in answer.outputs}


@pytest.mark.parametrize("name", CASES)
def test_clients_meet_what_the_rules_say(served, name):
    *_, rules, calls = CASES[name]
    old, new = (served[f"{name.replace(' ', '_')}.{age}"] for age in ("old", "new"))
    assert [finding.rule.id for finding in find_changes(old.export_schema, new.export_schema)] == rules
    for request, before, after in calls:
        assert ask(old, request) == before, request
        assert ask(new, request) == after, request


@pytest.fixture(scope="module")
def models(serving_of):
    """The example's two exports, on one server."""
    exports = EXAMPLES / "keras_19458" / "exports"
    return serving_of(backend="embedded").serve(
        ServeRequest((ModelRequest(exports / "old"), ModelRequest(exports / "new")))
    )


class TestKeras19458:
    """The re-enacted re-export: clients that name what they send get nothing, one that does not goes on."""

    ROW = tuple(range(10))

    def test_clients(self, models):
        old, new = models["old"], models["new"]
        bare, named, arrays = {"instances": [self.ROW]}, {"instances": [{"x": self.ROW}]}, {"x": np.int32([self.ROW])}
        [prediction] = ask(old, bare)["predictions"]
        np.testing.assert_allclose(ask(new, bare)["predictions"], [prediction], rtol=1e-5)
        np.testing.assert_allclose(ask(old, named)["predictions"], [prediction], rtol=1e-5)
        np.testing.assert_allclose(ask(old, arrays)["y"], [prediction], rtol=1e-5)
        assert ask(new, named) == REFUSED
        assert ask(new, arrays) == REFUSED

    @pytest.mark.parametrize("transport", ["rest", "grpc"])
    def test_the_gate_asks_running_servers(self, models, capsys, transport):
        endpoint = models["old"].endpoint
        form = {"rest": f"{endpoint.rest_url}/v1/models/{{}}", "grpc": f"grpc://{endpoint.grpc_target}/{{}}"}[transport]
        old, new = form.format("old"), form.format("new")
        assert run([old, new, "--format", "json"]) == 1
        findings = json.loads(capsys.readouterr().out)["findings"]
        assert [finding["rule"] for finding in findings] == ["input-renamed", "input-dtype-changed", "output-renamed"]
        assert run([f"{old}/versions/1", str(EXAMPLES / "keras_19458" / "exports" / "old")]) == 0
        assert run([f"{old}/versions/7", new]) == 2
        assert run([old, form.format("other")]) == 2
        _, err = capsys.readouterr()
        assert err.startswith("pytest-tfserving diff: ") and "Traceback" not in err and "Servable not found" in err
