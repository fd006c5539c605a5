"""What lint calls breaking, seen to break: each export with its finding, and what a server says of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_tfserving.inspection import inspect
from pytest_tfserving.lint import find_problems
from pytest_tfserving.wire import tensorflow_pb2 as tf


def edited(model: Path, directory: Path, edit: Callable[[tf.MetaGraphDef], None]) -> Path:
    """A base path whose version 1 is that of a model, edited."""
    shutil.copytree(model / "1", directory / "1")
    file = directory / "1" / "saved_model.pb"
    saved_model = tf.SavedModel.FromString(file.read_bytes())
    edit(saved_model.meta_graphs[0])
    file.write_bytes(saved_model.SerializeToString())
    return directory


def served_function(graph: tf.MetaGraphDef) -> tf.FunctionDef:
    functions = graph.graph_def.library.function
    return next(function for function in functions if "signature_wrapper" in function.signature.name)


def run_python(graph: tf.MetaGraphDef) -> None:
    node = served_function(graph).node_def.add(name="python", op="PyFunc")
    node.attr["token"].s = b"t"
    for name in ("Tin", "Tout"):
        node.attr[name].list.SetInParent()


def forget_outputs(graph: tf.MetaGraphDef) -> None:
    graph.signature_def["serving_default"].outputs.clear()


def rename_tensor(graph: tf.MetaGraphDef) -> None:
    for info in graph.signature_def["serving_default"].outputs.values():
        info.name = "nothing:0"


def forget_signatures(graph: tf.MetaGraphDef) -> None:
    graph.signature_def.clear()


def restore_copies(graph: tf.MetaGraphDef) -> None:
    """As tf.saved_model.save makes of a Keras 3 model: what is restored are variables that no function reads."""
    graph.graph_def.node.add(name="nothing", op="NoOp")
    graph.saver_def.restore_op_name = "nothing"


def breaking(directory: Path) -> list[str]:
    return [finding.rule.id for finding in find_problems(inspect(directory)) if finding.level == "breaking"]


REQUESTS = [
    ("versions", run_python, "python-op", "No OpKernel was registered to support Op 'PyFunc'"),
    ("versions", forget_outputs, "no-outputs", "Must specify at least one target to fetch or execute"),
    (
        "versions",
        rename_tensor,
        "tensor-not-in-graph",
        "Tensor nothing:0, specified in either feed_devices or fetch_devices",
    ),
    ("versions", forget_signatures, "no-signature", 'Serving signature name: "serving_default" not found'),
    ("keras_export", restore_copies, "variables-not-restored", "Could not find variable"),
]


def test_a_server_loads_them_and_refuses_every_request(start_server: Any, models: Path, tmp_path: Path) -> None:
    config = ""
    for model, edit, rule, _ in REQUESTS:
        base = edited(models / model, tmp_path / rule, edit)
        assert breaking(base / "1") == [rule]
        config += f'config {{ name: "{rule}" base_path: "{base}" model_platform: "tensorflow" }}\n'
    file = tmp_path / "models.config"
    file.write_text(f"model_config_list {{\n{config}}}\n")
    server = start_server(f"--model_config_file={file}")
    for model, _, rule, error in REQUESTS:
        inputs = "[[1.0, 2.0, 3.0, 4.0]]" if model == "keras_export" else "[1.0]"
        status, _, text = server.rest("POST", f"/v1/models/{rule}:predict", f'{{"inputs": {inputs}}}')
        assert status >= 400
        assert error in json.loads(text)["error"]


def remove_assets(directory: Path) -> None:
    shutil.rmtree(directory / "assets")


def cut_variables(directory: Path) -> None:
    (directory / "variables" / "variables.data-00000-of-00001").write_bytes(b"cut")


def spoil_warm_up(directory: Path) -> None:
    (directory / "assets.extra").mkdir()
    (directory / "assets.extra" / "tf_serving_warmup_requests").write_bytes(b"no records at all")


def add_unknown_op(directory: Path) -> None:
    file = directory / "saved_model.pb"
    saved_model = tf.SavedModel.FromString(file.read_bytes())
    served_function(saved_model.meta_graphs[0]).node_def.add(name="n", op="NobodysOp")
    file.write_bytes(saved_model.SerializeToString())


@pytest.mark.parametrize(
    ("model", "damage", "rule", "error"),
    [
        ("text_tf1", remove_assets, "asset-missing", "vocab.txt; No such file or directory"),
        ("text_tf1", cut_variables, "variables-incomplete", "Read less bytes than requested"),
        ("versions", spoil_warm_up, "warmup-fails", "corrupted record at 0"),
        ("versions", add_unknown_op, "unknown-op", "Op type not registered 'NobodysOp'"),
    ],
)
def test_a_server_does_not_load_them(
    fail_to_start: Any,
    models: Path,
    tmp_path: Path,
    model: str,
    damage: Callable[[Path], None],
    rule: str,
    error: str,
) -> None:
    base = tmp_path / "export"
    shutil.copytree(models / model / "1", base / "1")
    damage(base / "1")
    assert breaking(base / "1") == [rule]
    _, output = fail_to_start("--port=0", f"--model_base_path={base}", "--max_num_load_retries=0")
    assert error in output
