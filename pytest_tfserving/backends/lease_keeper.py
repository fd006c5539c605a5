"""The process that owns a server which stays for the next run.

    python -m pytest_tfserving.backends.lease_keeper LEASE SOCKET SECONDS RUN

LEASE is the server's directory, with the files of keeper.py; SOCKET an open file descriptor that listens at
LEASE/socket; SECONDS how long the server stays when nobody uses it; RUN the name of the run that started it.

Whoever uses the server holds a connection, and the kernel ends that with the process, by whatever cause. So the keeper
knows at any moment how many there are, and waits for the last to go and for the next to come without looking again
and again. An answer at the socket also proves that a keeper is there and is the one: what a file says of a pid, or of
another machine, proves nothing. Who may connect is said by the mode of the directory above (leases.py).

A request is a line of JSON, and so is its answer:

    {"want": "use", "run": RUN, "seconds": SECONDS}   a user, until the connection ends; its SECONDS hold from now on
    {"want": "status"}                                who asks is no user
    {"want": "retire"}                                nobody new; the server ends when the last user leaves
    {"want": "stop"}                                  the server ends now; answered when it has

Seconds are of the monotonic clock: setting the time changes nothing, and those that a laptop sleeps do not count.
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from pytest_tfserving.backends import keeper
from pytest_tfserving.backends.lock import held

SOCKET, RETIRED = "socket", "retired"

_LONGEST_REQUEST = 4096
# How often the keeper looks whether its server, or its directory, is gone meanwhile.
_SECONDS_BETWEEN_LOOKS = 30.0


def main(directory: Path, listener: socket.socket, seconds: float, run: str) -> None:
    """Keeps one server until nobody has used it for a while, or it is asked to end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    listener.set_inheritable(False)
    door = Door(directory, listener, seconds, run)
    signal.signal(signal.SIGTERM, lambda *_: door.end())  # the machine shuts down; a container would stay
    try:
        with held(directory / keeper.LOCK):
            keeper.keep(directory, door.wait, door.note_start)
            door.see_off()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


