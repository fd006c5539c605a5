"""The servers of one test run, shared by all of its processes.

A run has a directory. The process that makes it (pytest, or pytest-xdist's controller) tells the others where it is.
In it lie two FIFOs, whose use keeper.py explains, and a directory a server, named by the specification's fingerprint:
whoever needs a server first, under a lock, starts its keeper, and all others find what that leaves there.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_tfserving import errors
from pytest_tfserving.backends import keeper
from pytest_tfserving.backends.base import ServerSpec, Started
from pytest_tfserving.backends.lock import held, hold, is_held
from pytest_tfserving.backends.process import Deadline
from pytest_tfserving.endpoint import Endpoint
from pytest_tfserving.errors import BackendError, ServerDiedError, StartupError

if TYPE_CHECKING:
    from pytest_tfserving.backends.lease import LeasedServer

__tracebackhide__ = True  # a failing test's report ends at the test's own line

_PREFIX = "pytest-tfserving-"
_LOG_LINES = 25
_STOP_SECONDS = 20.0
_SECONDS_TO_BEGIN = 60.0
_SECONDS_TO_EXIT = 1.0


class Run:
    """A process's part in a test run: while it is open, the run's servers live.

    The process that makes the directory waits in close() until every server is gone, and removes it.
    """

    def __init__(self, directory: Path, *, owner: bool) -> None:
        self.directory = directory
        self._owner = owner
        if owner:
            os.mkfifo(directory / keeper.ALIVE)
            os.mkfifo(directory / keeper.KEEPERS)
            self._keepers = os.open(directory / keeper.KEEPERS, os.O_RDONLY | os.O_NONBLOCK)
        # A FIFO opens for writing only where somebody reads, and no keeper does yet.
        reader = os.open(directory / keeper.ALIVE, os.O_RDONLY | os.O_NONBLOCK)
        self._alive = os.open(directory / keeper.ALIVE, os.O_WRONLY)
        os.close(reader)
        self._started: list[subprocess.Popen[bytes]] = []
        self._leased: dict[str, LeasedServer] = {}

    @classmethod
    def begin(cls) -> Run:
        """A new run, owned by this process."""
        return cls(Path(tempfile.mkdtemp(prefix=_PREFIX)), owner=True)

    @classmethod
    def join(cls, directory: Path) -> Run:
        """The run that another process has begun."""
        return cls(directory, owner=False)

    def server(self, spec: ServerSpec) -> KeptServer:
        """The server of a specification: started now where nobody in the run has started it yet."""
        directory = self.directory / spec.fingerprint
        with held(directory.with_suffix(".lock")):
            if not directory.exists():
                directory.mkdir()
                (directory / keeper.SPEC).write_text(spec.to_json(), encoding="utf-8")
                self._start_keeper(directory)
        return KeptServer(spec, directory)

    def leased_server(self, spec: ServerSpec, seconds: float) -> LeasedServer:
        """A server that may be there from an earlier run, and stays until nobody has used it for `seconds`."""
        from pytest_tfserving.backends.leases import Leases  # a run without --tfserving-reuse does without

        server = self._leased.get(spec.fingerprint)
        if server is None:
            used = [server.directory for server in self._leased.values()]
            server = Leases.of_this_user().server(spec, seconds, self.directory.name, used)
            self._leased[spec.fingerprint] = server
        return server

    def close(self) -> None:
        """Leaves the run; its owner also waits until all servers are gone. Safe to call twice."""
        if self._alive < 0:
            return
        os.close(self._alive)
        self._alive = -1
        for server in self._leased.values():
            server.close()
        if self._owner:
            self._wait_for_keepers()
        for process in self._started:
            with contextlib.suppress(subprocess.TimeoutExpired):  # else a process with many runs has as many zombies
                process.wait(_SECONDS_TO_EXIT if self._owner else 0)
            process.returncode = 0  # a worker's outlives it by design; Popen would warn that it was not waited for
        if not self._owner:
            return
        os.close(self._keepers)
        shutil.rmtree(self.directory, ignore_errors=True)
        _remove_left_behind(self.directory.parent)

    def _start_keeper(self, directory: Path) -> None:
        alive = os.open(self.directory / keeper.ALIVE, os.O_RDONLY | os.O_NONBLOCK)
        keepers = os.open(self.directory / keeper.KEEPERS, os.O_WRONLY | os.O_NONBLOCK)
        lock = hold(directory / keeper.LOCK)
        arguments = [str(self.directory), str(directory), str(alive), str(keepers), str(lock)]
        try:
            with (directory / keeper.LOG).open("ab") as log:
                process = subprocess.Popen(
                    [sys.executable, "-m", "pytest_tfserving.backends.keeper", *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                    # -m would look in the working directory first, where a repository may well have a tensorflow/.
                    env={**os.environ, "PYTHONSAFEPATH": "1"},
                    pass_fds=(alive, keepers, lock),
                    # A session of its own: Ctrl-C in the terminal reaches pytest alone, which still needs its servers.
                    start_new_session=True,
                )
        finally:
            for descriptor in (alive, keepers, lock):
                os.close(descriptor)
        self._started.append(process)

    def _wait_for_keepers(self) -> None:
        """Returns when the last keeper has closed its end of the FIFO, or after a while that no stop should take."""
        end = time.monotonic() + _STOP_SECONDS
        while (left := end - time.monotonic()) > 0:
            try:
                os.read(self._keepers, 1)
            except BlockingIOError:  # somebody holds it
                select.select([self._keepers], [], [], left)
            else:
                return


def _remove_left_behind(parent: Path) -> None:
    """Removes the directories of runs whose processes were killed, and that have no keeper to do it.

    That is so where all of their servers were leased, and where their keepers were killed too. Younger ones may be
    about to begin.
    """
    for run in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # somebody else's, or no run's
            is_young = abs(time.time() - run.stat().st_mtime) < _SECONDS_TO_BEGIN
            if not is_young and _is_over(run) and not any(is_held(path / keeper.LOCK) for path in run.iterdir()):
                shutil.rmtree(run, ignore_errors=True)


def _is_over(run: Path) -> bool:
    """Whether no process holds the run's FIFO for writing. Raises OSError where there is none."""
    alive = os.open(run / keeper.ALIVE, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return os.read(alive, 1) == b""
    except BlockingIOError:
        return False
    finally:
        os.close(alive)


class KeptServer:
    """A server of the run, as the processes that use it see it. `reused` says so where another run had started it."""

    reused = ""

    def __init__(self, spec: ServerSpec, directory: Path) -> None:
        self.spec = spec
        self.directory = directory
        self._log_offset = 0

    def wait_started(self, say: Callable[[str], None]) -> Started:
        """What was started, as soon as its ports are known. Shows the keeper's progress through `say`.

        Raises BackendError or StartupError, with the server's log, where there is no server to be had.
        """
        deadline = self._new_deadline()
        shown = 0
        while True:
            server, failed = self._read(keeper.SERVER), self._read(keeper.FAILED)
            lines = self._lines(keeper.PROGRESS)
            for line in lines[shown:]:
                say(line)
                deadline = self._new_deadline()  # a pull that moves is no reason to give up
            shown = len(lines)
            if server:
                return Started(Endpoint(server["rest_url"], server["grpc_target"]), server["provenance"])
            if failed:
                kind: type[Exception] = getattr(errors, failed["error"], BackendError)
                raise kind(failed["message"] + self.quoted_log())
            self._check_starting()
            if deadline.passed:
                raise StartupError(
                    f"the {self.spec.backend} server did not start within {self.spec.startup_timeout:g} s "
                    f"(--tfserving-startup-timeout){self.quoted_log()}"
                )
            deadline.pause()

    def check_alive(self, doing: str) -> None:
        """Raises ServerDiedError, with the server's log, where a server that was started has ended by itself."""
        ended = self._read(keeper.ENDED)
        if ended is None and not self._keeper_is_alive():
            ended = {"how": "its keeper was killed"}
        if ended:
            models = ", ".join(model.name for model in self.spec.models)
            raise ServerDiedError(
                f"the {self.spec.backend} server of {models} ended {doing}: {ended['how']}{self.quoted_log()}"
            )

    def logs(self) -> str:
        """All that the server has written so far; one that was reused, since this run began to use it."""
        with contextlib.suppress(FileNotFoundError), (self.directory / keeper.LOG).open("rb") as log:
            log.seek(self._log_offset)
            return log.read().decode(encoding="utf-8", errors="replace")
        return ""

    def quoted_log(self) -> str:
        """The log's last lines, as the end of a message."""
        lines = self.logs().splitlines()
        since = f" (since this run began to use it; {self.reused})" if self.reused else ""
        if not lines:
            return f"\nserver log{since}: nothing" if since else ""
        more = f" (the last {_LOG_LINES} of {len(lines)} lines)" if len(lines) > _LOG_LINES else ""
        return f"\nserver log{since}{more}:\n" + "\n".join(f"    {line[:400]}" for line in lines[-_LOG_LINES:])

    def _keeper_is_alive(self) -> bool:
        return is_held(self.directory / keeper.LOCK)

    def _check_starting(self) -> None:
        """Raises StartupError where it is known already that nobody starts the server any more."""
        is_kept = self._keeper_is_alive()  # before the files are read: those of a keeper that has ended are the last
        ended = self._read(keeper.ENDED)
        if (is_kept and not ended) or self._read(keeper.SERVER) or self._read(keeper.FAILED):
            return
        how = ended["how"] if ended else "its keeper has ended"
        raise StartupError(f"the start of the {self.spec.backend} server was given up: {how}{self.quoted_log()}")

    def _new_deadline(self) -> Deadline:
        # The keeper gives up first, and says more: the margin is its own start and the other end's report.
        return Deadline(self.spec.startup_timeout + 10)

    def _read(self, name: str) -> dict[str, Any] | None:
        with contextlib.suppress(FileNotFoundError):
            value: dict[str, Any] = json.loads((self.directory / name).read_text(encoding="utf-8"))
            return value
        return None

    def _lines(self, name: str) -> list[str]:
        with contextlib.suppress(FileNotFoundError):
            return (self.directory / name).read_text(encoding="utf-8").splitlines()
        return []
