"""What became of each check of a run, as plain values: they travel with a test's report, from xdist's workers too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

Status = Literal["held", "failed", "recorded"]


class CheckResult(NamedTuple):
    """One check of one test.

    `kind` is that of the marker (signature, golden, compatible, ...; `request` of a case in a contract file), `about`
    what it was of: a signature's name, a golden case's file and name, a baseline. `text` is the failure as pytest shows
    it. `evidence` has, of goldens, what was compared (evidence.py, totals.py); only where a report is wanted.
    `latency` is what a measurement came to (latency/result.py).
    """

    kind: str
    model: str
    about: str
    transport: str | None
    status: Status
    text: str = ""
    evidence: Sequence[dict[str, Any]] = ()
    latency: dict[str, Any] | None = None


class ItemResult(NamedTuple):
    """One test that asked a model, or checked one: what became of it, and its checks in order.

    `outcome` is passed, failed or skipped, or error where it was not the test itself that failed. `seconds` are those
    of the phase that decided: the call, or the setup that failed. `text` is what pytest shows of a failure, be it a
    check's or the body's.
    """

    id: str
    outcome: str
    seconds: float
    text: str
    checks: tuple[CheckResult, ...]
