"""Exports made of the half_plus_two example by editing its files: other variables, other names."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable
from pathlib import Path

from pytest_tfserving.tfrecord import masked_crc32c
from pytest_tfserving.varint import read_varint
from pytest_tfserving.wire import tensorflow_pb2 as tf

_FOOTER = 48


def half_plus_two(
    target: Path,
    examples: Path,
    a: float = 0.5,
    b: float = 2.0,
    edit: Callable[[dict[str, tf.SignatureDef]], object] = lambda signatures: None,
) -> Path:
    """The example at `target`, as y = a * x + b; `edit` changes its signatures."""
    shutil.copytree(examples / "half_plus_two" / "exports" / "half_plus_two" / "1", target)
    set_variables(target, a, b)
    file = target / "saved_model.pb"
    saved_model = tf.SavedModel.FromString(file.read_bytes())
    edit(saved_model.meta_graphs[0].signature_def)
    file.write_bytes(saved_model.SerializeToString())
    return target


def set_variables(export: Path, *values: float) -> None:
    """Writes the first variables of an export, floats, with the checksums that TensorFlow looks at."""
    data = export / "variables" / "variables.data-00000-of-00001"
    index = export / "variables" / "variables.index"
    content, table = data.read_bytes(), bytearray(index.read_bytes())
    places = [slice(4 * number, 4 * number + 4) for number in range(len(values))]
    entries = [table.index(_checksum_of(content[place])) for place in places]
    for place, entry, value in zip(places, entries, values, strict=True):
        new = struct.pack("<f", value)
        content = content[: place.start] + new + content[place.stop :]
        table[entry : entry + 5] = _checksum_of(new)
    # The block of the entries comes first, the one of the footer's first handle next; between them are a byte of the
    # compression and the block's checksum.
    next_block, _ = read_varint(bytes(table[-_FOOTER:]), 0)
    block = bytes(table[: next_block - 4])
    table[len(block) : len(block) + 4] = struct.pack("<I", masked_crc32c(block))
    data.write_bytes(content)
    index.write_bytes(table)


def _checksum_of(variable: bytes) -> bytes:
    """The last field of a variable's BundleEntryProto (tensorflow/core/protobuf/tensor_bundle.proto): a fixed32, 6."""
    return b"\x35" + struct.pack("<I", masked_crc32c(variable))
