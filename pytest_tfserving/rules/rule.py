"""What a rule is, and how much its findings matter."""

from __future__ import annotations

from typing import Literal, NamedTuple

Level = Literal["breaking", "risky", "safe"]

# From the one that matters most.
LEVELS: tuple[Level, ...] = ("breaking", "risky", "safe")


class Rule(NamedTuple):
    """One rule; the table in docs/rules.md is written from these.

    `level` is what its findings are where nobody set another: `breaking`, a client or the server fails; `risky`, some
    do or may; `safe`, worth knowing. `title` says what was found, `reason` why it hurts, with the source of the fact,
    `remedy` what to do about it.
    """

    id: str
    level: Level
    title: str
    reason: str
    remedy: str
