"""The servers of one user that stay between runs: where they lie, which one a run may use, and a new one where none.

Each has a directory of its own, below one that only this user can enter. Who wants a server looks, under a lock, for
one that was made of what a new one would be made of now (identity.py), at least, and whose keeper answers: a run of a
few tests uses what one of all tests has left. Where there is none, those that the new one supersedes are retired, which
takes them from nobody who uses them.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from pytest_tfserving.backends import keeper
from pytest_tfserving.backends.base import ServerSpec
from pytest_tfserving.backends.identity import (
    Identity,
    differences,
    identity_of,
    is_of_this_host,
    is_superseded,
    key_of,
    serves_others,
)
from pytest_tfserving.backends.lease import Connection, LeasedServer, NoKeeperError, retire
from pytest_tfserving.backends.lease_directory import WITHOUT, private_directory, root_of_leases
from pytest_tfserving.backends.lease_keeper import SOCKET
from pytest_tfserving.backends.lease_record import KeptLease, Lease
from pytest_tfserving.backends.lock import held, is_held
from pytest_tfserving.errors import BackendError

__tracebackhide__ = True  # a failing test's report ends at the test's own line

_STATUS_SECONDS = 3.0


class Leases:
    """The leased servers below one directory."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def of_this_user(cls) -> Leases:
        """Those of this user, from all checkouts. Raises BackendError where there is no place for them."""
        return cls(private_directory(root_of_leases()))

    def server(self, spec: ServerSpec, seconds: float, run: str, used: Collection[Path] = ()) -> LeasedServer:
        """A server of the specification, for the run of that name: one that is there and as good as new, or a new one.

        It stays until nobody has used it for `seconds`. Those in the directories `used` are not superseded: one run may
        want two versions of a model. Raises BackendError where its files cannot be written.
        """
        key = key_of(spec)
        unfit: set[Path] = set()
        while True:
            # Before the server is started, so that files which change meanwhile differ from it.
            identity = identity_of(spec)
            try:
                with held(self.root / "lock"):
                    found = self._find(key, identity, seconds, run, unfit)
                    if found is None:
                        self._retire_superseded(key, identity, used)
                        return LeasedServer(spec, *self._start(spec, key, identity, seconds, run), None)
            except OSError as error:
                raise BackendError(
                    f"no place for a server that stays: {error}. Make room, point TMPDIR elsewhere, {WITHOUT}"
                ) from error
            server = _join(spec, identity, *found, run)
            if server:
                return server
            unfit.add(found[0].directory)

    def kept(self) -> list[KeptLease]:
        """Those that somebody keeps, with what their keepers say; what dead ones have left is removed."""
        found = []
        with held(self.root / "lock"):
            for lease in self._all():
                try:
                    connection = Connection(lease.directory)
                except NoKeeperError:
                    _remove_if_dead(lease)
                else:
                    found.append((lease, connection))
        kept = []
        for lease, connection in found:
            with closing(connection):
                kept.append(KeptLease(lease.directory, lease.spec(), lease.addresses(), _status(connection)))
        return kept

    def _all(self) -> Iterator[Lease]:
        for directory in sorted(path for path in self.root.iterdir() if path.is_dir()):
            yield Lease.at(directory)

    def _find(
        self, key: str, identity: Identity, seconds: float, run: str, unfit: Collection[Path]
    ) -> tuple[Lease, Connection] | None:
        """A lease that was made of the same, and a connection that uses it. What dead ones have left is removed."""
        for lease in self._all():
            try:
                connection = Connection(lease.directory)
            except NoKeeperError:
                _remove_if_dead(lease)
                continue
            is_fit = lease.key == key and not lease.is_retired and lease.directory not in unfit
            if is_fit and not differences(lease.identity, identity):
                with suppress(NoKeeperError):
                    connection.say(want="use", run=run, seconds=seconds)
                    return lease, connection
            connection.close()
        return None

    def _retire_superseded(self, key: str, identity: Identity, used: Collection[Path]) -> None:
        for lease in self._all():
            if lease.key != key or lease.is_retired or lease.directory in used:
                continue
            if is_superseded(lease.identity, identity):
                with suppress(NoKeeperError), closing(Connection(lease.directory)) as connection:
                    retire(lease.directory, connection)

    def _start(
        self, spec: ServerSpec, key: str, identity: Identity, seconds: float, run: str
    ) -> tuple[Path, Connection]:
        directory = Path(tempfile.mkdtemp(prefix="", dir=self.root))
        try:
            (directory / keeper.SPEC).write_text(spec.to_json(), encoding="utf-8")
            Lease(directory, key, identity).write()
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
                listener.bind(str(directory / SOCKET))
                listener.listen(128)
                # The first user comes before the keeper does, so it need not be waited for.
                connection = Connection(directory)
                connection.say(want="use", run=run, seconds=seconds)
                _start_keeper(directory, listener, seconds, run)
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            raise
        return directory, connection


def _remove_if_dead(lease: Lease) -> None:
    """Removes what a keeper left that was killed. Whether another machine's keeper lives cannot be told from here."""
    is_here = not isinstance(lease.identity, dict) or is_of_this_host(lease.identity)
    if is_here and not is_held(lease.directory / keeper.LOCK):
        shutil.rmtree(lease.directory, ignore_errors=True)


def _status(connection: Connection) -> dict[str, Any]:
    try:
        connection.say(want="status")
        return connection.answer(_STATUS_SECONDS)
    except NoKeeperError:
        return {"state": "no answer"}


def _keepers_environment() -> dict[str, str]:
    # What measures this run's coverage would wait for the server's end, and write its file then.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE_", "COV_CORE_"))}
    # -m would look in the working directory first, where a repository may well have a tensorflow/.
    return {**kept, "PYTHONSAFEPATH": "1"}


def _start_keeper(directory: Path, listener: socket.socket, seconds: float, run: str) -> None:
    with (directory / keeper.LOG).open("ab") as log:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "pytest_tfserving.backends.lease_keeper",
                str(directory), str(listener.fileno()), str(seconds), run,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            env=_keepers_environment(),
            pass_fds=(listener.fileno(),),
            start_new_session=True,  # it outlives the terminal
        )  # fmt: skip
    process.returncode = 0  # and this process, by design; Popen would warn that it was not waited for


def _join(spec: ServerSpec, identity: Identity, lease: Lease, connection: Connection, run: str) -> LeasedServer | None:
    """The server of a lease that was found fit. None where itself or its keeper is not, and it is retired.

    None, too, of one with other models besides that starts, has failed or has ended: what these fail with, or have
    ended it with, is nothing to those that are asked for.
    """
    try:
        use = connection.answer()
    except NoKeeperError:
        use = {"state": "no answer"}
    is_own = use.get("by") == run
    server = LeasedServer(spec, lease.directory, connection, use if "up" in use and not is_own else None)
    if use["state"] in ("starting", "failed", "ended") and serves_others(lease.identity, identity):
        server.close()
        return None
    if is_own or use["state"] == "starting":
        return server
    if use["state"] == "serving" and _is_of_the_same_image(spec, server) and not server.why_unusable():
        return server
    server.retire()
    return None


def _is_of_the_same_image(spec: ServerSpec, server: LeasedServer) -> bool:
    """Whether an image's name still means what a container was made of."""
    if spec.backend != "docker":
        return True
    from pytest_tfserving.backends import docker_engine

    return server.image_id == docker_engine.image_id(spec.program)
