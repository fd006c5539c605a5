"""Lint rules: what lies in an export, and what is found in it."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

from pytest_tfserving.dtypes import DTYPES
from pytest_tfserving.grammar import parse_tensor_spec
from pytest_tfserving.inspection import inspect
from pytest_tfserving.lint import find_problems
from pytest_tfserving.lint.ops import known_ops
from pytest_tfserving.rules.lint import LINT_RULES
from pytest_tfserving.tfrecord import masked_crc32c
from pytest_tfserving.warmup_file import WARMUP_FILE
from pytest_tfserving.wire import serving_pb2 as serving
from pytest_tfserving.wire import tensorflow_pb2 as tf

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "tests" / "conformance" / "models"
EXAMPLES = sorted(path.parent for path in ROOT.glob("example_models/*/exports/**/saved_model.pb"))

BATCHED = {"inputs": {"x": "float32[?]"}, "outputs": {"y": "float32[?]"}}


def signature(inputs, outputs, method="tensorflow/serving/predict"):
    """A signature whose tensors are called as their aliases are."""
    made = tf.SignatureDef(method_name=method)
    for specs, infos in ((inputs, made.inputs), (outputs, made.outputs)):
        for alias, text in specs.items():
            infos[alias].name = f"{alias}:0"
            if text in ("resource[]", "variant[]"):
                infos[alias].dtype = tf.DataType.Value(f"DT_{text[:-2].upper()}")
                infos[alias].tensor_shape.SetInParent()
                continue
            spec = parse_tensor_spec(text)
            infos[alias].dtype = DTYPES[spec.dtype].enum
            if spec.default:
                made.defaults[alias].dtype = DTYPES[spec.dtype].enum
                made.defaults[alias].float_val.append(float(spec.default))
            if spec.shape is None:
                infos[alias].tensor_shape.unknown_rank = True
            else:
                infos[alias].tensor_shape.SetInParent()
                for size in spec.shape:
                    infos[alias].tensor_shape.dim.add(size=-1 if size is None else size)
    return made


def export(directory, signatures, *, op="Identity", tags=("serve",)):
    """An export with these signatures; every output is the result of an `op` of all inputs."""
    graph = tf.MetaGraphDef()
    graph.meta_info_def.tags.extend(tags)
    for name, parts in signatures.items():
        graph.signature_def[name].CopyFrom(signature(**parts))
        for alias in parts["inputs"]:
            graph.graph_def.node.add(name=alias, op="Placeholder")
        for alias in parts["outputs"]:
            graph.graph_def.node.add(name=alias, op=op, input=parts["inputs"])
    return write(directory, graph)


def write(directory, graph):
    (directory / "saved_model.pb").write_bytes(tf.SavedModel(meta_graphs=[graph]).SerializeToString())
    return directory


def found(directory, tags=None):
    """The findings as (rule, where)."""
    findings = list(find_problems(inspect(directory, tags)))
    for finding in findings:
        assert finding.level == finding.rule.level
        assert not finding.sentence.endswith("."), finding.sentence
        for name in (finding.tensor, finding.signature if finding.tensor is None else None):
            assert name is None or name in finding.sentence, finding.sentence
    return [(finding.rule.id, finding.where) for finding in findings]


# what, inputs, outputs, findings in serving_default
TENSORS = [
    ("all is well", {"x": "float32[?, 3]"}, {"y": "float32[?]"}, []),
    ("ranks that are not known", {"x": "float32[...]"}, {"y": "float32[...]"}, []),
    # the row format
    (
        "a scalar beside a batch",
        {"keep": "float32[]", "x": "float32[?]"},
        {"y": "float32[?]"},
        [("rows-unbatched-input", "inputs.keep")],
    ),
    (
        "a vector of weights beside a batch",
        {"w": "float32[3]", "x": "float32[?, 3]"},
        {"y": "float32[?]"},
        [("rows-unbatched-input", "inputs.w")],
    ),
    (
        "vectors of two sizes",
        {"a": "float32[3]", "b": "float32[2]"},
        {"y": "float32[...]"},
        [("rows-unbatched-input", "inputs.a"), ("rows-unbatched-input", "inputs.b")],
    ),
    (
        "a scalar alone",
        {"x": "float32[]"},
        {"y": "float32[]"},
        [("rows-unbatched-input", "inputs.x"), ("rows-unbatched-output", "outputs.y")],
    ),
    (
        "a mean over the batch",
        {"x": "float32[?]"},
        {"mean": "float32[]", "y": "float32[?]"},
        [("rows-unbatched-output", "outputs.mean")],
    ),
    (
        "a table that goes with each answer",
        {"x": "float32[?]"},
        {"table": "float32[10]"},
        [("rows-unbatched-output", "outputs.table")],
    ),
    (
        "outputs of two sizes",
        {"x": "float32[]"},
        {"a": "float32[2]", "b": "float32[3]"},
        [("rows-unbatched-input", "inputs.x"), ("rows-uneven-outputs", "")],
    ),
    (
        "outputs of two sizes for any batch",
        {"x": "float32[?]"},
        {"a": "float32[2]", "b": "float32[3]"},
        [("rows-unbatched-output", "outputs.a"), ("rows-unbatched-output", "outputs.b")],
    ),
    (
        "a vector beside what may be a batch",
        {"a": "float32[...]", "w": "float32[3]"},
        {"y": "float32[?]"},
        [("rows-unbatched-input", "inputs.w")],
    ),
    ("a batch of four", {"x": "float32[4, 3]"}, {"y": "float32[4]"}, [("fixed-batch", "")]),
    ("a batch of four of two inputs", {"a": "int32[4]", "b": "int32[4, 2]"}, {"y": "bool[4]"}, [("fixed-batch", "")]),
    # JSON
    ("float16", {"x": "float16[?]"}, {"y": "float32[?]"}, [("dtype-not-in-json", "inputs.x")]),
    ("bfloat16", {"x": "float32[?]"}, {"y": "bfloat16[?]"}, [("dtype-not-in-json", "outputs.y")]),
    ("uint16", {"x": "uint16[?]"}, {"y": "float32[?]"}, [("dtype-not-in-json", "inputs.x")]),
    ("complex64", {"x": "float32[?]"}, {"y": "complex64[?]"}, [("dtype-not-in-json", "outputs.y")]),
    (
        "dtypes that JSON carries",
        dict(zip("abcdefgh", ("float64[?]", "int8[?]", "int16[?]", "int32[?]", "uint8[?]", "uint32[?]", "bool[?]", "string[?]"), strict=True)),
        {"y": "float32[?]"},
        [],
    ),
    (
        "a resource",
        {"x": "float32[?]"},
        {"table": "resource[]"},
        [("rows-unbatched-output", "outputs.table"), ("dtype-not-served", "outputs.table")],
    ),
    ("int64", {"id": "int64[?]"}, {"y": "uint64[?]"}, [("int64-in-json", "inputs.id"), ("int64-in-json", "outputs.y")]),
    ("text", {"x": "string[?]"}, {"label": "string[?]"}, [("text-output-in-json", "outputs.label")]),
    ("an image by its name", {"x": "int32[?]"}, {"thumb_png": "string[?]"}, [("binary-output-in-json", "outputs.thumb_png")]),
    ("bytes with the suffix", {"x": "int32[?]"}, {"png_bytes": "string[?]"}, []),
    ("the suffix without strings", {"x": "int32[?]"}, {"n_bytes": "int32[?]"}, [("bytes-suffix-unused", "outputs.n_bytes")]),
    ("b64", {"b64": "string[?]"}, {"y": "int32[?]"}, [("input-named-b64", "inputs.b64")]),
    ("b64 with another", {"b64": "string[?]", "x": "string[?]"}, {"y": "int32[?]"}, []),
    ("b64 that is no string", {"b64": "int32[?]"}, {"y": "int32[?]"}, []),
    # names
    ("output_0", {"x": "int32[?]"}, {"output_0": "int32[?]"}, [("generated-name", "outputs.output_0")]),
    ("input_1", {"input_1": "int32[?]"}, {"y": "int32[?]"}, [("generated-name", "inputs.input_1")]),
    ("keras_tensor_12", {"keras_tensor_12": "int32[?]"}, {"y": "int32[?]"}, [("generated-name", "inputs.keras_tensor_12")]),
    ("args_0_1", {"args_0_1": "int32[?]"}, {"y": "int32[?]"}, [("generated-name", "inputs.args_0_1")]),
    ("dense_3", {"x": "int32[?]"}, {"dense_3": "int32[?]"}, [("generated-name", "outputs.dense_3")]),
    ("names with numbers", {"x1": "int32[?]", "layer_2": "int32[?]"}, {"top_5": "int32[?]"}, []),
    # what cannot be called
    ("no inputs", {}, {"y": "float32[?]"}, [("no-inputs", "")]),
    ("no outputs", {"x": "float32[?]"}, {}, [("no-outputs", "")]),
    ("a default", {"x": "float32[?]", "by": "float32[?] = 2.0"}, {"y": "float32[?]"}, [("default-not-over-rest", "inputs.by")]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("inputs", "outputs", "expected"), [case[1:] for case in TENSORS], ids=[case[0] for case in TENSORS]
)
def test_tensors(tmp_path, inputs, outputs, expected):
    export(tmp_path, {"serving_default": {"inputs": inputs, "outputs": outputs}})
    assert found(tmp_path) == [(rule, f"serving_default.{where}".rstrip(".")) for rule, where in expected]


EXAMPLE = {"inputs": "string[?]"}
CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"

# what, method, inputs, outputs, findings
METHODS = [
    ("classify", CLASSIFY, EXAMPLE, {"classes": "string[?, ?]", "scores": "float32[?, ?]"}, []),
    ("classify with scores", CLASSIFY, EXAMPLE, {"scores": "float32[?, 2]"}, []),
    ("regress", REGRESS, EXAMPLE, {"outputs": "float32[?, 1]"}, []),
    ("classify by another input", CLASSIFY, {"x": "string[?]"}, {"scores": "float32[?, 2]"}, ["examples-form"]),
    ("classify of floats", CLASSIFY, {"inputs": "float32[?]"}, {"scores": "float32[?, 2]"}, ["examples-form"]),
    ("classify with another", CLASSIFY, EXAMPLE, {"scores": "float32[?, 2]", "z": "int32[?]"}, []),
    (
        "classify with two more",
        CLASSIFY,
        EXAMPLE,
        {"scores": "float32[?, 2]", "y": "int32[?]", "z": "int32[?]"},
        ["examples-form"],
    ),
    ("classify without", CLASSIFY, EXAMPLE, {}, ["no-outputs", "examples-form"]),
    ("classes that are numbers", CLASSIFY, EXAMPLE, {"classes": "int64[?, 2]"}, ["examples-form"]),
    ("regress by another output", REGRESS, EXAMPLE, {"y": "float32[?]"}, ["examples-form"]),
    ("regress in float64", REGRESS, EXAMPLE, {"outputs": "float64[?]"}, ["examples-form"]),
    ("a method of one's own", "score", {"x": "float32[?]"}, {"y": "float32[?]"}, ["method-unknown"]),
    ("no method", "", {"x": "float32[?]"}, {"y": "float32[?]"}, ["method-unknown"]),
]


@pytest.mark.parametrize(
    ("method", "inputs", "outputs", "expected"), [case[1:] for case in METHODS], ids=[case[0] for case in METHODS]
)
def test_methods(tmp_path, method, inputs, outputs, expected):
    export(tmp_path, {"serving_default": {"inputs": inputs, "outputs": outputs, "method": method}})
    assert [rule for rule, _ in found(tmp_path)] == expected


def test_examples_form_breaks_nobody_who_calls_predict(tmp_path):
    """As with TensorFlow Serving's own half_plus_two, whose regress_x2_to_y3 takes floats."""
    export(
        tmp_path,
        {
            "regress_x2_to_y3": {
                "inputs": {"inputs": "float32[?]"},
                "outputs": {"outputs": "float32[?]"},
                "method": REGRESS,
            }
        },
    )
    [*_, finding] = find_problems(inspect(tmp_path, None))
    assert (finding.rule.id, finding.level) == ("examples-form", "risky") and "Predict may take it" in finding.sentence


