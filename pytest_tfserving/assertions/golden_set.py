"""Asserts that the cases of a set are answered as recorded, together."""

from __future__ import annotations

from pytest_tfserving.assertions.subject import Subject
from pytest_tfserving.contracts.checks import GoldenSetCheck


def check_golden_set(subject: Subject, check: GoldenSetCheck) -> str | None:
    """Sends the cases, several at a time, and judges each of them and all of them together."""
    raise NotImplementedError(f"{subject.name}: {check.name}")
