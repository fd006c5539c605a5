"""All tests, as the page lists them: an anchor each, failures with their text, the others by file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pytest_tfserving.report.page import words

# Characters of one failure's text, and of all; what is beyond is cut, and the page says so.
MOST_OF_ONE = 20_000
MOST_TEXT = 400_000
_CUT = 150

# More failures than that are listed closed.
MOST_OPEN = 30


class Failure(NamedTuple):
    """A test that failed, or ended in an error. `checks` are its failed ones, in words."""

    anchor: str
    id: str
    outcome: str
    seconds: float
    text: str
    cut: bool
    checks: Sequence[str]
    open: bool


class Row(NamedTuple):
    """Any other test. `name` is its id without the file, `checked` what was checked, or why it was skipped."""

    anchor: str
    name: str
    seconds: float
    checked: str


class Group(NamedTuple):
    """Tests of one outcome, by file."""

    outcome: str
    size: int
    files: Sequence[tuple[str, Sequence[Row]]]


class Tests(NamedTuple):
    """`anchors` is by test id."""

    failures: Sequence[Failure]
    groups: Sequence[Group]
    anchors: Mapping[str, str]


def list_tests(tests: Sequence[Mapping[str, Any]], taken: Sequence[str]) -> Tests:
    """The document's tests; `taken` are ids that the page uses itself."""
    used = set(taken)
    anchors: dict[str, str] = {}
    failures: list[Failure] = []
    others: dict[str, dict[str, list[Row]]] = {}
    room = MOST_TEXT
    for test in tests:
        anchor = _unused(words.one_line(test["id"]), used)
        anchors.setdefault(test["id"], anchor)
        if test["outcome"] in ("failed", "error"):
            text = test["text"]
            kept = text[: MOST_OF_ONE if room > 0 else _CUT]
            room -= len(kept)
            failures.append(
                Failure(
                    anchor,
                    test["id"],
                    test["outcome"],
                    test["seconds"],
                    kept,
                    len(kept) < len(text),
                    [_in_words(check) for check in test["checks"] if check["status"] == "failed"],
                    len(failures) < MOST_OPEN,
                )
            )
            continue
        file, _, name = test["id"].partition("::")
        row = Row(anchor, name or file, test["seconds"], _checked(test))
        others.setdefault(test["outcome"], {}).setdefault(file, []).append(row)
    groups = [
        Group(outcome, sum(map(len, others[outcome].values())), [*others[outcome].items()])
        for outcome in sorted(others, key=lambda outcome: outcome != "passed")
    ]
    return Tests(failures, groups, anchors)


def kinds_of(models: Sequence[Mapping[str, Any]]) -> list[str]:
    """The kinds of checks that any model had, as columns of a table."""
    return [*dict.fromkeys(check["kind"] for model in models for check in model["checks"])]


def _unused(anchor: str, used: set[str]) -> str:
    """An id of the page is unique: a test that was run again gets a number."""
    found, number = anchor, 1
    while found in used:
        number += 1
        found = f"{anchor}~{number}"
    used.add(found)
    return found


def _in_words(check: Mapping[str, Any]) -> str:
    transport = f" over {words.TRANSPORTS.get(check['transport'], check['transport'])}" if check["transport"] else ""
    return f"{check['kind']} {check['about']} of {check['model']}{transport}"


def _checked(test: Mapping[str, Any]) -> str:
    if test["text"]:
        return words.one_line(test["text"].strip().splitlines()[-1])[:200] if test["text"].strip() else ""
    counts = Counter(check["kind"] + (" recorded" if check["status"] == "recorded" else "") for check in test["checks"])
    return ", ".join(
        kind if times == 1 else f"{kind} \N{MULTIPLICATION SIGN} {times}" for kind, times in counts.items()
    )
