"""How one shape differs from another, as far as who sends or reads it is concerned."""

from __future__ import annotations

from enum import Enum

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
    found: set[ShapeChange] = set()
    for index, (before, after) in enumerate(zip(old.shape, new.shape, strict=True)):
        found |= _dimension_changes(before, after, first=index == 0)
    return [change for change in ShapeChange if change in found]


def _rank_change(old: tuple[int | None, ...], new: tuple[int | None, ...]) -> ShapeChange:
    had, has = old[:1] == (None,), new[:1] == (None,)  # an open dimension that is still first is still the batch
    if had and not has and old[1:] == new:
        return ShapeChange.BATCH_LOST
    if has and not had and new[1:] == old:
        return ShapeChange.BATCH_GAINED
    return ShapeChange.RANK


def _dimension_changes(old: Dimension, new: Dimension, first: bool) -> set[ShapeChange]:
    if new is None and not isinstance(old, int):
        return set()
    (least, most), (low, high) = _limits(old), _limits(new)
    if (least, most) == (low, high):
        return set()
    if most < low or high < least:
        return {ShapeChange.SIZE}
    if isinstance(old, int):
        return {ShapeChange.BATCH_OPENED if first else ShapeChange.WIDENED}
    if isinstance(new, int):
        return {ShapeChange.BATCH_FIXED if first else ShapeChange.NARROWED}
    narrowed = {ShapeChange.NARROWED} if least < low or high < most else set()
    return narrowed | ({ShapeChange.WIDENED} if low < least or most < high else set())


def _limits(dimension: Dimension) -> tuple[float, float]:
    if isinstance(dimension, int):
        return dimension, dimension
    if isinstance(dimension, Range):
        return dimension.at_least, float("inf") if dimension.at_most is None else dimension.at_most
    return 0, float("inf")
