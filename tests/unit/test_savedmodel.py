"""saved_model.pb -> schema: on real exports, and on copies with each kind of damage that a deploy makes."""

import contextlib
import os
import shutil
from pathlib import Path

import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st

from pytest_tfserving.errors import ExportError
from pytest_tfserving.savedmodel import read_schema, schema_of
from pytest_tfserving.schema import INIT_OP_SIGNATURE, ModelSchema, Signature, TensorSpec
from pytest_tfserving.wire import tensorflow_pb2 as tf

MODELS = Path(__file__).parents[1] / "conformance" / "models"


@pytest.fixture
def copy_of(tmp_path):
    """A copy of a model's version that may be damaged."""
    return lambda version: shutil.copytree(MODELS / version, tmp_path / "export" / version)


def float_info(*sizes, name=""):
    info = tf.TensorInfo(name=name, dtype=tf.DT_FLOAT)
    info.tensor_shape.SetInParent()
    for size in sizes:
        info.tensor_shape.dim.add(size=size)
    return info


def written(signature):
    """A signature as a marker writes it."""
    return (
        {alias: str(spec) for alias, spec in signature.inputs.items()},
        {alias: str(spec) for alias, spec in signature.outputs.items()},
    )


class TestSchema:
    @pytest.mark.parametrize(
        ("version", "name", "inputs", "outputs"),
        [
            ("shapes/1", "serving_default", {"x": "float32[2, 3]"}, {"y": "float32[2, 3]"}),
            ("shapes/1", "scalar", {"x": "float32[]"}, {"y": "float32[]"}),
            ("shapes/1", "unknown_rank", {"x": "float32[...]"}, {"y": "float32[...]"}),
            ("shapes/1", "rank4", {"x": "float32[?, 2, 2, 3]"}, {"y": "float32[?, 2, 2, 3]"}),
            ("shapes/1", "mixed", {"keep_prob": "float32[]", "x": "float32[?, 2]"}, {"y": "float32[?, 2]"}),
            ("dtypes/1", "id_bfloat16", {"x": "bfloat16[?]"}, {"y": "bfloat16[?]"}),
            ("dtypes/1", "scalar_string", {"x": "string[]"}, {"y": "string[]"}),
            ("counter/1", "get", {}, {"output": "float32[]"}),
            ("unversioned", "sum_all", {"x": "float32[?]"}, {"total": "float32[]"}),
            ("versions/3", "serving_default", {"x": "float32[?]"}, {"output_0": "float32[?]"}),
        ],
    )  # fmt: skip
    def test_signatures_of_real_exports(self, version, name, inputs, outputs):
        assert written(read_schema(MODELS / version).signatures[name]) == (inputs, outputs)

    def test_all_of_a_signature(self):
        assert read_schema(MODELS / "examples" / "1").signatures["regress"] == Signature(
            name="regress",
            inputs={"inputs": TensorSpec("string", (None,))},
            outputs={"outputs": TensorSpec("float32", (None, 1))},
            method_name="tensorflow/serving/regress",
        )

    def test_signatures_and_tensors_are_in_order(self):
        schema = read_schema(MODELS / "multi_io" / "1")
        assert list(schema.signatures) == [INIT_OP_SIGNATURE, "bytes_in", "bytes_out", "serving_default", "single"]
        assert list(schema.signatures["serving_default"].outputs) == ["count", "raw_bytes", "scaled", "text"]

    def test_the_initialiser_cannot_be_called(self):
        schema = read_schema(MODELS / "versions" / "1")
        assert list(schema.signatures) == [INIT_OP_SIGNATURE, "serving_default"]
        assert list(schema.callable_signatures) == ["serving_default"]

    def test_the_graphs_tensor_is_known_but_not_compared(self):
        spec = schema_of({"s": tf.SignatureDef(inputs={"x": float_info(-1, name="x:0")})}).signatures["s"].inputs["x"]
        assert spec.tensor_name == "x:0"
        assert spec == TensorSpec("float32", (None,), tensor_name="another:0")

    def test_inputs_with_a_default_may_be_left_out(self):
        signature = tf.SignatureDef(inputs={"x": float_info(), "keep": float_info()})
        signature.defaults["keep"].dtype = tf.DT_FLOAT
        assert schema_of({"s": signature}).signatures["s"].defaulted == {"keep"}

    def test_no_shape_is_an_unknown_rank(self):
        signature = tf.SignatureDef(inputs={"x": tf.TensorInfo(dtype=tf.DT_FLOAT)})
        assert str(schema_of({"s": signature}).signatures["s"].inputs["x"]) == "float32[...]"


