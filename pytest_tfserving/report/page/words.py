"""Numbers and text of others as the page's words: what templates apply to values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_NOT_ASCII = re.compile(r"[^\n\t\x20-\x7e]")

# What stands where there is no value.
NOTHING = "\N{EN DASH}"

TRANSPORTS = {"rest": "REST", "grpc": "gRPC"}

# Not strftime's, which are the locale's.
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)

# What pytest's exit status adds to the counts.
_ENDINGS = {
    2: "The run ended early: it was interrupted, or files could not be collected. This is what there was until then.",
    3: "pytest had an error of its own. This is what there was until then.",
    4: "pytest was not started as it can be.",
}


def plain(text: str) -> str:
    """The text with nothing in it that cannot be seen: control, bidi and zero-width characters become `\\u202e`.

    Line ends and tabs stay. Colours of a terminal are left out.
    """
    text = _ANSI.sub("", text)
    return _NOT_ASCII.sub(
        lambda found: found[0] if found[0].isprintable() else found[0].encode("unicode_escape").decode(), text
    )


def one_line(text: str) -> str:
    """The same, line ends and tabs too."""
    return plain(text).replace("\n", "\\n").replace("\t", "\\t")


def fragment(anchor: str) -> str:
    """The link to an id of the page: percent-encoded where a URL must be, legible elsewhere."""
    return "#" + quote(anchor, safe="/:[]@!$&()*+,;=?-._~")


def number(value: float | None) -> str:
    """An error: three digits."""
    return NOTHING if value is None else re.sub(r"e([+-])0?", lambda sign: "e" + sign[1].strip("+"), f"{value:.3g}")


def count(value: int) -> str:
    return f"{value:,}"


def plural(value: int, one: str, many: str = "") -> str:
    """`1 test`, `2 tests`."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def share(part: int, whole: int) -> str:
    """A percentage that says neither 0 nor 100 of what is not."""
    percent = 100 * part / whole if whole else 0.0
    if 0 < percent < 0.1:
        return "< 0.1 %"
    if percent >= 99.95 and part != whole:
        return "> 99.9 %"
    return f"{percent:.0f} %" if percent in (0, 100) or 10 <= percent < 99 else f"{percent:.1f} %"


def seconds(value: float) -> str:
    if value < 0.001:
        return "0 ms"
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 90:
        return f"{value:.1f} s"
    minutes, left = divmod(round(value), 60)
    return f"{minutes} min {left} s"


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`; of many the first three."""
    if len(names) > 4:
        return f"{', '.join(names[:3])} and {len(names) - 3:,} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def over(transports: Sequence[str]) -> str:
    """`over gRPC and REST`; values that a test's body had come from there."""
    return (
        "in a test's body"
        if [*transports] == ["body"]
        else f"over {listed([TRANSPORTS.get(t, t) for t in transports])}"
    )


def moment(text: str) -> str:
    """`22 November 2025, 23:10 UTC` of an ISO date; other text as it is."""
    try:
        when = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return text
    return f"{when.day} {_MONTHS[when.month - 1]} {when.year}, {when:%H:%M} UTC"


def verdict(run: dict[str, Any]) -> str:
    """The first line: how many failed, of how many."""
    counts = {outcome: run["counts"].get(outcome, 0) for outcome in ("passed", "failed", "error", "skipped")}
    ran = counts["passed"] + counts["failed"] + counts["error"]
    bad = counts["failed"] + counts["error"]
    if bad:
        return f"{bad:,} of {plural(ran, 'test')} failed" if ran > 1 else "The test failed"
    if not ran:
        return "No test ran"
    if run["exit_status"] == 2:
        return f"Ended early, after {plural(ran, 'test')}"
    if run["exit_status"]:
        return "The run failed, though no test of a model did"
    return f"All {ran:,} tests passed" if ran > 1 else "The test passed"


def ending(exit_status: int) -> str:
    """What the exit status says beyond the counts; "" where it says nothing."""
    return _ENDINGS.get(exit_status, "")
