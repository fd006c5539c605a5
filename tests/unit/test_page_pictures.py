"""Pictures of the page: what models take and give, as data URLs."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from base64 import b64decode

import numpy as np
import pytest
from PIL import Image

from pytest_tfserving.report.page.pictures import SIDE, encoded_data_url, is_small, png_data_url

PIXELS = np.random.default_rng(0).integers(0, 256, (30, 40, 4), dtype=np.uint8)


def shown(url):
    """The picture of a data URL, and its kind."""
    head, data = url.split(",", 1)
    return Image.open(io.BytesIO(b64decode(data))), head.removeprefix("data:image/").removesuffix(";base64")


def file_of(mode, kind, size=(40, 30)):
    stream = io.BytesIO()
    picture = Image.fromarray(PIXELS).resize(size)
    (picture if mode == "RGBA" else picture.convert("RGB").convert(mode)).save(stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize("pixels", [PIXELS, PIXELS[:, :, :3], PIXELS[:, :, :1], PIXELS[:, :, 0], PIXELS[::2, ::-1, 0]])
def test_pixels(pixels):
    picture, kind = shown(png_data_url(pixels))
    assert kind == "png"
    np.testing.assert_array_equal(np.asarray(picture), pixels.squeeze())


@pytest.mark.parametrize("shape", [(300, 10, 3), (10, 5000), (2000, 2000)])
def test_large_ones_are_shrunk(shape):
    assert max(shown(png_data_url(np.zeros(shape, np.uint8)))[0].size) == SIDE


@pytest.mark.parametrize(
    ("url", "small"),
    [
        (png_data_url(np.zeros((28, 28), np.uint8)), True),
        (png_data_url(np.zeros((1, 95), np.uint8)), True),
        (png_data_url(np.zeros((28, 96), np.uint8)), False),
        (encoded_data_url(file_of("RGB", "JPEG")), False),
        ("data:image/png;base64,AAAA", False),
    ],
)
def test_small_ones(url, small):
    assert is_small(url) is small


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.zeros((8, 8), np.float32), "uint8, not float32"),
        (np.zeros((8, 8, 2), np.uint8), r"shape \[8, 8, 2\]"),
        (np.zeros((0, 8), np.uint8), r"shape \[0, 8\]"),
        (np.zeros((1, 8, 8, 3), np.uint8), r"shape \[1, 8, 8, 3\]"),
    ],
)
def test_no_picture(array, text):
    with pytest.raises(ValueError, match=text):
        png_data_url(array)


@pytest.mark.parametrize(
    ("mode", "kind", "as_kind"),
    [
        ("RGB", "PNG", "png"),
        ("1", "PNG", "png"),
        ("P", "PNG", "png"),
        ("L", "JPEG", "jpeg"),
        ("CMYK", "JPEG", "jpeg"),
        ("P", "GIF", "png"),
        ("RGB", "WEBP", "jpeg"),
        ("RGBA", "WEBP", "png"),
    ],
)
def test_files(mode, kind, as_kind):
    picture, found = shown(encoded_data_url(file_of(mode, kind)))
    assert (picture.size, found) == ((40, 30), as_kind)
    assert max(shown(encoded_data_url(file_of(mode, kind, (900, 300))))[0].size) == SIDE


def test_sixteen_bits():
    stream = io.BytesIO()
    Image.fromarray(PIXELS[:, :, 0].astype(np.uint16) * 257).save(stream, "PNG")
    np.testing.assert_array_equal(np.asarray(shown(encoded_data_url(stream.getvalue()))[0]), PIXELS[:, :, 0])


def test_nothing_but_the_picture_gets_in():
    stream = io.BytesIO()
    Image.fromarray(PIXELS).convert("RGB").save(stream, "JPEG", comment=b"taken at home", exif=b"Exif\x00\x00home")
    url = encoded_data_url(stream.getvalue() + b"<script>")
    assert b"home" not in b64decode(url.split(",")[1]) and b"script" not in b64decode(url.split(",")[1])


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_damaged_files(kind):
    whole = file_of("RGB", kind)
    assert encoded_data_url(whole[: len(whole) // 3]) is None
    for cut in range(0, len(whole), 61):  # nothing is raised, wherever a file ends or is wrong
        encoded_data_url(whole[:cut])
        encoded_data_url(whole[:cut] + b"\xff" + whole[cut + 1 :])


@pytest.mark.parametrize(
    "data", [b"", b"a word", b"%PDF-1.4", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"BM" + bytes(60)]
)
def test_other_files(data):
    assert encoded_data_url(data) is None


def test_bombs():
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    for side in (6_000, 10_000, 100_000):
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
        data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert encoded_data_url(data) is None
