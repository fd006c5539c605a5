"""Findings as people read them: on a terminal, and in a failing test's report. ci.py has the forms for machines."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from pytest_tfserving.findings import Acceptance, Finding, Verdict
from pytest_tfserving.rules.rule import LEVELS

_WIDTH = 100
_INDENT = "    "

# A test's report with hundreds of findings is not read; the first ones say what happened.
_MOST_IN_A_REPORT = 30


def findings_text(verdict: Verdict, *, safe: bool = False, width: int = _WIDTH) -> str:
    """All findings, a paragraph each, then a line that counts them. Safe ones are only counted unless `safe`.

    A finding that was accepted stands with its reason; an acceptance that nothing needed is named.
    """
    shown = [finding for finding in verdict.findings if safe or finding.level != "safe" or verdict.fails(finding)]
    lines = list(_paragraphs(shown, width))
    lines += _unused(verdict.unused, width)
    return "\n".join([*lines, findings_summary(verdict, hidden=len(verdict.findings) - len(shown))])


def findings_summary(verdict: Verdict, hidden: int = 0) -> str:
    """`2 breaking, 1 risky, 3 safe (not shown), 1 accepted`, or `no findings`."""
    counts = []
    for level in LEVELS:
        count = sum(finding.level == level and finding.accepted is None for finding in verdict.findings)
        if count:
            counts.append(f"{count} {level}" + (" (not shown)" if hidden and level == "safe" else ""))
    accepted = sum(finding.accepted is not None for finding in verdict.findings)
    return ", ".join(counts + ([f"{accepted} accepted"] if accepted else [])) or "no findings"


def compatibility_failure(verdict: Verdict, model: str, where: Mapping[str, str]) -> str:
    """What a failing test says of a model that its baseline's clients cannot go on with.

    `where` says what each side is: {"baseline": "exports/1", "export": "exports/2"}.
    """
    return _failure(f"{model} breaks clients of its baseline", verdict, where)


def lint_failure(verdict: Verdict, model: str, where: Mapping[str, str]) -> str:
    """What a failing test says of an export that will hurt when it is served."""
    return _failure(f"{model} will hurt when it is served", verdict, where)


def printable(text: str) -> str:
    """Text with escapes for what a terminal would act on: names come from files that anybody may have written."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _failure(head: str, verdict: Verdict, where: Mapping[str, str]) -> str:
    failing = verdict.failing
    shown = failing[:_MOST_IN_A_REPORT]
    lines = [f"{head}: {findings_summary(verdict)}", "", *_paragraphs(shown, _WIDTH)]
    if len(failing) > len(shown):
        lines += [f"... and {len(failing) - len(shown)} more", ""]
    lines += _unused(verdict.unused, _WIDTH)
    lines += [f"{source}: {text}" for source, text in where.items()]
    first = failing[0]
    place = [f'signature = "{first.signature}"'] if first.signature else []
    place += [f'tensor = "{first.tensor}"'] if first.tensor else []
    entry = printable(", ".join([f'rule = "{first.rule.id}"', *place, 'reason = "..."']))
    lines += [f"fails on {verdict.fail_on} findings; to accept one: {{{entry}}} among accepted"]
    return "\n".join(lines)


def _paragraphs(findings: Sequence[Finding], width: int) -> Iterator[str]:
    for finding in findings:
        place = finding.where or "the model"
        yield printable(f"{finding.level}: {finding.rule.id} at {place}")
        yield from _wrapped(finding.sentence, width)
        if finding.accepted is not None:
            yield from _wrapped(f"accepted: {finding.accepted}", width)
        yield ""


def _unused(unused: Sequence[Acceptance], width: int) -> Iterator[str]:
    for acceptance in unused:
        place = ".".join(part for part in (acceptance.signature, acceptance.tensor) if part)
        what = acceptance.rule + (f" at {place}" if place else "")
        yield printable(f"accepted, but not found: {what}")
        yield from _wrapped(f"remove it: {acceptance.reason}", width)
        yield ""


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(
        printable(text), width, initial_indent=_INDENT, subsequent_indent=_INDENT,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
