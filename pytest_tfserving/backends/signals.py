"""The signals that end a keeper's work, whose handlers raise wherever its main thread is."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

_ENDING = (signal.SIGTERM, signal.SIGUSR1)


@contextmanager
def put_off() -> Iterator[None]:
    """One that comes in the block has its effect after it: for steps of the main thread that must not be half done.

    A mask would not do. It is one thread's, and Python runs the handler in the main thread whichever got the signal.
    """
    came: list[int] = []
    handlers = {one: signal.signal(one, lambda number, _: came.append(number)) for one in _ENDING}
    try:
        yield
    finally:
        for one, handler in handlers.items():
            signal.signal(one, handler)
        for number in came:
            signal.raise_signal(number)