class TestTags:
    def test_other_tags_are_found_when_they_are_asked_for(self):
        assert "test_signature" in read_schema(MODELS / "custom_tag" / "1", ("test_saved_model",)).signatures

    def test_the_tags_that_there_are_are_said_as_a_marker_takes_them(self):
        directory = MODELS / "custom_tag" / "1"
        with pytest.raises(ExportError) as caught:
            read_schema(directory)
        assert str(caught.value) == (
            f"no graph with tags {{serve}} in {directory}; it has {{test_saved_model}}; "
            f"name them: tags=('test_saved_model',) in a marker, --tags test_saved_model for a command"
        )

    def test_the_whole_set_of_tags_must_agree_in_any_order(self, tmp_path):
        saved_model = tf.SavedModel()
        for tags in (["serve", "gpu"], ["serve"]):
            graph = saved_model.meta_graphs.add(signature_def={"-".join(tags): tf.SignatureDef()})
            graph.meta_info_def.tags.extend(tags)
        (tmp_path / "saved_model.pb").write_bytes(saved_model.SerializeToString())
        assert list(read_schema(tmp_path, ["serve"]).signatures) == ["serve"]
        assert list(read_schema(tmp_path, ["gpu", "serve"]).signatures) == ["serve-gpu"]
        with pytest.raises(ExportError, match=r"no graph with tags \{gpu\} in .*; it has \{serve, gpu\} and \{serve\}"):
            read_schema(tmp_path, ["gpu"])


class TestText:
    @pytest.mark.parametrize("version", ["shapes/1", "text_tf1/1", "versions/3"])
    def test_a_text_form_reads_as_the_binary_does(self, copy_of, version):
        directory = copy_of(version)
        saved_model = tf.SavedModel.FromString((directory / "saved_model.pb").read_bytes())
        (directory / "saved_model.pb").unlink()
        (directory / "saved_model.pbtxt").write_text(text_format.MessageToString(saved_model))
        assert read_schema(directory) == read_schema(MODELS / version)

    @pytest.mark.parametrize(
        ("text", "complaint"),
        [
            (b"", "saved_model.pbtxt holds no graph: it is empty or cut short"),
            (b"meta_graphs {", "saved_model.pbtxt (13 bytes) does not parse as a SavedModel"),
            (b"meta_graphs { } \xff\xfe", "saved_model.pbtxt (18 bytes) does not parse as a SavedModel"),
        ],
        ids=["empty", "cut short", "no UTF-8"],
    )
    def test_damage_names_the_text_form(self, tmp_path, text, complaint):
        (tmp_path / "saved_model.pbtxt").write_bytes(text)
        with pytest.raises(ExportError) as caught:
            read_schema(tmp_path)
        assert complaint in str(caught.value)

    def test_fields_that_are_not_ours_are_skipped(self, tmp_path):
        (tmp_path / "saved_model.pbtxt").write_text(
            'meta_graphs { graph_def { versions { producer: 1 } } meta_info_def { tags: "serve" } '
            'signature_def { key: "s" value { } } }'
        )
        assert list(read_schema(tmp_path).signatures) == ["s"]


