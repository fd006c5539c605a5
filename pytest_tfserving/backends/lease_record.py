"""The directory of a leased server, as its files tell of it. They may be missing, damaged, or from another version."""

from __future__ import annotations

import json
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

from pytest_tfserving.backends import keeper
from pytest_tfserving.backends.base import ServerSpec
from pytest_tfserving.backends.lease import Connection, NoKeeperError
from pytest_tfserving.backends.lease_keeper import RETIRED
from pytest_tfserving.backends.lock import is_held

LEASE = "lease.json"

# A server gets some to end by itself, and a container some more.
STOP_SECONDS = 30.0


class Lease(NamedTuple):
    """A leased server's directory, and its key and identity (identity.py) as far as its file can be read."""

    directory: Path
    key: str | None
    identity: Any

    @classmethod
    def at(cls, directory: Path) -> Lease:
        """What the file in the directory says."""
        with suppress(OSError, ValueError, TypeError, LookupError):
            document = json.loads((directory / LEASE).read_text(encoding="utf-8"))
            return cls(directory, str(document["key"]), document["identity"])
        return cls(directory, None, None)

    def write(self) -> None:
        """Writes the file that at() reads. Raises OSError."""
        document = {"key": self.key, "identity": self.identity}
        (self.directory / LEASE).write_text(json.dumps(document), encoding="utf-8")

    @property
    def is_retired(self) -> bool:
        """Whether it is known that nobody new may use it."""
        return (self.directory / RETIRED).exists()

    def spec(self) -> ServerSpec | None:
        """What it was asked to be; None where that cannot be read."""
        with suppress(OSError, ValueError, TypeError, LookupError):
            return ServerSpec.from_json((self.directory / keeper.SPEC).read_text(encoding="utf-8"))
        return None

    def addresses(self) -> dict[str, Any]:
        """Where it answers, as server.json has it; empty where that is not there or cannot be read."""
        with suppress(OSError, ValueError, TypeError):
            return dict(json.loads((self.directory / keeper.SERVER).read_text(encoding="utf-8")))
        return {}


class KeptLease(NamedTuple):
    """A leased server that somebody keeps, and what its keeper has said; see lease_keeper.py for the status."""

    directory: Path
    spec: ServerSpec | None
    addresses: dict[str, Any]
    status: dict[str, Any]

    @property
    def name(self) -> str:
        """What the list calls it."""
        return self.directory.name

    def stop(self, seconds: float = STOP_SECONDS) -> str | None:
        """Stops the server and waits until it has ended; the problem where it has not."""
        try:
            with closing(Connection(self.directory)) as connection:
                connection.say(want="stop")
                connection.answer(seconds)
        except NoKeeperError as error:
            # A connection that broke is a keeper that has ended meanwhile.
            return f"not stopped: {error}" if is_held(self.directory / keeper.LOCK) else None
        return None
