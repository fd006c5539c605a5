"""Pictures as data URLs, at most 256 pixels a side, made by Pillow (extra `report`), which is imported here alone."""

from __future__ import annotations

import io
import warnings
from base64 import b64decode, b64encode
from typing import Any

import numpy as np

SIDE = 256

# Of a file with more pixels than that nothing is decoded: 100 MB as RGBA. A few hundred bytes can claim billions.
_MOST_PIXELS = 25_000_000

_KINDS = ((b"\x89PNG\r\n\x1a\n", "PNG"), (b"\xff\xd8\xff", "JPEG"), (b"GIF8", "GIF"))


def png_data_url(array: np.ndarray[Any, Any]) -> str:
    """A `data:image/png` URL of uint8 pixels: [h, w] or [h, w, 1] grey, [h, w, 3] RGB, [h, w, 4] RGBA.

    Raises ValueError for any other dtype or shape, and for pictures without pixels.
    """
    from PIL import Image

    if array.dtype != np.uint8:
        raise ValueError(f"pixels are uint8, not {array.dtype}")
    pixels = array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array
    if not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (3, 4))) or not pixels.size:
        raise ValueError(f"no picture has the shape {list(array.shape)}")
    return _data_url(Image.fromarray(np.ascontiguousarray(pixels)), "PNG")


def encoded_data_url(data: bytes) -> str | None:
    """A data URL of what a PNG, JPEG, GIF or WebP file shows, of an animation the first picture.

    The file is told by its first bytes and encoded anew, so nothing else that it carries gets into the page. None for
    other files, damaged ones, and those of more than 25 million pixels.
    """
    from PIL import Image

    kind = kind_of(data)
    if kind is None:
        return None
    try:
        # Pillow warns of what it takes for a bomb, and of odd metadata.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=[kind]) as picture:
                if picture.width * picture.height > _MOST_PIXELS:
                    return None
                picture.draft("RGB", (SIDE, SIDE))  # JPEG alone: decodes no more than is shown
                # Before shades are converted: of 16 bits `convert` would keep the low ones.
                deep = picture.mode.startswith("I")
                shown = picture.point(lambda value: value / 256).convert("L") if deep else _plain(picture)
                return _data_url(shown, "PNG" if kind in ("PNG", "GIF") or shown.mode == "RGBA" else "JPEG")
    except Exception:  # decoders raise nearly anything of damaged files: OSError, SyntaxError, struct.error, IndexError
        return None


def is_small(url: str) -> bool:
    """Whether a data URL is of a PNG of so few pixels that a page should show each of them."""
    head = "data:image/png;base64,"
    start = b64decode(url[len(head) : len(head) + 32] + "==") if url.startswith(head) else b""
    return len(start) == 24 and int.from_bytes(start[16:20], "big") < 96  # the width, first in the first chunk


def kind_of(data: bytes) -> str | None:
    """PNG, JPEG, GIF or WEBP by the first bytes of a file; None for any other."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    return next((kind for start, kind in _KINDS if data.startswith(start)), None)


def _plain(picture: Any) -> Any:
    """Grey, RGB or RGBA, whatever it was (palette, CMYK, 1 bit)."""
    if picture.mode in ("L", "RGB", "RGBA"):
        return picture
    if picture.mode == "1":
        return picture.convert("L")
    return picture.convert("RGBA" if picture.has_transparency_data else "RGB")


def _data_url(picture: Any, kind: str) -> str:
    picture.thumbnail((SIDE, SIDE))
    picture.info = {}  # a comment would be written again
    stream = io.BytesIO()
    picture.save(stream, kind, optimize=True)
    return f"data:image/{kind.lower()};base64,{b64encode(stream.getvalue()).decode()}"
