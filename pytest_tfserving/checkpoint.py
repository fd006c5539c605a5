"""Reads the index of a checkpoint, to know what variables there are and what its shards must hold.

variables.index is a LevelDB table (leveldb/doc/table_format.md): blocks of prefix-compressed keys, an index block of
handles to them, and a footer of 48 bytes. Its values are BundleHeaderProto under the empty key and one
BundleEntryProto a tensor (tensorflow/core/protobuf/tensor_bundle.proto). TensorFlow writes the blocks uncompressed
today; older exports, such as those of TF Serving's own tests, have them compressed with snappy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError

from pytest_tfserving import snappy
from pytest_tfserving.dtypes import dtype_name
from pytest_tfserving.varint import read_varint
from pytest_tfserving.wire import tensorflow_pb2 as tf

_FOOTER_SIZE = 48
_PLAIN, _SNAPPY = 0, 1

# Keys of a TF2 checkpoint: the graph of objects that it was made of, and what follows a variable's name there.
_OBJECT_GRAPH = b"_CHECKPOINTABLE_OBJECT_GRAPH"
_TF2_SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"

_MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")


@dataclass(frozen=True)
class Variable:
    """One tensor of a checkpoint. `size` is in bytes; `shape` None where its rank is unknown."""

    name: str
    dtype: str
    shape: tuple[int, ...] | None
    size: int


@dataclass(frozen=True)
class Checkpoint:
    """What an index lists, the bytes of all variables, and what is missing, as a sentence; None where nothing is."""

    variables: tuple[Variable, ...]
    size: int
    damage: str | None


def find_damage(prefix: Path) -> str | None:
    """What is missing of the checkpoint `prefix`.index with its shards, as a sentence; None where nothing is.

    Sizes are compared, contents are not: a shard that is as long as its index says is taken to be whole.
    """
    return read_checkpoint(prefix).damage


def read_checkpoint(prefix: Path) -> Checkpoint:
    """The checkpoint `prefix`.index, damaged or not; of a damaged index nothing is listed."""
    index = prefix.with_name(prefix.name + ".index")
    if not index.is_file():
        return Checkpoint((), 0, f"{index} is missing")
    try:
        table = dict(_entries(index.read_bytes()))
        shards = tf.BundleHeaderProto.FromString(table.pop(b"")).num_shards
        entries = {key: tf.BundleEntryProto.FromString(value) for key, value in table.items()}
        needed: dict[int, int] = {}  # no list: damage may have made any number of the count of shards
        for entry in entries.values():
            if not 0 <= entry.shard_id < shards:
                raise ValueError("a shard beyond the last")
            needed[entry.shard_id] = max(needed.get(entry.shard_id, 0), entry.offset + entry.size)
    except (ValueError, IndexError, KeyError, DecodeError):
        return Checkpoint((), 0, f"{index} is cut short or damaged")
    variables = tuple(_variable(key, entry) for key, entry in entries.items() if _names_variable(key))
    return Checkpoint(
        variables,
        sum(entry.size for key, entry in entries.items() if key != _OBJECT_GRAPH),
        _find_short_shard(prefix, shards, needed),
    )


def _find_short_shard(prefix: Path, shards: int, needed: Mapping[int, int]) -> str | None:
    for shard in range(shards):
        data = prefix.with_name(f"{prefix.name}.data-{shard:05}-of-{shards:05}")
        if not data.is_file():
            return f"{data} is missing"
        size = needed.get(shard, 0)
        if data.stat().st_size < size:
            return f"{data} is cut short: {data.stat().st_size} bytes, its index needs {size}"
    return None


def _names_variable(key: bytes) -> bool:
    # A part of a partitioned variable has a key of its own, which begins with a zero (EncodeTensorNameSlice of
    # tensor_bundle); the whole variable is listed too.
    return key != _OBJECT_GRAPH and not key.startswith(b"\0")


def _variable(key: bytes, entry: tf.BundleEntryProto) -> Variable:
    name = key.decode("utf-8", "backslashreplace").removesuffix(_TF2_SUFFIX)
    shape = None if entry.shape.unknown_rank else tuple(dim.size for dim in entry.shape.dim)
    return Variable(name, dtype_name(entry.dtype), shape, entry.size)


def _entries(table: bytes) -> Iterator[tuple[bytes, bytes]]:
    if len(table) < _FOOTER_SIZE or not table.endswith(_MAGIC):
        raise ValueError("no table footer")
    footer = table[-_FOOTER_SIZE:]
    position = 0
    for _ in range(2):  # the handle of the meta-index block comes first; nothing in it matters here
        _, position = read_varint(footer, position)
    offset, position = read_varint(footer, position)
    size, _ = read_varint(footer, position)
    for _, handle in _block(table, offset, size):
        block_offset, position = read_varint(handle, 0)
        block_size, _ = read_varint(handle, position)
        yield from _block(table, block_offset, block_size)


def _block(table: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    block = table[offset : offset + size]
    compression = table[offset + size]  # the byte after a block
    if len(block) != size or compression not in (_PLAIN, _SNAPPY):
        raise ValueError("block out of bounds or compressed in an unknown way")
    if compression == _SNAPPY:
        block = snappy.decompress(block)
    restarts = int.from_bytes(block[-4:], "little")
    end, position, key = len(block) - 4 - 4 * restarts, 0, b""
    while position < end:
        shared, position = read_varint(block, position)
        unshared, position = read_varint(block, position)
        length, position = read_varint(block, position)
        key = key[:shared] + block[position : position + unshared]
        position += unshared
        yield key, block[position : position + length]
        position += length
