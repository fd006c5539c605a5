"""What a person may have meant, as the end of a message."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches


def did_you_mean(word: str, known: Iterable[str], write: Callable[[str], str] = str) -> str:
    """`; did you mean path?` of the nearest that there is, as `write` has it; nothing where none is near.

    >>> did_you_mean("pth", ["path", "rtol"], repr)
    "; did you mean 'path'?"
    """
    close = get_close_matches(word, list(known), n=1)
    return f"; did you mean {write(close[0])}?" if close else ""
