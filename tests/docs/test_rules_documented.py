"""docs/rules.md is what the table of rules gives, and every rule is in it with all that a reader needs."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from pytest_tfserving.rules.compatibility import COMPATIBILITY_RULES
from pytest_tfserving.rules.lint import LINT_RULES
from pytest_tfserving.rules.rule import LEVELS
from pytest_tfserving.rules.table import RULES
from tests.conftest import ROOT
from tests.unit.test_compatibility import all_findings
from tools.write_rules import GROUPS, direction_of, page

PAGE = ROOT / "docs" / "rules.md"


def test_the_page_is_what_the_table_gives():
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python tools/write_rules.py"


def test_check_passes():
    command = [sys.executable, "tools/write_rules.py", "--check"]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def test_every_rule_is_in_one_group():
    grouped = [rule for _, _, rules in GROUPS for rule in rules]
    assert sorted(grouped) == sorted(RULES.values())
    assert len({rule.id for rule in (*COMPATIBILITY_RULES, *LINT_RULES)}) == len(grouped), "an id is used twice"


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)
def test_a_rule_says_what_why_and_what_to_do(rule):
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", rule.id)
    assert rule.level in LEVELS
    for text in (rule.title, rule.reason, rule.remedy):
        assert text.endswith(".") and text == " ".join(text.split()), text
    assert f"\n### {rule.id}\n" in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("rule", COMPATIBILITY_RULES, ids=lambda rule: rule.id)
def test_the_direction_is_that_of_its_findings(rule):
    found = {finding.direction or "request and response" for finding in all_findings() if finding.rule == rule}
    assert found <= {direction_of(rule)} or direction_of(rule) == "request and response"


def test_ids_that_the_page_names_exist():
    named = re.findall(
        r"`((?:input|output|signature|rest|batch|bytes)-[a-z-]+[a-z])`", PAGE.read_text(encoding="utf-8")
    )
    assert set(named) <= set(RULES)
