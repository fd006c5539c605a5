"""Which goldens a run used, and whether that says anything of those that it did not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Uses:
    """What one process of a run knows of its goldens, or all of them after they were merged.

    `asked` are the paths that markers and contracts name, each with the directory where it begins (store.find_files),
    whether or not their tests ran; `bodies` the files that tests' bodies have checked. `partial` says why there may be
    tests that were not collected, "" where all were. `bodies_uncertain`: a test ended before it came to all of its
    goldens. `setup_failed`: a test was not prepared.
    """

    asked: set[tuple[str, str]] = field(default_factory=set)
    bodies: set[str] = field(default_factory=set)
    partial: str = ""
    bodies_uncertain: bool = False
    setup_failed: bool = False

    def note_partial(self, reason: str) -> None:
        """Keeps the first reason for which the run was not whole."""
        self.partial = self.partial or reason

    def to_plain(self) -> dict[str, Any]:
        """What a worker of pytest-xdist hands to its controller, as plain values."""
        return asdict(self) | {"asked": sorted(self.asked), "bodies": sorted(self.bodies)}

    def merge(self, plain: Mapping[str, Any]) -> None:
        """Adds what another process knows."""
        self.asked |= {(pattern, base) for pattern, base in plain["asked"]}
        self.bodies |= set(plain["bodies"])
        self.note_partial(plain["partial"])
        self.bodies_uncertain |= plain["bodies_uncertain"]
        self.setup_failed |= plain["setup_failed"]