VARIABLES = [
    ("all are restored", {"read": ["v"], "restored": ["v", "w"]}, []),
    ("one is not", {"read": ["v", "w"], "restored": ["v"]}, ["variables-not-restored"]),
    ("copies are, as Keras 3 exports by tf.saved_model.save", {"read": ["v"], "restored": ["copy"]}, ["variables-not-restored"]),
    ("another node of the same name is", {"read": ["v"], "restored": ["v_1"], "shared": {"v_1": "v"}}, []),
    ("nodes of two shared names", {"read": ["v"], "restored": ["v_1"], "shared": {"v": "a", "v_1": "b"}}, ["variables-not-restored"]),
    ("the initialiser gives all of them values", {"read": ["v"], "initialised": ["v"]}, []),
    ("nothing gives any a value", {"read": ["v"]}, ["variables-not-restored"]),
    ("the initialiser gives it a value", {"read": ["v", "w"], "restored": ["v"], "initialised": ["w"]}, []),
    ("a request gives it a value", {"read": ["v"], "restored": ["w"], "op": "AssignVariableOp"}, ["state-change"]),
    ("no request reads it", {"read": [], "restored": ["w"], "unread": ["v"]}, []),
    ("reference variables of TF1", {"read": ["v"], "restored": ["w"], "holder": "VariableV2"}, ["variables-not-restored"]),
]  # fmt: skip


