"""What is read of an export: of real ones, of damaged ones, and of ones too large or too many to be read at leisure."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_tfserving.checkpoint import Variable
from pytest_tfserving.errors import ExportError
from pytest_tfserving.graph import Graph
from pytest_tfserving.inspection import File, inspect
from pytest_tfserving.lint import find_problems
from pytest_tfserving.report.inspection import inspection_text
from pytest_tfserving.savedmodel import read_schema
from pytest_tfserving.warmup_file import WARMUP_FILE
from pytest_tfserving.wire import tensorflow_pb2 as tf

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "tests" / "conformance" / "models"
REAL = sorted(path.parent for path in MODELS.glob("**/saved_model.pb") if "broken" not in str(path))


@pytest.mark.parametrize("directory", REAL, ids=lambda path: str(path.relative_to(MODELS)))
def test_real_exports_are_read_as_wholes(directory):
    inspection = inspect(directory, None)
    assert inspection.schema == read_schema(directory, inspection.tags)
    assert inspection.tags in inspection.tag_sets
    assert inspection.tensorflow_version.startswith("2.")
    assert inspection.size == sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    assert inspection.served_ops <= inspection.loaded_ops <= inspection.ops.keys()
    for signature in inspection.schema.callable_signatures.values():
        assert inspection.ops_of(signature) <= inspection.served_ops
        # Saving and loading are no part of any request.
        assert not inspection.ops_of(signature) & {"SaveV2", "MergeV2Checkpoints", "RestoreV2", "ShardedFilename"}


def test_ops_by_when_they_run():
    inspection = inspect(MODELS / "text_tf1" / "1")
    assert "InitializeTableFromTextFileV2" in inspection.init_ops
    assert "InitializeTableFromTextFileV2" not in inspection.served_ops
    assert "LookupTableFindV2" in inspection.served_ops
    assert {"SaveV2", "MergeV2Checkpoints"} <= inspection.loaded_ops - inspection.served_ops
    assert inspection.ops["VarHandleOp"] == 1


def test_signatures_of_one_graph_run_what_is_theirs():
    inspection = inspect(MODELS / "dtypes" / "1")
    signatures = inspection.schema.signatures
    assert "AddV2" not in inspection.ops_of(signatures["id_string"])
    counter = inspect(MODELS / "counter" / "1")
    assert "AssignAddVariableOp" in counter.ops_of(counter.schema.signatures["incr"])
    assert "AssignAddVariableOp" not in counter.ops_of(counter.schema.signatures["get"])


def test_the_call_of_a_function_is_no_op():
    graph = tf.MetaGraphDef()
    graph.graph_def.library.function.add(signature=tf.OpDef(name="f")).node_def.add(name="n", op="Relu")
    graph.graph_def.node.add(name="call", op="f")
    assert Graph(graph).count_ops() == {"Relu": 1}
    assert Graph(graph).loaded_ops() == {"Relu"}


def test_functions_that_call_each_other_end():
    graph = tf.MetaGraphDef()
    for name, other in (("f", "g"), ("g", "f")):
        function = graph.graph_def.library.function.add(signature=tf.OpDef(name=name))
        function.node_def.add(name="n", op=other)
    graph.graph_def.node.add(name="call", op="f")
    assert Graph(graph).ops_behind(["call:0"]) == frozenset()


def test_variables_and_files():
    inspection = inspect(MODELS / "versions" / "3")
    assert inspection.needs_variables
    assert inspection.checkpoint.variables == (Variable("k", "float32", (), 4),)
    assert (inspection.checkpoint.size, inspection.checkpoint.damage) == (4, None)
    assert [file.name for file in inspection.files] == [
        "fingerprint.pb", "saved_model.pb", "variables/variables.data-00000-of-00001", "variables/variables.index",
    ]  # fmt: skip


def test_assets_with_sizes():
    inspection = inspect(MODELS / "text_tf1" / "1")
    assert inspection.assets == (File("vocab.txt", (MODELS / "text_tf1/1/assets/vocab.txt").stat().st_size),)


class TestDamage:
    """What lint has to say is no error here."""

    @pytest.fixture
    def directory(self, tmp_path):
        return shutil.copytree(MODELS / "text_tf1" / "1", tmp_path / "1")

    def test_no_variables(self, directory):
        shutil.rmtree(directory / "variables")
        checkpoint = inspect(directory).checkpoint
        assert (checkpoint.variables, checkpoint.size) == ((), 0)
        assert checkpoint.damage.endswith("variables.index is missing")

    def test_a_short_shard_has_its_index(self, directory):
        os.truncate(directory / "variables" / "variables.data-00000-of-00001", 3)
        checkpoint = inspect(directory).checkpoint
        assert checkpoint.damage.endswith("is cut short: 3 bytes, its index needs 64")
        assert [variable.name for variable in checkpoint.variables] == ["emb"]

    def test_no_assets(self, directory):
        shutil.rmtree(directory / "assets")
        assert inspect(directory).assets == (File("vocab.txt", None),)

    def test_a_link_to_nothing(self, directory):
        (directory / "link").symlink_to("nowhere")
        assert File("link", None) in inspect(directory).files

    def test_a_warm_up_file_of_something_else(self, directory):
        (directory / WARMUP_FILE).parent.mkdir()
        (directory / WARMUP_FILE).write_bytes(b"something else")
        warmup = inspect(directory).warmup
        assert warmup.requests == ()
        assert "corrupted record at 0" in warmup.error


@given(changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=3))
def test_changed_bytes_are_read_linted_and_shown_or_refused(changes, tmp_path_factory):
    directory = shutil.copytree(MODELS / "text_tf1" / "1", tmp_path_factory.mktemp("export") / "1")
    damaged = bytearray((directory / "saved_model.pb").read_bytes())
    for where, flipped in changes:
        damaged[int(where * len(damaged))] ^= flipped
    (directory / "saved_model.pb").write_bytes(damaged)
    with contextlib.suppress(ExportError):
        inspection = inspect(directory, None)
        list(find_problems(inspection))
        inspection_text(inspection)


class TestErrors:
    def test_no_saved_model(self, tmp_path):
        with pytest.raises(ExportError, match=r"no SavedModel in .*: neither saved_model\.pb nor saved_model\.pbtxt"):
            inspect(tmp_path)

    def test_a_file_that_does_not_parse(self):
        with pytest.raises(ExportError, match="does not parse as a SavedModel"):
            inspect(MODELS / "broken_pb" / "1")

    def test_assets_that_do_not_parse(self, tmp_path):
        graph = tf.MetaGraphDef(meta_info_def=tf.MetaGraphDef.MetaInfoDef(tags=["serve"]))
        graph.collection_def["saved_model_assets"].any_list.value.add(value=b"\x0a\x7f")
        (tmp_path / "saved_model.pb").write_bytes(tf.SavedModel(meta_graphs=[graph]).SerializeToString())
        with pytest.raises(ExportError, match="saved_model_assets of the SavedModel does not parse"):
            inspect(tmp_path)

    def test_no_such_tags(self):
        with pytest.raises(ExportError, match=r"no graph with tags \{serve\} in .*; it has \{test_saved_model\}$"):
            inspect(MODELS / "custom_tag" / "1")

    def test_none_takes_the_only_graph(self):
        assert inspect(MODELS / "custom_tag" / "1", None).tags == ("test_saved_model",)

    def test_none_of_several_takes_serve(self, tmp_path):
        graphs = [tf.MetaGraphDef(meta_info_def=tf.MetaGraphDef.MetaInfoDef(tags=tags)) for tags in (["a"], ["serve"])]
        (tmp_path / "saved_model.pb").write_bytes(tf.SavedModel(meta_graphs=graphs).SerializeToString())
        assert inspect(tmp_path, None).tags == ("serve",)
        assert inspect(tmp_path, ["a"]).tag_sets == (("a",), ("serve",))

    @pytest.mark.parametrize("name", ["saved_model.pb", "saved_model.pbtxt"])
    def test_two_gibibytes_are_not_read(self, tmp_path, name):
        (tmp_path / name).touch()
        os.truncate(tmp_path / name, 2**31)  # a hole: it takes no disk, and would take the memory
        with pytest.raises(
            ExportError, match=r"2147483648 bytes, and protobuf parses no message of 2 GiB or more.*variables"
        ):
            inspect(tmp_path)
        with pytest.raises(ExportError, match="2147483648 bytes"):
            read_schema(tmp_path)


def test_ten_thousand_signatures_are_walked_once(tmp_path):
    """Signatures with the same inputs share a walk: one each would visit a hundred million nodes here."""
    graph = tf.MetaGraphDef(meta_info_def=tf.MetaGraphDef.MetaInfoDef(tags=["serve"]))
    for number in range(10_000):
        graph.graph_def.node.add(name=f"n{number}", op="Relu", input=[f"n{number - 1}"] if number else [])
        signature = graph.signature_def[f"s{number}"]
        signature.inputs["x"].name = "n0:0"
        signature.outputs["y"].name = f"n{number}:0"
    (tmp_path / "saved_model.pb").write_bytes(tf.SavedModel(meta_graphs=[graph]).SerializeToString())
    inspection = inspect(tmp_path)
    assert len(inspection.schema.signatures) == 10_000
    assert inspection.served_ops == {"Relu"}
