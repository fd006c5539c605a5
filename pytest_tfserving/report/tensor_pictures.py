"""Which tensors are pictures, and what they show; page/pictures.py encodes it, with Pillow (extra `report`)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pytest_tfserving.report.page.pictures import encoded_data_url, png_data_url
from pytest_tfserving.tensors import Array

_CHANNELS = (1, 3, 4)
_SMALLEST = 8  # pixels a side: below that three columns of numbers are as likely


def picture_of(array: Array, name: str) -> str | None:
    """A data URL of one input's entry, or None where that is no picture.

    A picture is uint8, or float from 0 to 1 or to 255, of shape [h, w, 1, 3 or 4]; or an encoded file in a string; or
    a square in a flat row, of an input whose name says that it is one.
    """
    if array.dtype == object:
        return _encoded(array)
    side = math.isqrt(array.size)
    if array.ndim == 1 and side**2 == array.size and any(word in name.lower() for word in ("image", "pixel")):
        array = array.reshape(side, side, 1)
    scale = _scale(array) if _has_pixels(array, grey=False) else None
    return None if scale is None else png_data_url(_pixels(array, scale))


def pictures_of(expected: Array, served: Array, *, grey: bool) -> dict[str, str] | None:
    """Data URLs of what was expected, what was served, and how far they are apart (white where farthest).

    None where they are no pictures; with `grey` those of shape [h, w] are. Of encoded files the last one is left out,
    and one that is damaged.
    """
    if expected.dtype == object:
        sides = {"expected": _encoded(expected), "served": _encoded(served)}
        return {side: url for side, url in sides.items() if url} or None
    scale = _scale(expected) if _has_pixels(expected, grey) else None
    if scale is None:
        return None
    with np.errstate(all="ignore"):
        apart = np.abs(np.nan_to_num(_wide(served) - _wide(expected)))
    if apart.ndim == 3:
        apart = apart[:, :, :3].max(axis=2)
    farthest = float(apart.max())
    return {
        "expected": png_data_url(_pixels(expected, scale)),
        "served": png_data_url(_pixels(served, scale)),
        "difference": png_data_url((apart / (farthest or 1.0) * 255).astype(np.uint8)),
    }


def _encoded(array: Array) -> str | None:
    """What the picture's file in a lone string shows."""
    return encoded_data_url(array.item()) if array.size == 1 and isinstance(array.item(), bytes) else None


def _has_pixels(array: Array, grey: bool) -> bool:
    shaped = (array.ndim == 3 and array.shape[2] in _CHANNELS) or (grey and array.ndim == 2)
    return shaped and min(array.shape[:2]) >= _SMALLEST


def _wide(array: Array) -> Any:
    return array.astype(np.float64)


def _scale(array: Array) -> float | None:
    """What a value is multiplied by to be a shade from 0 to 255; None where the values are no shades."""
    if array.dtype == np.uint8:
        return 1.0
    if array.dtype.kind not in "fV" or not array.size:
        return None
    values = _wide(array)
    lowest, highest = float(values.min()), float(values.max())  # NaN is in no range
    if not (lowest >= 0 and highest <= 255):
        return None
    return 255.0 if highest <= 1 else 1.0


def _pixels(array: Array, scale: float) -> Array:
    shades: Array = (np.nan_to_num(np.clip(_wide(array), 0, 255 / scale)) * scale).round().astype(np.uint8)
    return shades
