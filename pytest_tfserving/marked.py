"""Test functions with markers: their golden cases as parameters, and their checks, which run before the body."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_tfserving.errors import ContractWarning, SpecError, TFServingError
from pytest_tfserving.fixtures import RESULTS, SESSION, requested
from pytest_tfserving.report.results import CheckResult
from pytest_tfserving.usage import USAGE

if TYPE_CHECKING:
    from pytest_tfserving.contracts.golden_items import GoldenItem

_GOLDEN = "tfserving_golden_case"


def parametrize_goldens(metafunc: pytest.Metafunc) -> None:
    """A test with golden markers is one test a case and transport; what cannot be read is a test that says so."""
    definition = metafunc.definition
    goldens = list(definition.iter_markers("tfserving_golden"))
    if not goldens:
        return
    from pytest_tfserving.contracts.golden_items import GoldenItem, find_golden_items
    from pytest_tfserving.markers import golden_request

    metafunc.fixturenames.append(_GOLDEN)  # pytest parametrizes only what a test is known to use
    transports = metafunc.config.stash[SESSION].settings.transports
    items = []
    for mark in goldens:
        try:
            items += find_golden_items([golden_request(mark, definition.path.parent)], transports)
        except SpecError as error:
            items.append(GoldenItem("golden", None, str(error)))
    metafunc.parametrize(_GOLDEN, items, ids=[item.id for item in items])


def golden_of(item: pytest.Item) -> GoldenItem | None:
    """The golden case that a test function was parametrized with."""
    golden: GoldenItem | None = item.callspec.params.get(_GOLDEN) if hasattr(item, "callspec") else None
    return golden


def run_marked_checks(item: pytest.Function) -> None:
    """Runs the checks of a test's markers; fails it with the texts of all that do not hold."""
    __tracebackhide__ = True
    marks = [mark for mark in item.iter_markers() if mark.name in USAGE and mark.name != "tfserving"]
    if not marks:
        return
    from pytest_tfserving.assertions.run import run_check
    from pytest_tfserving.assertions.subject import Subject
    from pytest_tfserving.contracts.checks import SignatureCheck
    from pytest_tfserving.markers import checks_of

    golden = golden_of(item)
    session = item.config.stash[SESSION]
    failures: list[str | None] = []
    try:
        checks = checks_of(marks, item.path.parent)
        expected = [check.expected for check in checks if isinstance(check, SignatureCheck)]
        subject = Subject(session, requested(item, session), expected, item.nodeid)
    except TFServingError as error:
        failures.append(f"{type(error).__name__}: {error}")
    else:
        failures += [run_check(subject, check) for check in checks]
        if golden is not None:
            failures.append(run_check(subject, golden.check) if golden.check else golden.problem)
            if golden.problem:
                subject.results.append(CheckResult("golden", subject.name, golden.id, None, "failed", golden.problem))
        item.stash[RESULTS] = subject.results
        for note in subject.notes:
            item.warn(ContractWarning(note))
    text = "\n\n".join(failure for failure in failures if failure)
    if text:
        pytest.fail(text, pytrace=False)