@pytest.mark.parametrize(("case", "expected"), [case[1:] for case in VARIABLES], ids=[case[0] for case in VARIABLES])
def test_variables_that_get_a_value_when_the_model_is_loaded(tmp_path, case, expected):
    graph = tf.MetaGraphDef()
    graph.meta_info_def.tags.append("serve")
    graph.signature_def["serving_default"].CopyFrom(signature(**BATCHED))
    names = {*case["read"], *case.get("restored", []), *case.get("initialised", []), *case.get("unread", [])}
    for name in sorted(names):
        node = graph.graph_def.node.add(name=name, op=case.get("holder", "VarHandleOp"))
        if name in case.get("shared", {}):
            node.attr["shared_name"].s = case["shared"][name].encode()
    graph.graph_def.node.add(name="x", op="Placeholder")
    graph.graph_def.node.add(name="y", op=case.get("op", "ReadVariableOp"), input=["x", *case["read"]])
    if "restored" in case:
        graph.graph_def.node.add(name="assign", op="AssignVariableOp", input=case["restored"])
        graph.graph_def.node.add(name="restore_all", op="NoOp", input=["^assign"])
        graph.saver_def.restore_op_name = "restore_all"
    graph.graph_def.node.add(name="init", op="NoOp", input=[f"^{name}" for name in case.get("initialised", [])])
    graph.collection_def["saved_model_main_op"].node_list.value.append("init")
    write(tmp_path, graph)
    incomplete = ["variables-incomplete"] if "restored" in case else []  # there is no variables/
    assert [rule for rule, _ in found(tmp_path)] == incomplete + expected


