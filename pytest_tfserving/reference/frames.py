"""What goes over the pipes: frames of one byte of kind, eight of length (little-endian), and a message."""

from __future__ import annotations

import struct
from typing import BinaryIO

REQUEST = b"q"  # PredictRequest; only its signature_name and inputs are looked at
READY = b"r"  # nothing: the SavedModel is loaded
ANSWER = b"a"  # PredictResponse
ERROR = b"e"  # StatusProto: the request has no answer
NOT_LOADED = b"l"  # StatusProto: the SavedModel cannot be loaded, and the process ends

HEAD = struct.Struct("<cQ")


def write_frame(stream: BinaryIO, kind: bytes, message: bytes) -> None:
    """Writes a frame, whole."""
    stream.write(HEAD.pack(kind, len(message)) + message)
    stream.flush()


def read_frame(stream: BinaryIO) -> tuple[bytes, bytes]:
    """The kind and the message of the next frame. Raises EOFError where the stream ends, before or within it."""
    head = stream.read(HEAD.size)
    if len(head) < HEAD.size:
        raise EOFError
    kind, length = HEAD.unpack(head)
    message = stream.read(length)
    if len(message) < length:
        raise EOFError
    return kind, message