class TestDamage:
    def test_no_saved_model(self, tmp_path):
        with pytest.raises(ExportError) as caught:
            read_schema(tmp_path)
        assert str(caught.value) == f"no SavedModel in {tmp_path}: neither saved_model.pb nor saved_model.pbtxt"

    def test_a_file_that_is_no_saved_model(self):
        file = MODELS / "broken_pb" / "1" / "saved_model.pb"
        with pytest.raises(ExportError) as caught:
            read_schema(file.parent)
        assert str(caught.value).startswith(
            f"{file} (11 bytes) does not parse as a SavedModel: it is cut short or damaged ("
        )
        assert str(caught.value).endswith("Copy the export whole, or export it again")

    def test_a_file_cut_short_anywhere(self, copy_of):
        directory = copy_of("versions/1")
        file = directory / "saved_model.pb"
        whole = file.read_bytes()
        for size in [*range(64), *range(64, len(whole), 97), *range(len(whole) - 64, len(whole))]:
            os.truncate(file, size) if size else file.write_bytes(b"")
            with pytest.raises(ExportError, match=r"is cut short or damaged|is empty or cut short"):
                read_schema(directory)
            file.write_bytes(whole)

    @given(changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=3))
    def test_a_file_with_changed_bytes_is_read_or_refused(self, changes, tmp_path_factory):
        original = MODELS / "versions" / "1"
        directory = tmp_path_factory.mktemp("export")
        (directory / "variables").symlink_to(original / "variables")
        damaged = bytearray((original / "saved_model.pb").read_bytes())
        for where, flipped in changes:
            damaged[int(where * len(damaged))] ^= flipped
        (directory / "saved_model.pb").write_bytes(damaged)
        with contextlib.suppress(ExportError):
            assert isinstance(read_schema(directory), ModelSchema)

    @pytest.mark.parametrize(
        ("damage", "complaint"),
        [
            (lambda variables: shutil.rmtree(variables), "variables/variables.index is missing"),
            (lambda variables: (variables / "variables.index").unlink(), "variables/variables.index is missing"),
            (lambda variables: os.truncate(variables / "variables.index", 100), "is cut short or damaged"),
            (
                lambda variables: (variables / "variables.data-00000-of-00001").unlink(),
                "variables/variables.data-00000-of-00001 is missing",
            ),
            (
                lambda variables: os.truncate(variables / "variables.data-00000-of-00001", 100),
                "variables.data-00000-of-00001 is cut short: 100 bytes, its index needs 197",
            ),
        ],
        ids=["no variables", "no index", "short index", "no shard", "short shard"],
    )
    def test_variables_that_the_graph_needs(self, copy_of, damage, complaint):
        directory = copy_of("multi_io/1")
        damage(directory / "variables")
        with pytest.raises(ExportError) as caught:
            read_schema(directory)
        assert complaint in str(caught.value)
        assert "a server would load the model and fail at every predict" in str(caught.value)

    def test_an_export_whose_variables_were_left_behind(self):
        with pytest.raises(ExportError, match=r"broken_vars/1/variables/variables\.index is missing"):
            read_schema(MODELS / "broken_vars" / "1")

    def test_variables_that_nothing_restores_are_no_files(self, tmp_path):
        """TF1's builder writes no variables/ where the initialiser gives every variable its value."""
        graph = tf.MetaGraphDef(meta_info_def=tf.MetaGraphDef.MetaInfoDef(tags=["serve"]))
        graph.graph_def.node.add(name="n", op="VariableV2")
        (tmp_path / "saved_model.pb").write_bytes(tf.SavedModel(meta_graphs=[graph]).SerializeToString())
        assert read_schema(tmp_path).signatures == {}

    @pytest.mark.parametrize("where", ["in the graph", "in a function"])
    @pytest.mark.parametrize(
        ("op", "is_variable"), [("VarHandleOp", True), ("VariableV2", True), ("Variable", True), ("Placeholder", False)]
    )
    def test_a_graph_needs_variables_if_it_has_such_operations(self, tmp_path, op, is_variable, where):
        graph = tf.MetaGraphDef(meta_info_def=tf.MetaGraphDef.MetaInfoDef(tags=["serve"]))
        graph.saver_def.restore_op_name = "save/restore_all"
        nodes = graph.graph_def.node if where == "in the graph" else graph.graph_def.library.function.add().node_def
        nodes.add(name="n", op=op)
        (tmp_path / "saved_model.pb").write_bytes(tf.SavedModel(meta_graphs=[graph]).SerializeToString())
        if is_variable:
            with pytest.raises(ExportError, match=r"the graph has variables, and .*variables\.index is missing"):
                read_schema(tmp_path)
        else:
            assert read_schema(tmp_path) == ModelSchema({})

    def test_variables_are_not_missed_by_a_graph_without_any(self, copy_of):
        directory = copy_of("shapes/1")
        shutil.rmtree(directory / "variables")
        assert read_schema(directory) == read_schema(MODELS / "shapes" / "1")

    def test_an_asset_that_the_graph_reads(self, tmp_path):
        graph = tf.MetaGraphDef(meta_info_def=tf.MetaGraphDef.MetaInfoDef(tags=["serve"]))
        graph.asset_file_def.add(filename="vocab.txt")
        (tmp_path / "saved_model.pb").write_bytes(tf.SavedModel(meta_graphs=[graph]).SerializeToString())
        asset = tmp_path / "assets" / "vocab.txt"
        with pytest.raises(ExportError) as caught:
            read_schema(tmp_path)
        assert str(caught.value) == f"{asset} is missing; the graph reads it when it starts"
        asset.parent.mkdir()
        asset.touch()
        assert read_schema(tmp_path) == ModelSchema({})
