"""Findings as machines read them: JSON, annotations of GitHub Actions, JUnit XML."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping

from pytest_tfserving.findings import Finding, Verdict
from pytest_tfserving.report.findings import findings_summary

# What XML 1.0 cannot hold, even escaped; lone surrogates cannot be encoded either.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def findings_json(verdict: Verdict, where: Mapping[str, str]) -> str:
    """One object: what was looked at (`where`), `holds`, `fail_on`, `findings` and acceptances that were `unused`."""
    document = {
        **where,
        "holds": verdict.holds,
        "fail_on": verdict.fail_on,
        "findings": [_plain(finding, verdict) for finding in verdict.findings],
        "unused": [
            {"rule": a.rule, "signature": a.signature, "tensor": a.tensor, "reason": a.reason} for a in verdict.unused
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()


def findings_github(verdict: Verdict, file: str | None) -> str:
    """A workflow command a finding, which GitHub shows beside `file` (a path in the repository), else in the log.

    What fails is an error, what is accepted or safe a notice, the rest a warning.
    Source: actions/toolkit, packages/core/src/command.ts (which characters are escaped).
    """
    lines = []
    for finding in verdict.findings:
        kind = "error" if verdict.fails(finding) else "warning"
        text = finding.sentence
        if finding.accepted is not None:
            kind, text = "notice", f"{text}. Accepted: {finding.accepted}"
        elif kind == "warning" and finding.level == "safe":
            kind = "notice"
        title = f"{finding.rule.id} {finding.where}".strip()
        properties = ([f"file={_property(file)}"] if file else []) + [f"title={_property(title)}"]
        lines.append(f"::{kind} {','.join(properties)}::{_data(text)}")
    for acceptance in verdict.unused:
        text = f"{acceptance.rule} is accepted ({acceptance.reason}), but was not found: remove it"
        lines.append(f"::warning title={_property(acceptance.rule)}::{_data(text)}")
    return "\n".join(lines)


def findings_junit(verdict: Verdict, suite: str) -> str:
    """A test suite with a case a finding: failed where it fails, skipped where it was accepted, else passed.

    Without findings it has one case that passed: CI systems take a suite of none for a mistake.
    """
    root = ElementTree.Element("testsuites")
    accepted = sum(finding.accepted is not None for finding in verdict.findings)
    counts = {
        "tests": len(verdict.findings) or 1, "failures": len(verdict.failing), "errors": 0, "skipped": accepted,
    }  # fmt: skip
    element = ElementTree.SubElement(
        root, "testsuite", {"name": _xml(suite), **{key: str(count) for key, count in counts.items()}, "time": "0"}
    )
    for finding in verdict.findings:
        case = _case(element, suite, f"{finding.rule.id} {finding.where}".strip())
        if finding.accepted is not None:
            ElementTree.SubElement(case, "skipped", message=_xml(f"accepted: {finding.accepted}"))
        elif verdict.fails(finding):
            failure = ElementTree.SubElement(case, "failure", message=_xml(finding.sentence), type=finding.rule.id)
            failure.text = _xml(f"{finding.level}: {finding.sentence}\n{finding.rule.reason}\n{finding.rule.remedy}")
        else:
            ElementTree.SubElement(case, "system-out").text = _xml(f"{finding.level}: {finding.sentence}")
    if not verdict.findings:
        _case(element, suite, findings_summary(verdict))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode")


def _plain(finding: Finding, verdict: Verdict) -> dict[str, object]:
    return {
        "rule": finding.rule.id,
        "level": finding.level,
        "fails": verdict.fails(finding),
        "direction": finding.direction,
        "signature": finding.signature,
        "side": finding.side,
        "tensor": finding.tensor,
        "old": finding.old,
        "new": finding.new,
        "sentence": finding.sentence,
        "accepted": finding.accepted,
    }


def _case(suite: ElementTree.Element, classname: str, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", {"classname": _xml(classname), "name": _xml(name), "time": "0"})


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