# what, signatures, tags, findings
WHOLE = [
    ("no signature", {}, ["serve"], ["no-signature"]),
    ("the initialiser alone", {"__saved_model_init_op": {"inputs": {}, "outputs": {}}}, ["serve"], ["no-signature"]),
    ("no serving_default", {"predict": BATCHED}, ["serve"], ["no-serving-default"]),
    ("another tag", {"serving_default": BATCHED}, ["candidate"], ["tags-not-serve"]),
    ("a tag more", {"serving_default": BATCHED}, ["serve", "gpu"], ["tags-not-serve"]),
]


@pytest.mark.parametrize(
    ("signatures", "tags", "expected"), [case[1:] for case in WHOLE], ids=[case[0] for case in WHOLE]
)
def test_what_a_server_loads(tmp_path, signatures, tags, expected):
    export(tmp_path, signatures, tags=tags)
    assert [rule for rule, _ in found(tmp_path)] == expected


# what makes the output, dtype of the output, finding
OPS = [
    ("MyCustomOp", "float32[?]", ["unknown-op"]),
    ("PyFunc", "float32[?]", ["python-op"]),
    ("EagerPyFunc", "float32[?]", ["python-op"]),
    ("WriteFile", "float32[?]", ["file-op"]),
    ("TFRecordDataset", "float32[?]", ["file-op"]),
    ("AssignAddVariableOp", "float32[?]", ["state-change"]),
    ("ResourceScatterUpdate", "float32[?]", ["state-change"]),
    ("ScatterNd", "float32[?]", []),
    ("EncodePng", "string[?]", ["binary-output-in-json"]),
    ("SerializeTensor", "string[?]", ["binary-output-in-json"]),
    ("TFText>RoundRobinTrim", "float32[?]", []),  # TensorFlow Text
    ("SimpleMLInferenceOpWithHandle", "float32[?]", []),  # TensorFlow Decision Forests
]