class Door:
    """Where users come and go. One thread waits in wait(); end() may be called from any."""

    def __init__(self, directory: Path, listener: socket.socket, seconds: float, run: str) -> None:
        self._directory = directory
        self._listener = listener
        self._seconds = seconds
        self._run = run
        self._begin = time.monotonic()
        self._idle_since: float | None = self._begin
        self._retired = False
        self._over = False
        self._has_started = False
        self._guests: dict[socket.socket, bytes] = {}  # with what they have said of a request so far
        self._users: dict[socket.socket, str] = {}  # with their runs
        self._log_offsets: dict[str, int] = {}  # of runs: where the log ended when they came
        self._stoppers: list[socket.socket] = []
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_writer, False)
        listener.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._selector.register(self._wake_reader, selectors.EVENT_READ)

    def wait(self) -> None:
        """Returns when the server is to be stopped. Nobody is let in any more then, and only users are still there."""
        while not self._over and not self._is_left():
            self._serve(self._timeout())
        self._selector.unregister(self._listener)
        self._listener.close()  # who has just come learns at once that nobody answers
        for guest in self._guests.keys() - self._users.keys() - set(self._stoppers):
            self._drop(guest)
        if self._users:
            how = "pytest-tfserving servers --stop" if self._stoppers else "SIGTERM"
            with suppress(OSError):
                keeper.write(self._directory / keeper.ENDED, {"how": f"it was stopped ({how})"})

    def see_off(self) -> None:
        """When the server has been stopped: tells those who asked for it; users may read its files until they leave."""
        for stopper in self._stoppers:
            self._answer(stopper, {"state": "stopped"})
            self._drop(stopper)
        self._stoppers = []
        while self._users:
            self._serve(None)

    def note_start(self) -> None:
        """From now on the files say what became of it."""
        self._has_started = True

    def end(self) -> None:
        """Lets wait() return; from a signal handler."""
        self._over = True
        with suppress(BlockingIOError):
            os.write(self._wake_writer, b"x")

    def _is_left(self) -> bool:
        """Whether the time is over, or there is nothing to stay for."""
        if self._users:
            return False
        if self._retired or not self._directory.exists():
            return True
        if self._log_offsets and self._state() in ("failed", "ended"):  # those who waited for it have been told
            return True
        return self._idle_since is not None and time.monotonic() - self._idle_since >= self._seconds

    def _timeout(self) -> float:
        if self._idle_since is None:
            return _SECONDS_BETWEEN_LOOKS
        left = self._idle_since + self._seconds - time.monotonic()
        return min(max(left, 0.0), _SECONDS_BETWEEN_LOOKS)

    def _serve(self, timeout: float | None) -> None:
        for ready, _ in self._selector.select(timeout):
            source = ready.fileobj
            if source is self._listener:
                self._let_in()
            elif isinstance(source, socket.socket):
                self._listen_to(source)
            else:
                os.read(self._wake_reader, 100)

    def _let_in(self) -> None:
        with suppress(OSError):  # gone again
            guest, _ = self._listener.accept()
            guest.setblocking(False)
            self._guests[guest] = b""
            self._selector.register(guest, selectors.EVENT_READ)

    def _listen_to(self, guest: socket.socket) -> None:
        try:
            said = guest.recv(_LONGEST_REQUEST)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        *lines, rest = (self._guests[guest] + said).split(b"\n")
        self._guests[guest] = rest
        for line in lines:
            try:
                request = json.loads(line)
                self._answer(guest, self._grant(guest, request, str(request["want"])))
            except (ValueError, TypeError, KeyError):
                said = b""  # it speaks another language
        if not said or len(rest) > _LONGEST_REQUEST:
            self._drop(guest)

    def _grant(self, guest: socket.socket, request: dict[str, Any], want: str) -> dict[str, Any] | None:
        if want == "use" and not self._retired and not self._over:
            run = str(request["run"])
            self._seconds = float(request["seconds"])
            self._log_offsets.setdefault(run, 0 if run == self._run else self._log_size())
            self._users[guest] = run
            self._idle_since = None
            log_offset = self._log_offsets[run]
            return {"state": self._state(), "by": self._run, "up": self._up(), "log_offset": log_offset}
        if want == "use":
            return {"state": "retired"}
        if want == "retire":
            self._retired = True
        if want == "stop":
            self._retired = self._over = True
            self._stoppers.append(guest)
            return None
        return self._status()

    def _status(self) -> dict[str, Any]:
        idle = None if self._idle_since is None else time.monotonic() - self._idle_since
        return {
            "state": "retired" if self._retired else self._state(),
            "pid": os.getpid(),
            "up": self._up(),
            "users": len(self._users),
            "idle": idle,
            "ends_in": None if idle is None else max(self._seconds - idle, 0.0),
        }

    def _answer(self, guest: socket.socket, answer: dict[str, Any] | None) -> None:
        if answer is not None:
            with suppress(OSError):  # who does not read, or is gone, gets none
                guest.send(json.dumps(answer).encode() + b"\n", getattr(socket, "MSG_NOSIGNAL", 0))

    def _drop(self, guest: socket.socket) -> None:
        self._selector.unregister(guest)
        guest.close()
        del self._guests[guest]
        if guest in self._stoppers:
            self._stoppers.remove(guest)
        if self._users.pop(guest, None) is not None and not self._users:
            self._idle_since = time.monotonic()

    def _state(self) -> str:
        for file, state in ((keeper.FAILED, "failed"), (keeper.ENDED, "ended"), (keeper.SERVER, "serving")):
            if (self._directory / file).exists():
                return state
        return "ended" if self._has_started else "starting"  # ended, as far as anybody can tell without its files

    def _up(self) -> float:
        return time.monotonic() - self._begin

    def _log_size(self) -> int:
        with suppress(OSError):
            return (self._directory / keeper.LOG).stat().st_size
        return 0


if __name__ == "__main__":
    main(Path(sys.argv[1]), socket.socket(fileno=int(sys.argv[2])), float(sys.argv[3]), sys.argv[4])
