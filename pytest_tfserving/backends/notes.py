"""What the processes of a run leave for each other in its directory: what each asked last, and what was said."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from pytest_tfserving.backends import keeper


class Notes:
    """The notes of one process, and those of all, in a run's directory.

    Only the number of servers that start and of lines that are shown depends on them: where the disk is full there
    are none.
    """

    def __init__(self, run: Path) -> None:
        self._run = run
        self._name = os.urandom(4).hex()
        self._asked: dict[str, list[str]] = {}

    def note_asked(self, server: Path, models: Iterable[str]) -> None:
        """That this process asks these models, of those of a server, from now on. `server` is its directory."""
        names = list(models)
        if self._asked.get(server.name) != names:
            self._asked[server.name] = names
            with suppress(OSError):
                keeper.write(self._run / f"{server.name}-{self._name}.asked", names)

    def last_asked(self, server: Path) -> set[str]:
        """The models of a server that were asked last, by each process of the run."""
        names: set[str] = set()
        for file in self._run.glob(f"{server.name}-*.asked"):
            with suppress(OSError):
                names.update(json.loads(file.read_text(encoding="utf-8")))
        return names

    def is_first(self, event: str) -> bool:
        """Whether no process of the run has asked this of the same event before."""
        try:
            (self._run / f"{hashlib.sha256(event.encode()).hexdigest()[:16]}.said").touch(exist_ok=False)
        except FileExistsError:
            return False
        except OSError:
            return True
        return True
