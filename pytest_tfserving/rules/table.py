"""All rules by id: what severities and accepted findings may name, and what docs/rules.md is written from."""

from __future__ import annotations

from difflib import get_close_matches

from pytest_tfserving.rules.compatibility import COMPATIBILITY_RULES
from pytest_tfserving.rules.lint import LINT_RULES
from pytest_tfserving.rules.rule import Rule

RULES: dict[str, Rule] = {rule.id: rule for rule in (*COMPATIBILITY_RULES, *LINT_RULES)}


def unknown_rule(rule_id: str) -> str:
    """What is said of an id that no rule has, with the nearest that one has.

    >>> unknown_rule("input-rename")
    "no such rule: 'input-rename'; did you mean 'input-renamed'? docs/rules.md lists them"
    """
    close = get_close_matches(rule_id, RULES, n=1)
    return f"no such rule: {rule_id!r}; {f'did you mean {close[0]!r}? ' if close else ''}docs/rules.md lists them"
