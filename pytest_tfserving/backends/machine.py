"""Which machine this is, as far as the files of its runs go."""

from __future__ import annotations

import contextlib
import os
import platform
import tempfile
from pathlib import Path


def machine_id() -> str:
    """A name that is shared by exactly those processes that see each other's runs.

    A host's name does not tell: virtual machines and containers of one image may all be called alike, share an
    engine, and must not take each other's containers for leftovers because they do not find their lock files. So
    the name goes with a word that was left, once, in the directory where this user's runs are made.
    """
    directory = Path(tempfile.gettempdir())
    file = directory / f".pytest-tfserving-{os.getuid()}"
    if not file.exists():
        draft = directory / f"{file.name}-{os.getpid()}"
        draft.write_text(os.urandom(8).hex(), encoding="ascii")
        with contextlib.suppress(FileExistsError):
            file.hardlink_to(draft)  # whole or not at all, and the first one wins
        draft.unlink()
    return f"{platform.node()}-{file.read_text(encoding='ascii')}"
