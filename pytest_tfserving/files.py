"""Files as messages name them, and as they are written."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def shown(file: Path) -> str:
    """A file as a message names it: from the working directory where it lies below that."""
    here = Path.cwd()
    return str(file.relative_to(here) if file.is_relative_to(here) else file)


def write_text(file: Path, text: str) -> None:
    """Writes beside the file and renames, so that a reader and a crash find the old file or the new one.

    Line ends are written as they are, a file that is there keeps its mode, a link stays one. Raises OSError.
    """
    file = Path(os.path.realpath(file))
    descriptor, draft = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name[:40]}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
            stream.write(text)
        Path(draft).chmod(file.stat().st_mode & 0o777 if file.exists() else 0o644)
        Path(draft).replace(file)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