@pytest.mark.parametrize("place", ["in the graph", "in a function", "in a function that a function calls"])
@pytest.mark.parametrize(("op", "output", "expected"), OPS, ids=[case[0] for case in OPS])
def test_ops(tmp_path, op, output, expected, place):
    signatures = {"serving_default": {"inputs": {"x": "float32[?]"}, "outputs": {"y": output}}}
    if place == "in the graph":
        export(tmp_path, signatures, op=op)
    else:
        export(tmp_path, signatures, op="StatefulPartitionedCall")
        saved_model = tf.SavedModel.FromString((tmp_path / "saved_model.pb").read_bytes())
        [graph] = saved_model.meta_graphs
        calls = ["body"] if place == "in a function" else ["outer", "body"]
        graph.graph_def.node[1].attr["f"].func.name = calls[0]
        for caller in calls[:-1]:
            outer = graph.graph_def.library.function.add(signature=tf.OpDef(name=caller))
            outer.node_def.add(name="branch", op="Case").attr["branches"].list.func.add(name="body")
        graph.graph_def.library.function.add(signature=tf.OpDef(name="body")).node_def.add(name="n", op=op)
        write(tmp_path, graph)
    assert [rule for rule, _ in found(tmp_path)] == expected


class TestOpsThatNoRequestRuns:
    @pytest.mark.parametrize(
        ("op", "expected"),
        [("SaveV2", []), ("AssignVariableOp", []), ("PyFunc", []), ("MyCustomOp", ["unknown-op"])],
        ids=["saver", "restore", "Python", "custom"],
    )  # fmt: skip
    def test_beside_the_signatures(self, tmp_path, op, expected):
        graph = with_nodes(tmp_path, ("saver", op, ["x"]))
        assert [rule for rule, _ in found(write(tmp_path, graph))] == expected

    def test_in_a_function_that_nothing_calls(self, tmp_path):
        graph = with_nodes(tmp_path)
        graph.graph_def.library.function.add(signature=tf.OpDef(name="f")).node_def.add(name="n", op="MyCustomOp")
        assert found(write(tmp_path, graph)) == []

    def test_behind_what_is_fed(self, tmp_path):
        graph = with_nodes(tmp_path, ("file", "ReadFile", []))
        graph.graph_def.node[0].input.append("file")  # x could be read from a file, and a request feeds it
        assert found(write(tmp_path, graph)) == []

    def test_behind_an_output_that_is_an_input(self, tmp_path):
        graph = with_nodes(tmp_path, ("file", "ReadFile", []))
        graph.graph_def.node[0].input.append("file")
        graph.signature_def["serving_default"].outputs["y"].name = "x"
        assert found(write(tmp_path, graph)) == []

    def test_a_control_input_runs_although_a_tensor_is_fed(self, tmp_path):
        graph = with_nodes(tmp_path, ("file", "ReadFile", []))
        graph.graph_def.node[1].input.append("^file")
        assert found(write(tmp_path, graph)) == [("file-op", "serving_default")]

    def test_a_loop_in_the_graph_ends(self, tmp_path):
        graph = with_nodes(tmp_path, ("merge", "Merge", ["next"]), ("next", "NextIteration", ["merge"]))
        graph.graph_def.node[1].input.append("merge")
        assert found(write(tmp_path, graph)) == []

    def test_the_initialiser_runs_at_the_load(self, tmp_path):
        graph = with_nodes(tmp_path, ("init", "NoOp", ["^python"]), ("python", "PyFunc", []))
        graph.collection_def["saved_model_main_op"].node_list.value.append("init")
        [(rule, where)] = found(write(tmp_path, graph))
        assert (rule, where) == ("python-op", "")


