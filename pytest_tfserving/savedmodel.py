"""saved_model.pb -> ModelSchema, without TensorFlow.

The tags, the signatures and what a server would trip over later are read from the protos alone
(tensorflow/core/protobuf/saved_model.proto, meta_graph.proto).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

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
_MAX_SIZE = 2**31 - 1  # of a serialized message

# Operations that read a variable's value from variables/: resource variables (TF2) and reference variables (TF1).
VARIABLE_OPS = frozenset({"VarHandleOp", "VariableV2", "Variable"})


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


def read_saved_model(directory: Path) -> tf.SavedModel:
    """The message in saved_model.pb or saved_model.pbtxt; it has at least one graph.

    Raises ExportError where there is no such file, or it does not parse: it is damaged, empty, or of 2 GiB or more,
    which protobuf reads nowhere (and which is then not read into memory).
    """
    binary, text = directory / "saved_model.pb", directory / "saved_model.pbtxt"
    file = binary if binary.is_file() else text
    if not file.is_file():
        raise ExportError(f"no SavedModel in {directory}: neither saved_model.pb nor saved_model.pbtxt")
    size = file.stat().st_size
    if size > _MAX_SIZE:
        raise ExportError(
            f"{file} has {size} bytes, and protobuf parses no message of 2 GiB or more, so no server can load it. "
            f"Weights that are constants of the graph make it so large: keep them in variables, which are saved in "
            f"variables/, and export again"
        )
    try:
        if file == binary:
            saved_model = tf.SavedModel.FromString(binary.read_bytes())
        else:
            saved_model = _parse_text(text.read_bytes())
    except DecodeError as error:
        raise ExportError(
            f"{file} ({size} bytes) does not parse as a SavedModel: it is cut short or damaged "
            f"({error}). Copy the export whole, or export it again"
        ) from error
    except OSError as error:
        raise ExportError(f"{file} cannot be read: {error.strerror or error}") from error
    if not saved_model.meta_graphs:
        raise ExportError(f"{file} holds no graph: it is empty or cut short")
    return saved_model


def _parse_text(text: bytes) -> tf.SavedModel:
    from google.protobuf import text_format  # few exports are text

    try:
        return text_format.Parse(text, tf.SavedModel(), allow_unknown_field=True)
    except text_format.ParseError as error:
        raise DecodeError(str(error)) from error


def find_graph(saved_model: tf.SavedModel, tags: Collection[str], directory: Path) -> tf.MetaGraphDef:
    """The graph with exactly `tags`, in any order. Raises ExportError where none has them, naming those there are."""
    for graph in saved_model.meta_graphs:
        if set(graph.meta_info_def.tags) == set(tags):
            return graph
    sets = [f"{{{', '.join(graph.meta_info_def.tags)}}}" for graph in saved_model.meta_graphs]
    raise ExportError(f"no graph with tags {{{', '.join(tags)}}} in {directory}; it has {' and '.join(sets)}")


def asset_names(graph: tf.MetaGraphDef) -> list[str]:
    """The graph's files in assets/: TF2 lists them in a field, TF1 in a collection."""
    return list(asset_tensors(graph))


def asset_tensors(graph: tf.MetaGraphDef) -> dict[str, str]:
    """The same with the graph's tensor that the loader feeds each file's path to. Raises ExportError for damage."""
    listed = [any_.value for any_ in graph.collection_def["saved_model_assets"].any_list.value]
    try:
        assets = [*graph.asset_file_def, *map(tf.AssetFileDef.FromString, listed)]
    except DecodeError as error:
        raise ExportError(
            f"the collection saved_model_assets of the SavedModel does not parse: the file is damaged ({error}). Copy "
            f"the export whole, or export it again"
        ) from error
    return {asset.filename: asset.tensor_info.name for asset in assets}


def has_variables(graph: tf.MetaGraphDef) -> bool:
    """Whether the graph reads variables/: it has variables, and an op that restores them.

    TF1's builder writes none where the initialiser gives every variable its value, and then no variables/ either.
    """
    if not graph.saver_def.restore_op_name:
        return False
    functions = graph.graph_def.library.function
    return any(node.op in VARIABLE_OPS for node in graph.graph_def.node) or any(
        node.op in VARIABLE_OPS for function in functions for node in function.node_def
    )


def _checked_meta_graph(directory: Path, tags: Sequence[str]) -> tf.MetaGraphDef:
    saved_model = read_saved_model(directory)
    try:
        graph = find_graph(saved_model, tags, directory)
    except ExportError as error:
        first = saved_model.meta_graphs[0].meta_info_def.tags
        how = f"; name them: tags=({', '.join(map(repr, first))},) in a marker, --tags {','.join(first)} for a command"
        raise ExportError(f"{error}{how if first else ''}") from None
    if has_variables(graph):
        damage = checkpoint.find_damage(directory / "variables" / "variables")
        if damage:
            raise ExportError(
                f"the graph has variables, and {damage}; a server would load the model and fail at every predict. "
                f"Copy the export whole, or export it again"
            )
    for name in asset_names(graph):
        if not (directory / "assets" / name).is_file():
            raise ExportError(f"{directory / 'assets' / name} is missing; the graph reads it when it starts")
    return graph


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
