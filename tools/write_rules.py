"""Writes docs/rules.md from the table of rules in pytest_tfserving/rules, behind rules_introduction.md.

`python tools/write_rules.py` writes it, `--check` compares and writes nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pytest_tfserving.rules import compatibility
from pytest_tfserving.rules.lint import LINT_RULES
from pytest_tfserving.rules.rule import Rule

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "rules.md"
INTRODUCTION = ROOT / "tools" / "rules_introduction.md"


GROUPS: tuple[tuple[str, str, Sequence[Rule]], ...] = (
    (
        "Signatures",
        "Which function a request reaches.",
        compatibility.SIGNATURE_RULES,
    ),
    ("Inputs", "What a request sends.", compatibility.INPUT_RULES),
    ("Outputs", "What an answer gives.", compatibility.OUTPUT_RULES),
    (
        "The batch dimension",
        "The first dimension of inputs and outputs, open in most exports: one row an example.",
        compatibility.BATCH_RULES,
    ),
    (
        "REST",
        "How a signature as a whole can be called over REST. A change that is harmless for its tensor can end a form "
        "that all clients use: a second output gives the first one a name, a scalar output ends the row format.",
        compatibility.REST_RULES,
    ),
    ("Lint", "What will hurt when an export is served, whatever was there before.", LINT_RULES),
)


def page() -> str:
    """The text of docs/rules.md."""
    parts = [INTRODUCTION.read_text(encoding="utf-8")]
    for heading, introduction, rules in GROUPS:
        parts.append(f"## {heading}\n\n{introduction}\n")
        parts += [section(rule, direction_of(rule) if rules is not LINT_RULES else None) for rule in rules]
    return "\n".join(parts)


def section(rule: Rule, direction: str | None) -> str:
    """A rule's part of the page."""
    kind = f"`{rule.level}`" + (f", {direction}" if direction else "")
    other = "risky" if rule.level != "risky" else "breaking"
    return (
        f"### {rule.id}\n\n{rule.title} ({kind})\n\nWhy: {rule.reason}\n\nDo: {rule.remedy}\n\n"
        f'Set: `severities = {{ {rule.id} = "{other}" }}`, or `"off"`; '
        f'accept: `{{ rule = "{rule.id}", reason = "..." }}` among `accepted`.\n'
    )


def direction_of(rule: Rule) -> str:
    """What a client of a compatibility rule notices, as Finding.direction has it, in words."""
    words = set(rule.id.split("-"))
    if words & {"input", "request"}:
        return "request"
    if words & {"output", "answer", "bytes"}:
        return "response"
    return "request and response"


def main() -> int:
    """Writes the page, or with --check says whether it is what the table gives."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    text = page()
    if not parser.parse_args().check:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    print(f"{PAGE} is not what pytest_tfserving/rules gives; run: python tools/write_rules.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
