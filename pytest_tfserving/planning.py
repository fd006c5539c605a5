"""Which servers a run wants, as soon as its tests are collected: they start before the first test asks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest

from pytest_tfserving.contracts.checks import Baseline
from pytest_tfserving.errors import TFServingError
from pytest_tfserving.fixtures import SESSION, requested
from pytest_tfserving.marked import golden_of
from pytest_tfserving.serve_request import ServeRequest
from pytest_tfserving.session import Session


def plan_servers(session: pytest.Session) -> None:
    """Has the servers started that the collected tests ask for; none where pytest ends after the collection."""
    asking = [item for item in session.items if _wants_server(item)]
    if asking and not _runs_nothing(session):
        ours = session.config.stash[SESSION]
        ours.serving.plan(_requests_of(asking, ours))


def _wants_server(item: pytest.Item) -> bool:
    return "tfserving" in getattr(item, "fixturenames", ()) and item.get_closest_marker("skip") is None


def _runs_nothing(session: pytest.Session) -> bool:
    """Whether pytest ends after the collection: it was asked to show something, or a file cannot be collected."""
    only_shown = ("collectonly", "showfixtures", "show_fixtures_per_test", "setupplan")
    if any(session.config.getoption(name, False) for name in only_shown):
        return True
    return bool(session.testsfailed) and not session.config.getoption("continue_on_collection_errors", False)


def _requests_of(items: list[pytest.Item], session: Session) -> Iterator[ServeRequest]:
    """Each request of the items once, in their order. One that cannot be made is left out: the test itself says so."""
    found: dict[object, ServeRequest] = {}
    for item in items:
        of_contract: ServeRequest | None = getattr(item, "serve_request", None)
        mark = item.get_closest_marker("tfserving")
        key = of_contract or (id(mark), item.path.parent)  # a module has one mark for all of its tests
        baseline = _baseline_of(item)
        with suppress(TFServingError, OSError):
            if key not in found:
                found[key] = of_contract or requested(item, session)
                yield found[key]
            if baseline is not None and (key, baseline) not in found:
                found[key, baseline] = _request_beside(session, found[key], baseline)
                yield found[key, baseline]


def _baseline_of(item: pytest.Item) -> Baseline | None:
    """What a golden's test compares with, served beside its model."""
    golden = golden_of(item)
    return getattr(golden.check if golden else getattr(item, "check", None), "against", None)


def _request_beside(session: Session, request: ServeRequest, baseline: Baseline) -> ServeRequest:
    from pytest_tfserving.assertions.baseline import request_beside

    return request if session.settings.is_remote else request_beside(session.serving, request, baseline)
