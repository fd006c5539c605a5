"""The process that owns one server: `python -m pytest_tfserving.backends.keeper RUN SERVER ALIVE KEEPERS LOCK`.

RUN and SERVER are directories; ALIVE, KEEPERS and LOCK are open file descriptors, see below.

A server belongs to a run, and a run may be many processes (pytest-xdist), any of which may be killed. So nobody who
uses a server is its parent. Every process of the run holds the writing end of a FIFO, RUN/alive; the keeper reads from
it, and the kernel ends that read when the last of them is gone, by whatever cause. Then the keeper ends its server.
The other way round, every keeper holds the writing end of RUN/keepers, and the process that began the run learns from
its reading end when the last server is gone. The keeper is given both as inherited descriptors: had it to open them
by name, either side might be gone before it came to that.

What the keeper learns it leaves in SERVER/, each file written in one step: server.json when the ports are known,
failed.json when there is no server to be had, ended.json when the server has ended by itself; server.log is the
server's output and `progress` what a person who waits should see. SERVER/lock is held as long as the keeper lives, and
before: it inherits the lock, so that a keeper which is not up yet is told from one that was killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from pytest_tfserving.backends import signals
from pytest_tfserving.backends.base import Launcher, Say, Server, ServerSpec
from pytest_tfserving.errors import TFServingError

ALIVE, KEEPERS = "alive", "keepers"
SPEC, SERVER, FAILED, ENDED, LOG, PROGRESS, LOCK = (
    "spec.json", "server.json", "failed.json", "ended.json", "server.log", "progress", "lock",
)  # fmt: skip


def main(run: Path, directory: Path, alive: int, keepers: int, lock: int) -> None:
    """Keeps one server until the run is over."""
    # Ctrl-C is pytest's business; a keeper outlives it for as long as pytest's own teardown takes.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _give_up)  # a container would stay
    os.set_blocking(alive, True)
    for descriptor in (alive, keepers, lock):
        os.set_inheritable(descriptor, False)  # the server must not hold them: they stand for this process
    try:
        keep(directory, lambda: _wait_for_end(alive), lambda: None)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        _remove_if_last(run)


class _RunIsOverError(BaseException):
    """Raised in the midst of a start, however far it has come: nobody waits for it any more."""


def _give_up(*_: object) -> None:
    raise _RunIsOverError


def keep(directory: Path, wait_until_over: Callable[[], None], when_started: Callable[[], None]) -> None:
    """Starts the server, and stops it when `wait_until_over`, called in a thread, returns; a start may be cut short.

    `when_started` is called when the start has come to its end, well or not.
    """
    with contextlib.suppress(_RunIsOverError):
        _keep(directory, wait_until_over, when_started)


def _wait_for_end(alive: int) -> None:
    while os.read(alive, 1):
        pass


def _keep(directory: Path, wait_until_over: Callable[[], None], when_started: Callable[[], None]) -> None:
    run_is_over = threading.Event()
    main_thread = threading.get_ident()

    def wait_for_the_run() -> None:
        wait_until_over()
        run_is_over.set()
        signal.pthread_kill(main_thread, signal.SIGUSR1)

    def wait_for_the_server(server: Server) -> None:
        how = server.wait()
        if not run_is_over.is_set():  # afterwards the directory is being removed, and nobody is left to read
            write(directory / ENDED, {"how": how})

    signal.signal(signal.SIGUSR1, _give_up)
    threading.Thread(target=wait_for_the_run, daemon=True).start()
    server = None
    try:
        server = _start(directory)
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        when_started()
        if server is not None:  # else failed.json is there for those who still come
            threading.Thread(target=wait_for_the_server, args=(server,), daemon=True).start()
        run_is_over.wait()
    finally:
        if server is not None:
            with signals.put_off():
                server.stop()


def _start(directory: Path) -> Server | None:
    """The server, its endpoint written to server.json; None, and failed.json, where there is none."""
    try:
        spec = ServerSpec.from_json((directory / SPEC).read_text(encoding="utf-8"))
        launcher: Launcher = import_module(f"pytest_tfserving.backends.{spec.backend}").start
        server = launcher(spec, directory, directory / LOG, _sayer(directory))
    except TFServingError as error:
        write(directory / FAILED, {"error": type(error).__name__, "message": str(error)})
    except Exception as error:
        # Nothing that ends the keeper: its directory would go with it, before anybody has read why.
        traceback.print_exc()
        write(directory / FAILED, {"error": "StartupError", "message": f"{type(error).__name__}: {error}"})
    else:
        started = server.started
        try:
            write(
                directory / SERVER,
                {
                    "rest_url": started.endpoint.rest_url,
                    "grpc_target": started.endpoint.grpc_target,
                    "provenance": started.provenance,
                },
            )
        except BaseException:  # the disk is full, or the run is over
            with signals.put_off():
                server.stop()
            raise
        return server
    return None


def write(path: Path, value: dict[str, Any] | list[str]) -> None:
    """Writes JSON so that a reader sees all of it or no file."""
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(value), encoding="utf-8")
    draft.replace(path)


def _sayer(directory: Path) -> Say:
    def say(line: str) -> None:
        with (directory / PROGRESS).open("a", encoding="utf-8") as progress:
            progress.write(line + "\n")

    return say


def _remove_if_last(run: Path) -> None:
    """Removes the run's directory where pytest could not do it itself, because it was killed."""
    remaining = {entry.name for entry in run.iterdir()} if run.is_dir() else set()
    if not any((run / name).is_dir() for name in remaining):
        shutil.rmtree(run, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:]))