def with_nodes(directory, *nodes):
    """The graph x -> y with more nodes (name, op, inputs)."""
    export(directory, {"serving_default": BATCHED})
    [graph] = tf.SavedModel.FromString((directory / "saved_model.pb").read_bytes()).meta_graphs
    for name, op, inputs in nodes:
        graph.graph_def.node.add(name=name, op=op, input=inputs)
    return graph


def test_one_finding_names_the_signatures_that_run_an_op(tmp_path):
    export(
        tmp_path,
        {"serving_default": BATCHED, "other": {"inputs": {"a": "int32[?]"}, "outputs": {"b": "int32[?]"}}},
        op="PyFunc",
    )
    [finding] = find_problems(inspect(tmp_path))
    assert "signature 'other' and signature 'serving_default' fails" in finding.sentence
    assert finding.where == ""


@pytest.mark.parametrize("name", ["nothing:0", ""], ids=["another node", "no name, as of a sparse tensor"])
def test_a_tensor_that_the_graph_lacks(tmp_path, name):
    graph = with_nodes(tmp_path)
    graph.signature_def["serving_default"].outputs["y"].name = name
    assert found(write(tmp_path, graph)) == [("tensor-not-in-graph", "serving_default.outputs.y")]


class TestFiles:
    def test_variables_that_were_left_behind(self):
        assert ("variables-incomplete", "") in found(MODELS / "broken_vars" / "1")

    def test_a_graph_without_variables_needs_none(self, tmp_path):
        export(tmp_path, {"serving_default": BATCHED})
        assert found(tmp_path) == []

    def test_an_asset(self, tmp_path):
        graph = with_nodes(tmp_path)
        graph.asset_file_def.add(filename="vocab.txt")
        assert found(write(tmp_path, graph)) == [("asset-missing", "")]
        (tmp_path / "assets").mkdir()
        (tmp_path / "assets" / "vocab.txt").touch()
        assert found(tmp_path) == []


def record(data):
    """One record of a TFRecord file."""
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked_crc32c(length)) + data + struct.pack("<I", masked_crc32c(data))


def log(field, request):
    """A PredictionLog with the request in the log of this field number."""
    assert len(request) < 120
    inner = b"\x0a" + bytes([len(request)]) + request
    return record(bytes([field << 3 | 2, len(inner)]) + inner)


def predict(signature_name="", filter_=(), **dtypes):
    inputs = {alias: tf.TensorProto(dtype=DTYPES[dtype].enum) for alias, dtype in dtypes.items()}
    spec = serving.ModelSpec(signature_name=signature_name)
    request = serving.PredictRequest(model_spec=spec, inputs=inputs, output_filter=filter_)
    return log(6, request.SerializeToString())


