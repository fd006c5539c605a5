"""A histogram in one line of text."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_tfserving.golden.difference import Decades

_BLOCKS = "▁▂▃▄▅▆▇█"
_ASCII = ".:-=+*#@"  # as many, for terminals that have no blocks
_MOST_COLUMNS = 40


def sparkline(decades: Decades, encoding: str) -> str:
    """The distribution of errors, a column a power of ten: `1e-07 ▁▃█▂ ▁ 0.1`, whose ends are the outer limits.

    A column with any error at all is visible. Of more than 40 columns the lowest are taken together.
    """
    counts, lowest = list(decades.counts), str(_power(decades.lowest))
    if len(counts) > _MOST_COLUMNS:
        counts = [sum(counts[: 1 - _MOST_COLUMNS]), *counts[1 - _MOST_COLUMNS :]]
        lowest = "0"
    return f"{lowest} {columns(counts, encoding)} {_power(decades.lowest + len(decades.counts))}"


def columns(counts: Sequence[int], encoding: str) -> str:
    """A character a count, of which at least one is not 0: as high as it is to the greatest."""
    levels = _BLOCKS if _can_show(_BLOCKS, encoding) else _ASCII
    most = max(counts)
    return "".join(levels[-(-count * len(levels) // most) - 1] if count else " " for count in counts)


def _power(exponent: int) -> str:
    return f"{10.0**exponent:g}" if -4 <= exponent <= 4 else f"1e{exponent:+03d}"


def _can_show(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
