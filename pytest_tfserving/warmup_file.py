"""An export's warm-up file: the records that a server replays before the version becomes available.

`<version>/assets.extra/tf_serving_warmup_requests` is a TFRecord file of PredictionLogs
(tensorflow_serving/apis/prediction_log.proto); rules and texts are those of
servables/tensorflow/saved_model_warmup_util.cc and saved_model_warmup.cc.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pytest_tfserving.errors import Code
from pytest_tfserving.tfrecord import DamagedRecordError, read_records
from pytest_tfserving.varint import read_varint

WARMUP_FILE = Path("assets.extra", "tf_serving_warmup_requests")
MOST_RECORDS = 1000

# PredictionLog's oneof, by field number: each log holds the request in its field 1.
_METHODS = {2: "Classify", 3: "Regress", 4: "MultiInference", 6: "Predict"}
_UNSUPPORTED = (5, 7)


class WarmupError(Exception):
    """A file that fails the load whatever the model is, with the code and text of the server."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Warmup(NamedTuple):
    """One request: the method of PredictionService, the request's bytes, and the record that it came in."""

    method: str
    request: bytes
    record: bytes


def read_warmups(file: Path) -> Iterator[tuple[Warmup, ...]]:
    """The requests of each record, in order: one, or none. Raises OSError, and WarmupError where a server would stop.

    A server counts a record after it ran it, so the one beyond MOST_RECORDS comes before the error.
    """
    for count, record in enumerate(_records(file), 1):
        requests = []
        for field, log in _fields(record, file):
            if field in _UNSUPPORTED:
                raise WarmupError(Code.UNIMPLEMENTED, f"Unsupported log_type for warmup: {field}")
            if field in _METHODS:  # not log_metadata
                request = b"".join(content for number, content in _fields(log, file) if number == 1)
                requests.append(Warmup(_METHODS[field], request, record))
        yield tuple(requests)
        if count > MOST_RECORDS:
            raise WarmupError(
                Code.INVALID_ARGUMENT, f"Number of warmup records exceeds the maximum ({MOST_RECORDS}) at {file}"
            )


def unparsable(record: bytes, file: Path) -> WarmupError:
    """What a server says of a record that it cannot parse."""
    text = record.decode("utf-8", "surrogateescape")
    return WarmupError(Code.INVALID_ARGUMENT, f"Failed to parse warmup record: {text} from {file}")


def _records(file: Path) -> Iterator[bytes]:
    try:
        for record in read_records(file):
            yield record.data
    except DamagedRecordError as damaged:
        at = damaged.offset
        what = {
            "truncated": f"truncated record at {at}",
            "length": f"corrupted record at {at} (Is this even a TFRecord file?)",
            "data": f"corrupted record at {at}",
        }[damaged.kind]
        raise WarmupError(Code.DATA_LOSS, f"{what}. Please verify your warmup data is in TFRecord format.") from damaged


def _fields(message: bytes, file: Path) -> Iterator[tuple[int, bytes]]:
    """A message's fields by number. All fields of PredictionLog and of its logs are messages."""
    position = 0
    try:
        while position < len(message):
            tag, position = read_varint(message, position)
            length, position = read_varint(message, position)
            if tag & 7 != 2 or position + length > len(message):
                raise IndexError
            yield tag >> 3, message[position : position + length]
            position += length
    except IndexError:
        raise unparsable(message, file) from None
