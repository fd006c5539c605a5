"""TFRecord files, read and written without TensorFlow, one record in memory at a time.

A record is its length (8 bytes, little-endian), a checksum of these, the data, and a checksum of the data
(tensorflow/core/lib/io/record_writer.cc). The checksum is CRC-32C, masked (tensorflow/core/lib/hash/crc32c.h).
"""

from __future__ import annotations

import os
import struct
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import BinaryIO, NamedTuple

_HEADER = struct.Struct("<QI")
_FOOTER = struct.Struct("<I")
_GZIP = b"\x1f\x8b"


class Record(NamedTuple):
    """One record: its number from 1, where it begins in the file, its data, and the masked checksum of these."""

    number: int
    offset: int
    data: bytes
    checksum: int


class DamagedRecordError(Exception):
    """A record that cannot be read: the file ends inside it, or a checksum is not its data's. `at` is what is wrong.

    What was read before it is as it was written; what lies behind it cannot be found, or not be trusted.
    """

    def __init__(self, number: int, offset: int, kind: str, at: str) -> None:
        super().__init__(f"record {number} at offset {offset} {at}")
        self.number = number
        self.offset = offset
        self.kind = kind  # `truncated`, `length` or `data`: the checksum of either


def read_records(file: Path) -> Iterator[Record]:
    """The records of a file, in order. Raises OSError, and DamagedRecordError at the first that is damaged."""
    with file.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        number, offset = 1, 0
        while record := _read(stream, size, number, offset):
            yield record
            number, offset = number + 1, offset + _HEADER.size + len(record.data) + _FOOTER.size


def read_record(file: Path, number: int, offset: int) -> Record:
    """The record that begins at `offset`, as read_records gave it. Raises OSError, and DamagedRecordError."""
    with file.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        stream.seek(offset)
        record = _read(stream, size, number, offset)
    if record is None:
        raise DamagedRecordError(number, offset, "truncated", "is not there any more")
    return record


def write_records(stream: BinaryIO, records: Iterable[bytes]) -> int:
    """Writes records as TensorFlow's TFRecordWriter does, byte for byte; how many there were."""
    count = 0
    for data in records:
        length = struct.pack("<Q", len(data))
        stream.write(length + _FOOTER.pack(masked_crc32c(length)))
        stream.write(data)
        stream.write(_FOOTER.pack(masked_crc32c(data)))
        count += 1
    return count


def masked_crc32c(data: bytes) -> int:
    """The checksum of a TFRecord file."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def crc32c(data: bytes) -> int:
    """The CRC-32C (Castagnoli) of some bytes."""
    return _implementation()(data)


@cache
def _implementation() -> Callable[[bytes], int]:
    with warnings.catch_warnings():
        # Where there is no compiled code for a machine it is Python's, slower and as right.
        warnings.simplefilter("ignore", RuntimeWarning)
        import google_crc32c  # few runs meet such a file

    value: Callable[[bytes], int] = google_crc32c.value
    return value


def _read(stream: BinaryIO, size: int, number: int, offset: int) -> Record | None:
    """The record at `offset`, where the stream stands; None at the file's end."""
    header = stream.read(_HEADER.size)
    if not header:
        return None
    if len(header) < _HEADER.size:
        raise DamagedRecordError(number, offset, "truncated", f"is cut off after {len(header)} bytes")
    length, checksum = _HEADER.unpack(header)
    if masked_crc32c(header[:8]) != checksum:
        if header.startswith(_GZIP):
            reason = "is gzip: uncompress the file first"
        else:
            reason = "has another length than was written (checksum mismatch)"
            reason += "; is this a TFRecord file?" if number == 1 else ""
        raise DamagedRecordError(number, offset, "length", reason)
    whole = _HEADER.size + length + _FOOTER.size
    if size - offset < whole:  # before anything is read: a length is no reason to take that much memory
        raise DamagedRecordError(
            number, offset, "truncated", f"is cut off: it has {whole} bytes, and the file ends after {size - offset}"
        )
    data = stream.read(length)
    footer = stream.read(_FOOTER.size)
    if len(data) < length or len(footer) < _FOOTER.size:
        raise DamagedRecordError(number, offset, "truncated", "was cut off while it was read")
    if masked_crc32c(data) != _FOOTER.unpack(footer)[0]:
        raise DamagedRecordError(
            number, offset, "data", f"has other data than were written: {length} bytes, checksum mismatch"
        )
    return Record(number, offset, data, _FOOTER.unpack(footer)[0])
