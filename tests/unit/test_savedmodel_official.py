"""Exports read without TensorFlow against what TensorFlow's own classes and checkpoint reader say."""

import importlib
import os
from pathlib import Path

import pytest

from pytest_tfserving import checkpoint
from pytest_tfserving.savedmodel import read_schema
from pytest_tfserving.wire import tensorflow_pb2 as ours

MODELS = Path(__file__).parents[1] / "conformance" / "models"
DIRECTORIES = [
    path.parent for path in sorted(MODELS.glob("**/saved_model.pb")) if "broken" not in str(path.relative_to(MODELS))
]
each_model = pytest.mark.parametrize("directory", DIRECTORIES, ids=lambda path: str(path.relative_to(MODELS)))


@pytest.fixture(scope="module")
def tensorflow():
    return importlib.import_module("tensorflow")


@pytest.fixture(scope="module")
def saved_model_class(tensorflow):
    return importlib.import_module("tensorflow.core.protobuf.saved_model_pb2").SavedModel


def specs_of(tensorflow, infos):
    """alias -> (dtype's name, sizes or None, the graph's tensor), by TensorFlow's own types."""
    specs = {}
    for alias, info in infos.items():
        shape = tensorflow.TensorShape(info.tensor_shape)
        sizes = None if shape.rank is None else tuple(shape.as_list())
        dtype = tensorflow.as_dtype(info.dtype).name if info.dtype else "invalid"
        specs[alias] = (dtype, sizes, info.name)
    return specs


def plain(specs):
    return {alias: (spec.dtype, spec.shape, spec.tensor_name) for alias, spec in specs.items()}


@each_model
def test_the_schema_is_what_tensorflows_classes_read(tensorflow, saved_model_class, directory):
    official = saved_model_class.FromString((directory / "saved_model.pb").read_bytes())
    for graph in official.meta_graphs:
        schema = read_schema(directory, graph.meta_info_def.tags)
        assert set(schema.signatures) == set(graph.signature_def)
        for name, signature in schema.signatures.items():
            theirs = graph.signature_def[name]
            assert plain(signature.inputs) == specs_of(tensorflow, theirs.inputs)
            assert plain(signature.outputs) == specs_of(tensorflow, theirs.outputs)
            assert signature.method_name == theirs.method_name
            assert signature.defaulted == set(theirs.defaults)


@each_model
def test_the_text_form_that_tensorflow_writes_has_the_same_schema(tensorflow, saved_model_class, directory, tmp_path):
    official = saved_model_class.FromString((directory / "saved_model.pb").read_bytes())
    text_format = importlib.import_module("google.protobuf.text_format")
    (tmp_path / "saved_model.pbtxt").write_text(text_format.MessageToString(official), encoding="utf-8")
    for part in ("variables", "assets"):
        (tmp_path / part).symlink_to(directory / part)
    tags = official.meta_graphs[0].meta_info_def.tags
    assert read_schema(tmp_path, tags) == read_schema(directory, tags)


@each_model
def test_what_is_not_ours_of_a_saved_model_survives(saved_model_class, directory):
    content = (directory / "saved_model.pb").read_bytes()
    carried = ours.SavedModel.FromString(content).SerializeToString()
    assert saved_model_class.FromString(carried) == saved_model_class.FromString(content)


def entries_of(prefix):
    """The index as checkpoint.py reads it: tensor -> (dtype's enum, sizes, bytes)."""
    table = dict(checkpoint._entries(Path(f"{prefix}.index").read_bytes()))
    table.pop(b"")
    read = {key.decode(): ours.BundleEntryProto.FromString(value) for key, value in table.items()}
    return {key: (entry.dtype, [dim.size for dim in entry.shape.dim], entry.size) for key, entry in read.items()}


def assert_entries_are_tensorflows(tensorflow, prefix):
    reader = tensorflow.train.load_checkpoint(str(prefix))
    entries = entries_of(prefix)
    assert {key: sizes for key, (_, sizes, _) in entries.items()} == reader.get_variable_to_shape_map()
    for key, dtype in reader.get_variable_to_dtype_map().items():
        enum, _, size = entries[key]
        assert enum == dtype.as_datatype_enum
        if dtype != tensorflow.string:
            assert size == reader.get_tensor(key).nbytes


@each_model
def test_an_index_lists_what_tensorflows_reader_does(tensorflow, directory):
    assert_entries_are_tensorflows(tensorflow, directory / "variables" / "variables")


def test_an_index_of_many_blocks_and_shards_is_read_whole(tensorflow, tmp_path):
    half = 1_500  # tensors; with names this long an index of several blocks of 256 KB
    shards = []
    for shard in (0, 1):
        shards.append(str(tmp_path / f"part-{shard}"))
        names = [f"{number:05}/{'long ' * 20}" for number in range(shard * half, (shard + 1) * half)]
        tensorflow.raw_ops.SaveV2(
            prefix=shards[-1],
            tensor_names=names,
            shape_and_slices=[""] * half,
            tensors=[tensorflow.constant([float(shard)] * (1 + number % 3)) for number in range(half)],
        )
    prefix = tmp_path / "variables"
    tensorflow.raw_ops.MergeV2Checkpoints(
        checkpoint_prefixes=shards, destination_prefix=str(prefix), delete_old_dirs=False
    )
    assert_entries_are_tensorflows(tensorflow, prefix)
    assert checkpoint.find_damage(prefix) is None
    for shard in ("00000-of-00002", "00001-of-00002"):
        file = Path(f"{prefix}.data-{shard}")
        size = file.stat().st_size
        os.truncate(file, size - 1)
        assert checkpoint.find_damage(prefix) == f"{file} is cut short: {size - 1} bytes, its index needs {size}"
        os.truncate(file, size)
