"""saved_model.pb -> ModelSchema, without TensorFlow.

The tags, the signatures and what a server would trip over later are read from the protos alone
(tensorflow/core/protobuf/saved_model.proto, meta_graph.proto).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from google.protobuf import text_format
from google.protobuf.message import DecodeError

from pytest_tfserving import checkpoint
from pytest_tfserving.dtypes import fed_dtype_name
from pytest_tfserving.errors import ExportError, TensorError
from pytest_tfserving.grammar import default_text
from pytest_tfserving.schema import SOME_DEFAULT, ModelSchema, Signature, TensorSpec
from pytest_tfserving.wire import tensorflow_pb2 as tf

__tracebackhide__ = True  # a failing test's report ends at the test's own line

DEFAULT_TAGS = ("serve",)

_MAX_DEFAULT_SIZE = 16

# Operations that read a variable's value from variables/: resource variables (TF2) and reference variables (TF1).
_VARIABLE_OPS = frozenset({"VarHandleOp", "VariableV2", "Variable"})


def read_schema(directory: Path, tags: Sequence[str] = DEFAULT_TAGS) -> ModelSchema:
    """The signatures of the SavedModel in `directory`, of the graph with exactly `tags`.

    Raises ExportError where the file is missing or does not parse, no graph has the tags, variables or assets that
    the graph needs are missing or cut short. A real server loads a TF2 export without its variables, reports it
    AVAILABLE and fails at each predict (loader.cc restores only if the index is there), so that is said here.
    """
    return schema_of(_checked_meta_graph(directory, tags).signature_def)


def schema_of(signatures: Mapping[str, tf.SignatureDef]) -> ModelSchema:
    """The schema of a signature_def map, as an export holds it and as a server's metadata gives it."""
    return ModelSchema({name: _signature(name, signatures[name]) for name in sorted(signatures)})


def _checked_meta_graph(directory: Path, tags: Sequence[str]) -> tf.MetaGraphDef:
    saved_model = _read(directory)
    for graph in saved_model.meta_graphs:
        if set(graph.meta_info_def.tags) == set(tags):
            break
    else:
        sets = [f"{{{', '.join(graph.meta_info_def.tags)}}}" for graph in saved_model.meta_graphs]
        first = [repr(tag) for tag in saved_model.meta_graphs[0].meta_info_def.tags] if sets else []
        raise ExportError(
            f"no graph with tags {{{', '.join(tags)}}} in {directory}; it has {' and '.join(sets) or 'no graph at all'}"
            + (f"; name them in the marker: tags=({', '.join(first)},)" if first else "")
        )
    if _has_variables(graph):
        damage = checkpoint.find_damage(directory / "variables" / "variables")
        if damage:
            raise ExportError(
                f"the graph has variables, and {damage}; a server would load the model and fail at every predict. "
                f"Copy the export whole, or export it again"
            )
    for name in _asset_names(graph):
        if not (directory / "assets" / name).is_file():
            raise ExportError(f"{directory / 'assets' / name} is missing; the graph reads it when it starts")
    return graph


def _read(directory: Path) -> tf.SavedModel:
    binary, text = directory / "saved_model.pb", directory / "saved_model.pbtxt"
    try:
        if binary.is_file():
            saved_model = tf.SavedModel.FromString(binary.read_bytes())
        elif text.is_file():
            saved_model = text_format.Parse(text.read_bytes(), tf.SavedModel(), allow_unknown_field=True)
        else:
            raise ExportError(f"no SavedModel in {directory}: neither saved_model.pb nor saved_model.pbtxt")
    except (DecodeError, text_format.ParseError) as error:
        file = binary if binary.is_file() else text
        raise ExportError(
            f"{file} ({file.stat().st_size} bytes) does not parse as a SavedModel: it is cut short or damaged "
            f"({error}). Copy the export whole, or export it again"
        ) from error
    if not saved_model.meta_graphs:
        raise ExportError(f"{binary if binary.is_file() else text} holds no graph: it is empty or cut short")
    return saved_model


def _asset_names(graph: tf.MetaGraphDef) -> list[str]:
    """The graph's files: TF2 lists them in a field, TF1 in a collection."""
    listed = [any_.value for any_ in graph.collection_def["saved_model_assets"].any_list.value]
    return [asset.filename for asset in (*graph.asset_file_def, *map(tf.AssetFileDef.FromString, listed))]


def _has_variables(graph: tf.MetaGraphDef) -> bool:
    functions = graph.graph_def.library.function
    return any(node.op in _VARIABLE_OPS for node in graph.graph_def.node) or any(
        node.op in _VARIABLE_OPS for function in functions for node in function.node_def
    )


def _signature(name: str, signature: tf.SignatureDef) -> Signature:
    return Signature(
        name=name,
        inputs=_specs(signature.inputs, signature.defaults),
        outputs=_specs(signature.outputs, {}),
        method_name=signature.method_name,
    )


def _specs(infos: Mapping[str, tf.TensorInfo], defaults: Mapping[str, tf.TensorProto]) -> dict[str, TensorSpec]:
    return {
        alias: _spec(infos[alias], _default(defaults[alias]) if alias in defaults else None) for alias in sorted(infos)
    }


def _spec(info: tf.TensorInfo, default: str | None) -> TensorSpec:
    shape = None
    if info.HasField("tensor_shape") and not info.tensor_shape.unknown_rank:
        shape = tuple(None if dim.size < 0 else dim.size for dim in info.tensor_shape.dim)
    return TensorSpec(fed_dtype_name(info.dtype), shape, default, info.name)


def _default(proto: tf.TensorProto) -> str:
    """A signature's default as the grammar writes it."""
    import numpy as np  # few signatures have defaults

    from pytest_tfserving.tensors import from_proto, nested

    try:
        array = from_proto(proto)
        if array.size > _MAX_DEFAULT_SIZE or array.dtype.kind == "c":
            return SOME_DEFAULT
        if array.dtype.kind == "O":
            return default_text(nested(array, lambda item: item.decode("utf-8")))
        if array.dtype.kind in "fV":  # a float's text is the shortest that tells it from its neighbours
            return default_text(array.astype(np.str_).astype(np.float64).tolist())
        return default_text(array.tolist())
    except (TensorError, UnicodeDecodeError):
        return SOME_DEFAULT
