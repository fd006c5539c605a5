"""How one shape differs from another, as far as who sends or reads it is concerned."""

from __future__ import annotations

from enum import Enum
from itertools import zip_longest

from pytest_tfserving.compatibility.renames import sizes
from pytest_tfserving.schema import Dimension, Range, TensorSpec


class ShapeChange(Enum):
    """One way in which a shape changed; a shape may have changed in several."""

    BATCH_FIXED = "the first dimension was open and is fixed"
    BATCH_OPENED = "the first dimension was fixed and is open"
    BATCH_LOST = "an open first dimension is gone, the others stayed"
    BATCH_GAINED = "an open first dimension came before the others"
    RANK = "another number of dimensions"
    SIZE = "a fixed size is another"
    NARROWED = "fewer sizes fit"
    WIDENED = "more sizes fit"


def shape_changes(old: TensorSpec, new: TensorSpec) -> list[ShapeChange]:
    """How the shape of `new` differs, what matters most first; nothing where all sizes of `old` and no others fit.

    Dimensions are compared as the sizes that they allow. An open dimension of an export says nothing of limits, so
    that it keeps those of a contract, `batch<=64`.
    """
    if old.shape is None or new.shape is None:
        if old.shape is new.shape:
            return []
        return [ShapeChange.NARROWED if old.shape is None else ShapeChange.WIDENED]
    if len(old.shape) != len(new.shape):
        return [_rank_change(sizes(old) or (), sizes(new) or ())]
    found = {
        _dimension_change(a, b, first=index == 0) for index, (a, b) in enumerate(zip_longest(old.shape, new.shape))
    }
    return [change for change in ShapeChange if change in found]


def _rank_change(old: tuple[int | None, ...], new: tuple[int | None, ...]) -> ShapeChange:
    if old[:1] == (None,) and old[1:] == new:
        return ShapeChange.BATCH_LOST
    if new[:1] == (None,) and new[1:] == old:
        return ShapeChange.BATCH_GAINED
    return ShapeChange.RANK


def _dimension_change(old: Dimension, new: Dimension, first: bool) -> ShapeChange | None:
    if isinstance(old, int) and isinstance(new, int):
        return None if old == new else ShapeChange.SIZE
    if isinstance(old, int):
        if isinstance(new, Range) and not new.holds(old):
            return ShapeChange.SIZE
        return ShapeChange.BATCH_OPENED if first else ShapeChange.WIDENED
    if isinstance(new, int):
        return ShapeChange.BATCH_FIXED if first else ShapeChange.NARROWED
    if new is None:
        return None
    (least, most), (low, high) = _limits(old), _limits(new)
    if low <= least and most <= high:
        return None if (low, high) == (least, most) else ShapeChange.WIDENED
    return ShapeChange.NARROWED


def _limits(dimension: Dimension) -> tuple[float, float]:
    if isinstance(dimension, Range):
        return dimension.at_least, float("inf") if dimension.at_most is None else dimension.at_most
    return 0, float("inf")
