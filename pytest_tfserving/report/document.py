"""What a run checked and what moved, as one plain document: --tfserving-json writes it, page/ renders it.

    {"format": 1,
     "run": {"started", "seconds", "command", "exit_status", "plugin", "python", "backends", "environment", "counts"},
     "models": [{"name", "checks": [{"kind", "held", "failed", "recorded"}]}],
     "tests": [{"id", "outcome", "seconds", "text", "checks": [{"kind", "model", "about", "transport", ...}]}],
     "moved": [an output each (moved.py)],
     "latencies": [a measurement each (measurements.py)],
     "goldens": {"recorded", "unchanged", "refused", "unused"}}

Its values are JSON's, and every number is finite; equal runs give equal documents, but for times, whichever process
ran a test.
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_tfserving.files import replaced
from pytest_tfserving.report.measurements import measurements_of
from pytest_tfserving.report.results import ItemResult

FORMAT = 1
OUTCOMES = ("passed", "failed", "skipped", "error")
_STATUSES = ("held", "failed", "recorded")


def build_document(
    items: Sequence[ItemResult],
    moved: Sequence[Mapping[str, Any]],
    run: Mapping[str, Any],
    goldens: Mapping[str, Any],
) -> dict[str, Any]:
    """The document of a run's tests, in their order.

    `run` has what only the run itself knows: started, seconds, command, exit_status, plugin, backends, environment.
    """
    outcomes = Counter(item.outcome for item in items)
    document = {
        "format": FORMAT,
        "run": {
            **run,
            "python": ".".join(map(str, sys.version_info[:3])),
            "counts": {outcome: outcomes[outcome] for outcome in OUTCOMES},
        },
        "models": _models(items),
        "tests": [_test(item) for item in items],
        "moved": list(moved),
        "latencies": measurements_of(items),
        "goldens": {"recorded": {}, "unchanged": {}, "refused": [], "unused": [], **goldens},
    }
    finite: dict[str, Any] = _finite(document)
    return finite


def write_json(document: Mapping[str, Any], file: Path) -> None:
    """Writes the document without its pictures, in one step; directories are made. Raises OSError."""
    text = json.dumps(_without_pictures(document), indent=1, ensure_ascii=False, allow_nan=False)
    write_file(file, text + "\n")


def write_file(file: Path, text: str) -> None:
    """Writes a report in one step; directories are made. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with replaced(file) as stream:
        # A test's id may hold what a file's name held that is no UTF-8; in JSON the escape is right, too.
        stream.write(text.encode("utf-8", "backslashreplace"))


def _models(items: Iterable[ItemResult]) -> list[dict[str, Any]]:
    counts: dict[str, dict[str, Counter[str]]] = {}
    for item in items:
        for check in item.checks:
            if check.model:  # values of a test's body may be of no model
                counts.setdefault(check.model, {}).setdefault(check.kind, Counter())[check.status] += 1

    def plain(kinds: Mapping[str, Counter[str]]) -> list[dict[str, Any]]:
        return [
            {"kind": kind, **{status: found[status] for status in _STATUSES}} for kind, found in sorted(kinds.items())
        ]

    return [{"name": model, "checks": plain(kinds)} for model, kinds in sorted(counts.items())]


def _test(item: ItemResult) -> dict[str, Any]:
    checks = [
        {
            "kind": check.kind,
            "model": check.model,
            "about": check.about,
            "transport": check.transport,
            "status": check.status,
            "text": check.text,
        }
        for check in item.checks
    ]
    return {"id": item.id, "outcome": item.outcome, "seconds": item.seconds, "text": item.text, "checks": checks}


def _finite(value: Any) -> Any:
    """The value with None for every number that JSON has not."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def _without_pictures(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with None for each picture: bytes are for people."""

    def plain(worst: Mapping[str, Any]) -> dict[str, Any]:
        inputs = [{**given, "picture": None} for given in worst["inputs"]]
        return {**worst, "inputs": inputs, "pictures": None}

    moved = [{**entry, "worst": [plain(worst) for worst in entry["worst"]]} for entry in document["moved"]]
    return {**document, "moved": moved}
