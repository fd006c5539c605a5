"""All that lies in an export, read without TensorFlow: what `show` prints and lint judges.

It is read leniently: what is missing or damaged is said in the values, and only where nothing can be read is it an
error.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pytest_tfserving.checkpoint import Checkpoint, read_checkpoint
from pytest_tfserving.graph import Graph
from pytest_tfserving.savedmodel import (
    DEFAULT_TAGS,
    VARIABLE_OPS,
    asset_tensors,
    find_graph,
    has_variables,
    read_saved_model,
    schema_of,
)
from pytest_tfserving.schema import INIT_OP_SIGNATURE, ModelSchema, Signature
from pytest_tfserving.warmup_file import WARMUP_FILE
from pytest_tfserving.warmup_requests import WarmupContent, read_warmup_content
from pytest_tfserving.wire import tensorflow_pb2 as tf

# Where TF1's builder names the initialiser, the newer first (tensorflow/cc/saved_model/loader_util.cc, GetInitOp).
_INIT_COLLECTIONS = ("saved_model_main_op", "legacy_init_op")


@dataclass(frozen=True)
class File:
    """A file by its path below the directory; `size` in bytes, None where it is missing."""

    name: str
    size: int | None


@dataclass(frozen=True)
class Inspection:
    """One graph of an export, and the files around it.

    `tag_sets` are those of all graphs in the file, `tags` those of this one. `tensorflow_version` wrote it. `ops`
    counts the nodes of the graph and of its functions by op; `loaded_ops` are those that a server must know to load
    it, `init_ops` those that run when it does. `needs_variables` says whether the graph reads variables/;
    `checkpoint` is what it holds. `loaded_variables` are those that get a value when the model is loaded, from there or
    from the initialiser. `assets` are the files in assets/ that the graph names.
    """

    directory: Path
    tag_sets: tuple[tuple[str, ...], ...]
    tags: tuple[str, ...]
    tensorflow_version: str
    schema: ModelSchema
    ops: Mapping[str, int]
    loaded_ops: frozenset[str]
    init_ops: frozenset[str]
    needs_variables: bool
    loaded_variables: frozenset[str]
    checkpoint: Checkpoint
    assets: tuple[File, ...]
    files: tuple[File, ...]
    warmup: WarmupContent | None
    graph: Graph = field(repr=False, compare=False)

    def ops_of(self, signature: Signature) -> frozenset[str]:
        """The ops that run at a request of the signature."""
        return self.ops_behind(signature, (spec.tensor_name for spec in signature.outputs.values()))

    def ops_behind(self, signature: Signature, tensors: Iterable[str]) -> frozenset[str]:
        """The ops that run for some of the tensors, when the signature's inputs are fed."""
        return self.graph.ops_behind(tensors, (spec.tensor_name for spec in signature.inputs.values()))

    def variables_of(self, signature: Signature) -> frozenset[str]:
        """The variables that a request of the signature reads or writes, as the graph calls them."""
        fetched, fed = ([spec.tensor_name for spec in side.values()] for side in (signature.outputs, signature.inputs))
        return self.graph.names_behind(VARIABLE_OPS, fetched, fed)

    @cached_property
    def served_ops(self) -> frozenset[str]:
        """The ops that run at requests of any signature."""
        return frozenset().union(*(self.graph.ops_behind(fetched, fed) for fed, fetched in self._requests.items()))

    @cached_property
    def served_variables(self) -> frozenset[str]:
        """The variables that requests of any signature read or write."""
        return frozenset().union(
            *(self.graph.names_behind(VARIABLE_OPS, fetched, fed) for fed, fetched in self._requests.items())
        )

    @cached_property
    def _requests(self) -> Mapping[frozenset[str], Collection[str]]:
        """The tensors that signatures fetch, by those that they feed.

        One walk for all signatures with the same inputs: of thousands that share a graph, each would walk all of it.
        """
        fetched: dict[frozenset[str], set[str]] = {}
        for signature in self.schema.callable_signatures.values():
            fed = frozenset(spec.tensor_name for spec in signature.inputs.values())
            fetched.setdefault(fed, set()).update(spec.tensor_name for spec in signature.outputs.values())
        return fetched

    @property
    def size(self) -> int:
        """The bytes of all files."""
        return sum(file.size or 0 for file in self.files)


def inspect(directory: Path, tags: Collection[str] | None = DEFAULT_TAGS) -> Inspection:
    """Reads the SavedModel in `directory`, the graph with exactly `tags`, in any order.

    With None it is the graph that a server takes, or the only one there is. Raises ExportError where there is no
    SavedModel, it does not parse, or no graph has the tags.
    """
    saved_model = read_saved_model(directory)
    if tags is None:
        only = saved_model.meta_graphs[0].meta_info_def.tags if len(saved_model.meta_graphs) == 1 else None
        tags = DEFAULT_TAGS if only is None else tuple(only)
    meta_graph = find_graph(saved_model, tags, directory)
    graph = Graph(meta_graph)
    assets = asset_tensors(meta_graph)
    initialisers = _initialisers(meta_graph)
    return Inspection(
        directory=directory,
        tag_sets=tuple(tuple(other.meta_info_def.tags) for other in saved_model.meta_graphs),
        tags=tuple(meta_graph.meta_info_def.tags),
        tensorflow_version=meta_graph.meta_info_def.tensorflow_version,
        schema=schema_of(meta_graph.signature_def),
        ops=graph.count_ops(),
        loaded_ops=graph.loaded_ops(),
        init_ops=graph.ops_behind(initialisers, assets.values()),
        needs_variables=has_variables(meta_graph),
        loaded_variables=graph.names_behind(VARIABLE_OPS, [meta_graph.saver_def.restore_op_name, *initialisers]),
        checkpoint=read_checkpoint(directory / "variables" / "variables"),
        assets=tuple(File(name, _size(directory / "assets" / name)) for name in sorted(assets)),
        files=tuple(_files(directory)),
        warmup=read_warmup_content(directory / WARMUP_FILE),
        graph=graph,
    )


def _initialisers(graph: tf.MetaGraphDef) -> list[str]:
    if INIT_OP_SIGNATURE in graph.signature_def:
        return [info.name for info in graph.signature_def[INIT_OP_SIGNATURE].outputs.values()]
    for name in _INIT_COLLECTIONS:
        if name in graph.collection_def:
            return list(graph.collection_def[name].node_list.value)
    return []


def _size(file: Path) -> int | None:
    try:
        return file.stat().st_size if file.is_file() else None
    except OSError:
        return None


def _files(directory: Path) -> list[File]:
    found = []
    for folder, _, names in os.walk(directory):
        found += [Path(folder, name) for name in names]
    return [File(file.relative_to(directory).as_posix(), _size(file)) for file in sorted(found)]
