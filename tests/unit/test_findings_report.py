"""Findings as text, JSON, annotations of GitHub Actions and JUnit XML."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree

import pytest

from pytest_tfserving.findings import Acceptance, Finding, Policy, Verdict
from pytest_tfserving.report.ci import findings_github, findings_json, findings_junit
from pytest_tfserving.report.findings import compatibility_failure, findings_text, lint_failure
from pytest_tfserving.rules import compatibility as rules

RENAMED = Finding.of(
    rules.INPUT_RENAMED,
    "input x (int32[?, 10]) is called inputs (float32[?, 10]) now: requests that send x are refused; send inputs",
    signature="serving_default", side="input", tensor="x", old="x", new="inputs",
)  # fmt: skip
RETYPED = Finding.of(
    rules.OUTPUT_DTYPE_CHANGED, "output y was int32[] and is float32[]: look", signature="a", side="output", tensor="y",
    old="int32[]", new="float32[]",
)  # fmt: skip
WIDENED = Finding.of(rules.OUTPUT_SHAPE_WIDENED, "output z was float32[3]", signature="a", side="output", tensor="z")
ADDED = Finding.of(rules.SIGNATURE_ADDED, "signature b is new", signature="b")

VERDICT = Policy(
    accepted=(
        Acceptance("output-dtype-changed", "no client reads y", tensor="y"),
        Acceptance("input-removed", "long ago", "a", "w"),
    )
).judge([ADDED, RETYPED, WIDENED, RENAMED])
CLEAN = Policy().judge([])
HOSTILE = Policy().judge(
    [
        Finding.of(
            rules.SIGNATURE_REMOVED, "signature \x1b[31m\n::error::\x00\udc80 50% is gone", signature="\x1b[31m\n\x00:,"
        )
    ]
)


class TestText:
    def test_findings_that_matter_their_reasons_and_a_count(self):
        assert findings_text(VERDICT, width=76) == (
            "breaking: output-dtype-changed at a.outputs.y\n"
            "    output y was int32[] and is float32[]: look\n"
            "    accepted: no client reads y\n"
            "\n"
            "breaking: input-renamed at serving_default.inputs.x\n"
            "    input x (int32[?, 10]) is called inputs (float32[?, 10]) now: requests\n"
            "    that send x are refused; send inputs\n"
            "\n"
            "risky: output-shape-widened at a.outputs.z\n"
            "    output z was float32[3]\n"
            "\n"
            "accepted, but not found: input-removed at a.w\n"
            "    remove it: long ago\n"
            "\n"
            "1 breaking, 1 risky, 1 safe (not shown), 1 accepted"
        )

    def test_the_safe_ones_on_demand(self):
        text = findings_text(VERDICT, safe=True)
        assert "safe: signature-added at b\n    signature b is new\n" in text
        assert text.endswith("1 breaking, 1 risky, 1 safe, 1 accepted")

    def test_a_safe_one_that_fails_is_shown(self):
        assert findings_text(Policy("safe").judge([ADDED])).startswith("safe: signature-added at b\n")

    def test_nothing(self):
        assert findings_text(CLEAN) == "no findings"

    def test_a_name_cannot_act_on_the_terminal(self):
        text = findings_text(HOSTILE)
        assert all(line.isprintable() for line in text.split("\n"))
        assert "\\x1b[31m\\n" in text


class TestFailureOfATest:
    def test_compatibility(self):
        assert compatibility_failure(VERDICT, "half_plus_two", {"baseline": "exports/1", "export": "exports/2"}) == (
            "half_plus_two breaks clients of its baseline: 1 breaking, 1 risky, 1 safe, 1 accepted\n"
            "\n"
            "breaking: input-renamed at serving_default.inputs.x\n"
            "    input x (int32[?, 10]) is called inputs (float32[?, 10]) now: requests that send x are refused;\n"
            "    send inputs\n"
            "\n"
            "accepted, but not found: input-removed at a.w\n"
            "    remove it: long ago\n"
            "\n"
            "baseline: exports/1\n"
            "export: exports/2\n"
            'fails on breaking findings; to accept one: {rule = "input-renamed", signature = "serving_default", '
            'tensor = "x", reason = "..."} among accepted'
        )

    def test_lint(self):
        text = lint_failure(Policy().judge([RENAMED]), "half_plus_two", {"export": "exports/2"})
        assert text.startswith("half_plus_two will hurt when it is served: 1 breaking\n\nbreaking: input-renamed at ")

    def test_hundreds_are_cut(self):
        findings = [
            Finding.of(rules.SIGNATURE_REMOVED, f"signature s{i} is gone", signature=f"s{i}") for i in range(500)
        ]
        text = compatibility_failure(Policy().judge(findings), "m", {})
        assert "... and 470 more" in text and "s29 is gone" in text and "s30 is gone" not in text


class TestJson:
    def test_every_finding_with_what_it_is(self):
        document = json.loads(findings_json(VERDICT, {"old": "exports/1", "new": "exports/2"}))
        assert list(document) == ["old", "new", "holds", "fail_on", "findings", "unused"]
        assert (document["old"], document["holds"], document["fail_on"]) == ("exports/1", False, "breaking")
        assert document["findings"][1] == {
            "rule": "input-renamed", "level": "breaking", "fails": True, "direction": "request",
            "signature": "serving_default", "side": "input", "tensor": "x", "old": "x", "new": "inputs",
            "sentence": RENAMED.sentence, "accepted": None,
        }  # fmt: skip
        assert [finding["accepted"] for finding in document["findings"]] == ["no client reads y", None, None, None]
        assert document["unused"] == [{"rule": "input-removed", "signature": "a", "tensor": "w", "reason": "long ago"}]

    @pytest.mark.parametrize("verdict", [CLEAN, HOSTILE])
    def test_it_is_json_whatever_the_names(self, verdict):
        assert json.loads(findings_json(verdict, {}).encode())["holds"] == verdict.holds


class TestGithub:
    def test_a_command_a_finding(self):
        assert findings_github(VERDICT, "exports/2/saved_model.pb").split("\n") == [
            "::notice file=exports/2/saved_model.pb,title=output-dtype-changed a.outputs.y::output y was int32[] and is "
            "float32[]: look. Accepted: no client reads y",
            f"::error file=exports/2/saved_model.pb,title=input-renamed serving_default.inputs.x::{RENAMED.sentence}",
            "::warning file=exports/2/saved_model.pb,title=output-shape-widened a.outputs.z::output z was float32[3]",
            "::notice file=exports/2/saved_model.pb,title=signature-added b::signature b is new",
            "::warning title=input-removed::input-removed is accepted (long ago), but was not found: remove it",
        ]

    def test_without_a_file(self):
        assert findings_github(Policy().judge([ADDED]), None) == "::notice title=signature-added b::signature b is new"

    def test_escapes(self):
        line = findings_github(HOSTILE, "a,b:c%\r\n")
        assert "\n" not in line and "\r" not in line
        assert line.startswith(
            "::error file=a%2Cb%3Ac%25%0D%0A,title=signature-removed \x1b[31m%0A\x00%3A%2C::signature"
        )
        assert "%0A::error::" in line and "50%25" in line


class TestJunit:
    def suite(self, verdict: Verdict) -> ElementTree.Element:
        root = ElementTree.fromstring(findings_junit(verdict, "diff a b").encode())
        assert root.tag == "testsuites"
        [suite] = root
        return suite

    def test_a_case_a_finding(self):
        suite = self.suite(VERDICT)
        assert suite.attrib == {
            "name": "diff a b", "tests": "4", "failures": "1", "errors": "0", "skipped": "1", "time": "0",
        }  # fmt: skip
        assert [(case.get("name"), [child.tag for child in case]) for case in suite] == [
            ("output-dtype-changed a.outputs.y", ["skipped"]),
            ("input-renamed serving_default.inputs.x", ["failure"]),
            ("output-shape-widened a.outputs.z", ["system-out"]),
            ("signature-added b", ["system-out"]),
        ]
        failure = suite[1][0]
        assert (failure.get("message"), failure.get("type")) == (RENAMED.sentence, "input-renamed")
        assert rules.INPUT_RENAMED.remedy in failure.text
        assert suite[0][0].get("message") == "accepted: no client reads y"

    def test_nothing_found_is_a_case_that_passed(self):
        suite = self.suite(CLEAN)
        assert suite.get("tests") == "1" and [(case.get("name"), len(case)) for case in suite] == [("no findings", 0)]

    def test_it_is_xml_whatever_the_names(self):
        [case] = self.suite(HOSTILE)
        assert case.get("name") == "signature-removed \ufffd[31m\n\ufffd:,"
