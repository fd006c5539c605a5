"""Files as messages name them, and as they are written."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


def shown(file: Path) -> str:
    """A file as a message names it: from the working directory where it lies below that."""
    here = Path.cwd()
    return str(file.relative_to(here) if file.is_relative_to(here) else file)


def write_text(file: Path, text: str) -> None:
    """Writes a file in one step (replaced), as UTF-8; line ends are written as they are."""
    with replaced(file) as stream:
        stream.write(text.encode("utf-8"))


@contextmanager
def replaced(file: Path) -> Iterator[BinaryIO]:
    """A stream beside the file, which takes its place at the end of the block.

    So a reader and a crash find the old file or the new one; an error leaves the old one alone. A file that is there
    keeps its mode, a link stays one. Raises OSError, which names the file.
    """
    file = Path(os.path.realpath(file))
    prefix = f".{file.name[:40]}."
    draft = None
    try:
        descriptor, draft = tempfile.mkstemp(dir=file.parent, prefix=prefix)
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
        Path(draft).chmod(file.stat().st_mode & 0o777 if file.exists() else 0o644)
        Path(draft).replace(file)
    except BaseException as error:
        if draft is not None:
            Path(draft).unlink(missing_ok=True)
        # Of a full disk none is named, else the draft.
        if isinstance(error, OSError) and error.errno and (error.filename is None or prefix in str(error.filename)):
            error.filename = str(file)
        raise


@contextmanager
def one_writer(directory: Path) -> Iterator[None]:
    """Waits until no other process is in such a block for the directory: who reads, changes and writes its files.

    The lock is the directory's own, and leaves no file. Where a file system has none, nobody waits.
    """
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
