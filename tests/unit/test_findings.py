"""How findings are judged, and how a policy is written in markers, contracts and files."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_tfserving.contracts.accepted import read_accepted, read_policy
from pytest_tfserving.errors import SpecError
from pytest_tfserving.findings import Acceptance, Finding, Policy
from pytest_tfserving.rules import compatibility as rules

RENAMED = Finding.of(rules.INPUT_RENAMED, "x is gone", signature="a", side="input", tensor="x")
WIDENED = Finding.of(rules.OUTPUT_SHAPE_WIDENED, "y is open", signature="a", side="output", tensor="y")
ADDED = Finding.of(rules.SIGNATURE_ADDED, "b is new", signature="b")
ALL = (ADDED, WIDENED, RENAMED)


class TestPolicy:
    @pytest.mark.parametrize(
        ("fail_on", "failing"),
        [("breaking", (RENAMED,)), ("risky", (RENAMED, WIDENED)), ("safe", (RENAMED, WIDENED, ADDED))],
    )
    def test_a_level_and_what_matters_more_fails(self, fail_on, failing):
        verdict = Policy(fail_on).judge(ALL)
        assert verdict.failing == failing
        assert verdict.findings == (RENAMED, WIDENED, ADDED)
        assert not verdict.holds

    def test_nothing_fails_where_nothing_was_found(self):
        assert Policy("safe").judge(()).holds

    def test_levels_of_single_rules(self):
        verdict = Policy(
            severities={"input-renamed": "safe", "signature-added": "off", "output-shape-widened": "breaking"}
        ).judge(ALL)
        assert [(f.rule.id, f.level) for f in verdict.findings] == [
            ("output-shape-widened", "breaking"),
            ("input-renamed", "safe"),
        ]

    @pytest.mark.parametrize(
        ("acceptance", "covers"),
        [
            (Acceptance("input-renamed", "r"), True),
            (Acceptance("input-renamed", "r", signature="a"), True),
            (Acceptance("input-renamed", "r", signature="a", tensor="x"), True),
            (Acceptance("input-renamed", "r", signature="b"), False),
            (Acceptance("input-renamed", "r", tensor="z"), False),
            (Acceptance("input-removed", "r"), False),
        ],
    )
    def test_an_accepted_finding_is_kept_and_does_not_fail(self, acceptance, covers):
        verdict = Policy(accepted=(acceptance,)).judge([RENAMED])
        assert verdict.holds == covers
        assert [finding.accepted for finding in verdict.findings] == ["r" if covers else None]
        assert verdict.unused == (() if covers else (acceptance,))

    def test_a_finding_that_is_off_needs_no_acceptance(self):
        acceptance = Acceptance("input-renamed", "r")
        verdict = Policy(severities={"input-renamed": "off"}, accepted=(acceptance,)).judge([RENAMED])
        assert verdict.findings == () and verdict.unused == (acceptance,)


class TestFinding:
    @pytest.mark.parametrize(
        ("finding", "where", "direction"),
        [
            (RENAMED, "a.inputs.x", "request"),
            (WIDENED, "a.outputs.y", "response"),
            (ADDED, "b", None),
            (Finding.of(rules.SIGNATURE_ADDED, "?"), "", None),
        ],
    )
    def test_where(self, finding, where, direction):
        assert (finding.where, finding.direction) == (where, direction)


class TestReadPolicy:
    def test_nothing_said(self):
        assert read_policy({}, "[compatible]", Path()) == Policy()

    def test_everything_said(self):
        policy = read_policy(
            {
                "fail_on": "risky",
                "severities": {"output-added": "off", "method-changed": "breaking"},
                "accepted": [
                    {"rule": "output-renamed", "signature": "a", "tensor": "y", "reason": " gRPC clients moved "}
                ],
            },
            "[compatible]",
            Path(),
        )
        assert policy == Policy(
            "risky",
            {"output-added": "off", "method-changed": "breaking"},
            (Acceptance("output-renamed", "gRPC clients moved", "a", "y"),),
        )

    def test_a_file_of_accepted_findings_beside_the_contract(self, tmp_path):
        (tmp_path / "accepted.toml").write_text('[[accepted]]\nrule = "input-removed"\nreason = "nobody sent it"\n')
        policy = read_policy({"accepted": "accepted.toml"}, "[compatible]", tmp_path)
        assert policy.accepted == (Acceptance("input-removed", "nobody sent it"),)

    def test_values_in_a_marker(self):
        acceptance = Acceptance("input-removed", "nobody sent it")
        assert read_policy({"accepted": [acceptance]}, "tfserving_compatible", Path()).accepted == (acceptance,)

    @pytest.mark.parametrize(
        ("table", "message"),
        [
            ({"fail-on": "risky"}, "w: unknown key 'fail-on'; did you mean 'fail_on'?"),
            ({"fail_on": "brekaing"}, "w: fail_on: 'brekaing' is no level; levels are breaking, risky, safe; did you mean 'breaking'?"),
            ({"fail_on": 3}, "w: fail_on: 3 is no level"),
            ({"severities": ["output-added"]}, "w: severities: ['output-added'] is no table of rules and levels"),
            ({"severities": {"output-add": "off"}}, "w: severities: no such rule: 'output-add'; did you mean 'output-added'?"),
            ({"severities": {"output-added": "none"}}, "w: severities: output-added (a level, or 'off'): 'none' is no level"),
            ({"accepted": 3}, "w: accepted: 3 is no list of accepted findings"),
            ({"accepted": ["input-removed"]}, "w: accepted[0]: 'input-removed' is no accepted finding"),
            ({"accepted": [{"reason": "r"}]}, "w: accepted[0]: which rule?"),
            ({"accepted": [{"rule": "input-rename", "reason": "r"}]}, "w: accepted[0]: no such rule: 'input-rename'; did you mean 'input-renamed'?"),
            ({"accepted": [{"rule": "input-renamed"}]}, "w: accepted[0]: why is input-renamed accepted?"),
            ({"accepted": [{"rule": "input-renamed", "reason": "  "}]}, "w: accepted[0]: why is input-renamed accepted?"),
            ({"accepted": [{"rule": "input-renamed", "reason": 3}]}, "w: accepted[0]: reason is text, not 3"),
            ({"accepted": [{"rule": "input-renamed", "because": "r"}]}, "w: accepted[0]: unknown key 'because'"),
            ({"accepted": [{"rule": "input-renamed", "reson": "r"}]}, "w: accepted[0]: unknown key 'reson'; did you mean 'reason'?"),
        ],
    )  # fmt: skip
    def test_what_cannot_be_meant(self, table, message):
        with pytest.raises(SpecError) as error:
            read_policy(table, "w", Path())
        assert str(error.value).startswith(message)


class TestReadAccepted:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ('[[accept]]\nrule = "input-removed"\n', ":1: unknown key 'accept'; did you mean 'accepted'?"),
            (
                '[accepted]\nrule = "input-removed"\n',
                ":1: [accepted] is one table; write [[accepted]] for each finding",
            ),
            (
                '[[accepted]]\nrule = "input-removed"\nreason = "r"\n\n[[accepted]]\nrule = "input-removed"\n',
                ":5: why is input-removed accepted?",
            ),
            ("[[accepted]\n", ":1: "),
        ],
    )
    def test_errors_point_at_the_line(self, tmp_path, text, message):
        file = tmp_path / "accepted.toml"
        file.write_text(text)
        with pytest.raises(SpecError) as error:
            read_accepted(file)
        assert str(error.value).startswith(f"{file}{message}")

    def test_a_file_that_is_not_there(self, tmp_path):
        with pytest.raises(SpecError, match=r"nowhere\.toml cannot be read"):
            read_accepted(tmp_path / "nowhere.toml")

    def test_nothing_accepted(self, tmp_path):
        (tmp_path / "accepted.toml").write_text("# nothing so far\n")
        assert read_accepted(tmp_path / "accepted.toml") == ()
