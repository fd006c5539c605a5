"""Runs a check of any kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytest_tfserving.assertions.subject import Subject
from pytest_tfserving.contracts import checks
from pytest_tfserving.errors import TFServingError
from pytest_tfserving.files import shown
from pytest_tfserving.report.results import CheckResult, Status
from pytest_tfserving.report.totals import Totals


def run_check(subject: Subject, check: checks.Check) -> str | None:
    """The text of the check's failure, or None where it holds. What cannot be checked at all fails too.

    The subject's `results` get one more.
    """
    subject.evidence, subject.latency, subject.recorded = Totals(), None, False
    try:
        failure = _assertion(check)(subject, check)
    except TFServingError as error:
        failure = f"{type(error).__name__}: {error}"
    kind, about, transport = _what(check)
    status: Status = "failed" if failure else "recorded" if subject.recorded else "held"
    evidence = list(subject.evidence)  # what travels between processes is no class of ours
    subject.results.append(
        CheckResult(kind, subject.name, about, transport, status, failure or "", evidence, subject.latency)
    )
    return failure


def _what(check: checks.Check) -> tuple[str, str, str | None]:
    """A check's kind, what it is about, and its transport."""
    match check:
        case checks.SignatureCheck():
            return "signature", check.expected.name, None
        case checks.GoldenCheck():
            return ("request" if check.inline else "golden"), check.case.where, check.transport
        case checks.GoldenSetCheck():
            return "golden", check.name, check.transport
        case checks.CompatibleCheck():
            return "compatible", shown(check.baseline), None
        case checks.LintCheck():
            return "lint", "", None
        case checks.PropertiesCheck():
            return "properties", check.promises.signature, None
        case checks.GeneratedCheck():
            return "generated", check.promises.signature, None
        case checks.LatencyCheck():
            return "latency", check.signature, check.transport


def _assertion(check: checks.Check) -> Callable[[Subject, Any], str | None]:
    """A kind of check is loaded when there is one: numpy and hypothesis are for those that send requests."""
    match check:
        case checks.SignatureCheck():
            from pytest_tfserving.assertions.signature import check_signature

            return check_signature
        case checks.GoldenCheck():
            from pytest_tfserving.assertions.golden import check_golden

            return check_golden
        case checks.GoldenSetCheck():
            from pytest_tfserving.assertions.golden_set import check_golden_set

            return check_golden_set
        case checks.CompatibleCheck():
            from pytest_tfserving.assertions.export import check_compatible

            return check_compatible
        case checks.LintCheck():
            from pytest_tfserving.assertions.export import check_lint

            return check_lint
        case checks.PropertiesCheck():
            from pytest_tfserving.assertions.properties import check_properties

            return check_properties
        case checks.GeneratedCheck():
            from pytest_tfserving.assertions.generated import check_generated

            return check_generated
        case checks.LatencyCheck():
            from pytest_tfserving.assertions.latency import check_latency

            return check_latency
