"""Runs a check of any kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytest_tfserving.assertions.subject import Subject
from pytest_tfserving.contracts import checks
from pytest_tfserving.errors import TFServingError


def run_check(subject: Subject, check: checks.Check) -> str | None:
    """The text of the check's failure, or None where it holds. What cannot be checked at all fails too."""
    try:
        return _assertion(check)(subject, check)
    except TFServingError as error:
        return f"{type(error).__name__}: {error}"


def _assertion(check: checks.Check) -> Callable[[Subject, Any], str | None]:
    """A kind of check is loaded when there is one: numpy and hypothesis are for those that send requests."""
    match check:
        case checks.SignatureCheck():
            from pytest_tfserving.assertions.signature import check_signature

            return check_signature
        case checks.GoldenCheck():
            from pytest_tfserving.assertions.golden import check_golden

            return check_golden
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
