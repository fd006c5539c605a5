"""Asserts that a model has a signature."""

from __future__ import annotations

from pytest_tfserving.assertions.subject import Subject
from pytest_tfserving.contracts.check import compare_signature
from pytest_tfserving.contracts.checks import SignatureCheck
from pytest_tfserving.report.terminal import signature_failure


def check_signature(subject: Subject, check: SignatureCheck) -> str | None:
    """Compares a signature with the export's and with the server's."""
    served, expected = subject.served, check.expected
    sources = {"export": served.export_schema} if served.export_schema else {}
    comparison = compare_signature(expected, {**sources, "server": served.schema})
    subject.note(f"signature {expected.name}", held=comparison.holds)
    if comparison.holds:
        return None
    where = {"server": f"{served.endpoint} ({served.backend})"}
    if served.export_directory:
        where = {"export": str(served.export_directory), **where}
    return signature_failure(comparison, served.name, where)
