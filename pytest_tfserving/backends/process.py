"""A server that is a child process of its keeper."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pytest_tfserving.backends.base import Started
from pytest_tfserving.endpoint import Endpoint
from pytest_tfserving.errors import StartupError

_GRACE_SECONDS = 3.0
_PR_SET_PDEATHSIG = 1


class ProcessServer:
    """A running child; its output goes to `log`. `started` is set once its ports are known."""

    started: Started

    def __init__(self, argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        with log.open("ab") as output:
            try:
                self._process = subprocess.Popen(
                    list(argv),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=None if env is None else dict(env),
                    preexec_fn=_die_with_parent if sys.platform == "linux" else None,
                )
            except OSError as error:
                raise StartupError(f"{argv[0]} cannot be run: {error.strerror or error}") from error

    @property
    def ended(self) -> str | None:
        """How the process ended, or None while it runs."""
        status = self._process.poll()
        return None if status is None else describe_status(status)

    def started_at(self, endpoint: Endpoint, provenance: dict[str, str]) -> ProcessServer:
        """This server, its endpoint now known."""
        self.started = Started(endpoint, provenance)
        return self

    @contextmanager
    def stopped_on_error(self) -> Iterator[None]:
        """Stops the server where what is done with it meanwhile fails or is given up."""
        try:
            yield
        except BaseException:
            self.stop()
            raise

    def wait(self) -> str:
        """See base.Server."""
        return describe_status(self._process.wait())

    def stop(self) -> None:
        """See base.Server: SIGTERM, then SIGKILL for one that does not listen."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
            try:
                self._process.wait(_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


class Deadline:
    """A point in time, and the pause between two looks on the way to it."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def passed(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() > self._end

    def pause(self) -> None:
        """Waits until the next look: short, since every look that comes late is time that a person waits."""
        time.sleep(0.005)


def describe_status(status: int) -> str:
    """An exit status as a person reads it: `exit status 255`, `killed by SIGKILL`."""
    if status < 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-status).name}"
    return f"exit status {status}"


def _die_with_parent() -> None:
    """Runs in the child before exec: a keeper that is killed outright must not leave its server behind (Linux)."""
    import ctypes

    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was gone before the call
        os.kill(os.getpid(), signal.SIGKILL)
