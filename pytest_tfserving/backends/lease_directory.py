"""Where the servers of one user lie that stay between runs: nobody else can have put anything there."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from pytest_tfserving.backends.lease_keeper import SOCKET
from pytest_tfserving.errors import BackendError

__tracebackhide__ = True  # a failing test's report ends at the test's own line

# What a sun_path holds on macOS, without its end; Linux has 4 more.
_LONGEST_SOCKET_PATH = 103
WITHOUT = "or do without --tfserving-reuse"


def private_directory(path: Path) -> Path:
    """The directory, made where it is missing; nobody but this user can have written in it. Raises BackendError."""
    try:
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)
        status = path.lstat()
    except OSError as error:
        raise BackendError(f"no place for servers that stay: {error}. Point TMPDIR elsewhere, {WITHOUT}") from error
    if not stat.S_ISDIR(status.st_mode):
        problem = "is no directory"
    elif status.st_uid != os.getuid():
        problem = f"belongs to the user with the number {status.st_uid}"
    elif stat.S_IMODE(status.st_mode) & 0o077:
        problem = f"can be entered by others (mode {stat.S_IMODE(status.st_mode):o})"
    else:
        return path
    raise BackendError(
        f"{path} {problem}; servers that stay lie there, and nobody else may. "
        f"Remove it, point TMPDIR elsewhere, {WITHOUT}"
    )


def root_of_leases() -> Path:
    """Below the temporary directory, or /tmp where a socket's path would be too long there."""
    for temporary in (tempfile.gettempdir(), "/tmp"):
        root = Path(temporary) / f"pytest-tfserving-leases-{os.getuid()}"
        if len(os.fsencode(root / "12345678" / SOCKET)) <= _LONGEST_SOCKET_PATH:
            break
    return root
