"""Asserts that a golden case is answered as recorded, or as a baseline answers it."""

from __future__ import annotations

from pytest_tfserving.assertions.golden_case import GoldenCases
from pytest_tfserving.assertions.subject import Subject
from pytest_tfserving.contracts.checks import GoldenCheck


def check_golden(subject: Subject, check: GoldenCheck) -> str | None:
    """Sends a golden case and compares the answer, or collects it to be recorded."""
    cases = GoldenCases(subject, check)
    return cases.judge(check.case, cases.send(check.case, cases.client, cases.baseline))