NO_SUCH = serving.ClassificationRequest(model_spec=serving.ModelSpec(signature_name="classify")).SerializeToString()
BAD_TASK = serving.MultiInferenceRequest(
    tasks=[serving.InferenceTask(model_spec=serving.ModelSpec(signature_name="z"))]
)

WARMUPS = [
    ("an empty file", b"", None),
    ("what the model answers", predict(x="float32") * 3, None),
    ("a default left out", predict("scaled", x="float32"), None),
    ("an output that there is", predict(x="float32", filter_=["y"]), None),
    ("an empty record", record(b""), None),
    ("a thousand", predict(x="float32") * 1000, None),
    ("more than a thousand", predict(x="float32") * 1001, r"exceeds the maximum \(1000\)"),
    ("no TFRecord", b"no records at all", "corrupted record at 0"),
    ("a record cut short", predict(x="float32")[:-6], "truncated record at 0"),
    ("no PredictionLog", record(b"\x08\x01"), "Failed to parse warmup record"),
    ("no PredictRequest", log(6, b"\x0a\x7f"), "Failed to parse warmup record"),
    ("a session run", log(5, b""), "Unsupported log_type for warmup: 5"),
    ("a streamed predict", log(7, b""), "Unsupported log_type for warmup: 7"),
    ("another signature", predict("nope", x="float32"), "record 1 of .*: it asks for signature 'nope'; there is 'scaled'"),
    ("classify of no such signature", log(2, NO_SUCH), "it asks for signature 'classify'"),
    ("a task of no such signature", log(4, BAD_TASK.SerializeToString()), "it asks for signature 'z'"),
    ("another input", predict(x="float32") + predict(z="float32"), "record 2 of .*no input 'z'; it has 'x'"),
    ("an input left out", predict(), "it lacks input 'x'"),
    ("another dtype", predict(x="float64"), "input 'x' of signature 'serving_default' is float32, and the record sends float64"),
    ("another output", predict(x="float32", filter_=["z"]), "has no output 'z'"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "complaint"), [case[1:] for case in WARMUPS], ids=[case[0] for case in WARMUPS])
def test_warm_up_files(tmp_path, content, complaint):
    scaled = {"inputs": {"x": "float32[?]", "by": "float32[?] = 2.0"}, "outputs": {"y": "float32[?]"}}
    export(tmp_path, {"serving_default": BATCHED, "scaled": scaled})
    (tmp_path / WARMUP_FILE).parent.mkdir()
    (tmp_path / WARMUP_FILE).write_bytes(content)
    findings = [f for f in find_problems(inspect(tmp_path)) if f.rule.id == "warmup-fails"]
    assert len(findings) == (complaint is not None)
    for finding in findings:
        assert re.search(complaint, finding.sentence), finding.sentence


def test_every_rule_is_found_in_a_table():
    tabled = {rule for *_, expected in TENSORS for rule, _ in expected}
    tabled |= {rule for table in (METHODS, WHOLE, OPS, VARIABLES) for *_, expected in table for rule in expected}
    elsewhere = {"tensor-not-in-graph", "variables-incomplete", "asset-missing", "warmup-fails"}
    assert tabled | elsewhere == {rule.id for rule in LINT_RULES}
    assert not tabled & elsewhere


def test_rules_say_what_they_have_to():
    assert len({rule.id for rule in LINT_RULES}) == len(LINT_RULES)
    for rule in LINT_RULES:
        assert rule.title.endswith(".")
        assert rule.reason.endswith(".")
        assert rule.remedy.endswith(".")


@pytest.mark.parametrize("directory", EXAMPLES, ids=lambda path: str(path.relative_to(ROOT / "example_models")))
def test_no_example_model_has_a_breaking_finding(directory):
    assert not [f.sentence for f in find_problems(inspect(directory, None)) if f.level == "breaking"]


def test_known_ops_are_those_of_the_server_and_its_libraries():
    assert {"AddV2", "Placeholder", "XlaCallModule", "SentencepieceOp", "SimpleMLLoadModelFromPath"} <= known_ops()
    assert "MultiplyAdd1000" not in known_ops()
