"""TFRecord files: as TensorFlow writes them byte for byte, and what is said of damaged ones."""

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_tfserving.tfrecord import (
    DamagedRecordError,
    masked_crc32c,
    read_record,
    read_records,
    write_records,
)

# What tf.io.TFRecordWriter of TensorFlow 2.21 writes for b"", b"a" and b"hello".
OFFICIAL = bytes.fromhex(
    "0000000000000000" "29039807" "" "d8ea82a2"
    "0100000000000000" "0175de41" "61" "786ee428"
    "0500000000000000" "eab2043e" "68656c6c6f" "bb1f1c19"
)  # fmt: skip
LAST = 16 + 17  # where the third record begins


def written(*records):
    stream = io.BytesIO()
    write_records(stream, records)
    return stream.getvalue()


def read(tmp_path, content):
    file = tmp_path / "log.tfrecord"
    file.write_bytes(content)
    return list(read_records(file))


def damage(tmp_path, content):
    """The records before the damage, and the damage."""
    file = tmp_path / "log.tfrecord"
    file.write_bytes(content)
    found = []
    with pytest.raises(DamagedRecordError) as caught:
        for record in read_records(file):
            found.append(record.data)
    return found, caught.value


@pytest.mark.parametrize(
    ("data", "crc"),
    [(bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (bytes(range(32)), 0x46DD794E), (b"123456789", 0xE3069283)],
    ids=["zeros", "ones", "rising", "check"],
)
def test_the_checksum_is_crc32c_masked(data, crc):
    """RFC 3720, B.4, and the catalogue's check value."""
    rotated = (crc >> 15 | crc << 17) & 0xFFFFFFFF
    assert masked_crc32c(data) == (rotated + 0xA282EAD8) & 0xFFFFFFFF


def test_records_are_written_as_tensorflow_writes_them():
    assert written(b"", b"a", b"hello") == OFFICIAL


def test_records_are_read_with_their_numbers_and_places(tmp_path):
    records = read(tmp_path, OFFICIAL)
    assert [(r.number, r.offset, r.data) for r in records] == [(1, 0, b""), (2, 16, b"a"), (3, LAST, b"hello")]
    assert read_record(tmp_path / "log.tfrecord", 3, LAST) == records[2]


def test_an_empty_file_has_no_record(tmp_path):
    assert read(tmp_path, b"") == []


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_what_is_written_is_read(tmp_path_factory, records):
    assert [record.data for record in read(tmp_path_factory.mktemp("r"), written(*records))] == records


def flipped(content, position):
    return content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]


@pytest.mark.parametrize(
    ("content", "before", "message"),
    [
        (OFFICIAL[:-1], 2, "record 3 at offset 33 is cut off: it has 21 bytes, and the file ends after 20"),
        (OFFICIAL[: LAST + 12], 2, "record 3 at offset 33 is cut off: it has 21 bytes, and the file ends after 12"),
        (OFFICIAL[: LAST + 7], 2, "record 3 at offset 33 is cut off after 7 bytes"),
        (flipped(OFFICIAL, LAST + 14), 2, "record 3 at offset 33 has other data than were written: 5 bytes, checksum mismatch"),
        (flipped(OFFICIAL, LAST + 18), 2, "record 3 at offset 33 has other data than were written: 5 bytes, checksum mismatch"),
        (flipped(OFFICIAL, LAST), 2, "record 3 at offset 33 has another length than was written (checksum mismatch)"),
        (flipped(OFFICIAL, LAST + 9), 2, "record 3 at offset 33 has another length than was written (checksum mismatch)"),
        (b"[1, 2, 3] is JSON", 0,
         "record 1 at offset 0 has another length than was written (checksum mismatch); is this a TFRecord file?"),
        (b"\x1f\x8b\x08\x00" + bytes(20), 0, "record 1 at offset 0 is gzip: uncompress the file first"),
    ],
    ids=["last byte", "data", "header", "data flipped", "its checksum", "length flipped", "its checksum too",
         "no TFRecord", "gzip"],
)  # fmt: skip
def test_damage_is_said_with_its_place_and_hides_nothing_before_it(tmp_path, content, before, message):
    found, problem = damage(tmp_path, content)
    assert (found, str(problem)) == ([b"", b"a", b"hello"][:before], message)


@given(st.data())
def test_no_flipped_bit_and_no_cut_goes_unseen(tmp_path_factory, data):
    content = written(b"abc", b"", bytes(40))
    position = data.draw(st.integers(0, len(content) - 1))
    bit = data.draw(st.integers(0, 7))
    bad = content[:position] + bytes([content[position] ^ 1 << bit]) + content[position + 1 :]
    damage(tmp_path_factory.mktemp("r"), bad)
    if position not in (0, 16 + 3, 2 * 16 + 3):  # where a record ends is where a file may
        damage(tmp_path_factory.mktemp("r"), content[:position])


def test_a_length_that_no_file_has_takes_no_memory(tmp_path):
    length = struct.pack("<Q", 2**62)
    _, problem = damage(tmp_path, length + struct.pack("<I", masked_crc32c(length)))
    assert problem.kind == "truncated"


def test_a_record_that_is_gone_is_said(tmp_path):
    read(tmp_path, OFFICIAL)
    with pytest.raises(DamagedRecordError, match=r"record 4 at offset 54 is not there any more"):
        read_record(tmp_path / "log.tfrecord", 4, len(OFFICIAL))
