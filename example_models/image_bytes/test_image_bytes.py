"""What clients of image_bytes rely on: files in, files out, over JSON too."""

import struct
import zlib

import pytest

from pytest_tfserving import Code, RequestError

pytestmark = pytest.mark.tfserving("exports/image_bytes")

RED, WHITE = (255, 0, 0), (255, 255, 255)


def png(colour, width, height):
    """A picture of one colour as a PNG file: eight bits, RGB."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    lines = (b"\0" + bytes(colour) * width) * height
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(lines)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def size(picture):
    """Width and height, from the header that every PNG begins with."""
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", picture[16:24])


@pytest.mark.tfserving_signature(
    "serving_default",
    inputs={"image_bytes": "string[batch]"},
    outputs={"thumbnail_bytes": "string[batch]", "brightness": "float32[batch]"},
)
def test_signature(tfserving): ...


@pytest.mark.tfserving_golden("goldens/image_bytes", rtol=1e-5)
def test_goldens(): ...


def test_thumbnails_are_pngs_of_one_size(tfserving_rest, tfserving_grpc):
    pictures = [png(RED, 40, 30), png(WHITE, 1, 1)]
    over_rest = tfserving_rest.predict(inputs={"image_bytes": pictures})
    over_grpc = tfserving_grpc.predict(inputs={"image_bytes": pictures})
    assert [size(thumbnail) for thumbnail in over_rest["thumbnail_bytes"]] == [(8, 8), (8, 8)]
    assert over_rest["brightness"].tolist() == pytest.approx([1 / 3, 1.0])
    # Bytes that are not text survive JSON unchanged.
    assert over_rest["thumbnail_bytes"].tolist() == over_grpc["thumbnail_bytes"].tolist()


def test_what_is_no_picture_is_refused(tfserving_rest, tfserving_grpc):
    for client in (tfserving_rest, tfserving_grpc):
        with pytest.raises(RequestError, match="Unknown image file format") as refused:
            client.predict(inputs={"image_bytes": [b"GIF? no"]})
        assert refused.value.code is Code.INVALID_ARGUMENT
