"""pytest's hooks. What they do is elsewhere; nothing here is loaded further than pytest itself has been."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_tfserving.contracts import SUFFIX
from pytest_tfserving.errors import Code, SpecError, TFServingError
from pytest_tfserving.fixtures import (
    SESSION,
    tfserving_fixture,
    tfserving_golden,
    tfserving_grpc,
    tfserving_rest,
    tfserving_server,
)
from pytest_tfserving.golden_uses import GoldenUses
from pytest_tfserving.marked import parametrize_goldens, run_marked_checks
from pytest_tfserving.options import OPTIONS, Settings
from pytest_tfserving.report.recording import recorded_lines, removed_lines, unused_lines
from pytest_tfserving.session import Session
from pytest_tfserving.usage import USAGE

if TYPE_CHECKING:
    from pytest_tfserving.collect import ContractFile
    from pytest_tfserving.endpoint import Endpoint
    from pytest_tfserving.served import Served

__all__ = ["tfserving_fixture", "tfserving_golden", "tfserving_grpc", "tfserving_rest", "tfserving_server"]

_RUN_KEY = "tfserving_run"
_REPORTING = "tfserving-reporting"
# A process that has closed its connections is gone a moment later, or writes its core for longer.
_SECONDS_TO_END = 1.0
# Servers that were not gone then: one that says UNAVAILABLE of itself may say it to hundreds of tests.
_WAITED_FOR: pytest.StashKey[set[Endpoint]] = pytest.StashKey()

_ASKING = frozenset(name for name, usage in USAGE.items() if usage.asks_server)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("tfserving", "contract tests for served TensorFlow models")
    for option in OPTIONS:
        settings: dict[str, Any] = {"dest": option.ini, "default": None, "help": option.help}
        if option.choices:
            settings["choices"] = option.choices
        elif option.metavar:
            settings["metavar"] = option.metavar
        if option.repeatable:
            settings["action"] = "append"
        if option.is_flag:
            settings |= {"action": "store_const", "const": "true"}
        if option.when_bare:
            settings |= {"nargs": "?", "const": option.when_bare}
        group.addoption(option.flag, **settings)
        if option.repeatable:
            parser.addini(option.ini, option.help, type="args")
        else:
            parser.addini(option.ini, option.help)


def pytest_configure(config: pytest.Config) -> None:
    for usage in USAGE.values():
        config.addinivalue_line("markers", usage.line)
    try:
        settings = Settings.resolve(
            lambda option: config.getoption(option.ini), lambda option: config.getini(option.ini) or None
        )
    except SpecError as error:
        raise pytest.UsageError(str(error)) from None
    _refuse_in_ci(settings)
    run = getattr(config, "workerinput", {}).get(_RUN_KEY)
    where = Path(run) if run else None
    session = Session(settings, lambda line: _say(config, line), where, config.get_verbosity())
    config.stash[SESSION] = session
    config.pluginmanager.register(GoldenUses(session))
    if session.wants_results or config.getoption("xmlpath", None):
        from pytest_tfserving.reporting import Reporting

        try:
            config.pluginmanager.register(Reporting(config, session), _REPORTING)
        except SpecError as error:
            raise pytest.UsageError(str(error)) from None


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """pytest-xdist's controller: a worker learns which run it belongs to."""
    node.workerinput[_RUN_KEY] = str(node.config.stash[SESSION].run.directory)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """pytest-xdist's controller: what a worker counted and recorded; one that crashed hands nothing over."""
    plain = getattr(node, "workeroutput", {}).get("tfserving")
    if plain:
        node.config.stash[SESSION].merge(plain)
    else:
        node.config.stash[SESSION].worker_crashed = True


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> ContractFile | None:
    if not file_path.name.endswith(SUFFIX):
        return None
    from pytest_tfserving.collect import ContractFile

    file: ContractFile = ContractFile.from_parent(parent, path=file_path)
    return file


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    parametrize_goldens(metafunc)


def pytest_itemcollected(item: pytest.Item) -> None:
    """The markers' assertions need the server as if the test had asked for it."""
    names = getattr(item, "fixturenames", None)
    if names is not None and "tfserving" not in names and any(mark.name in _ASKING for mark in item.iter_markers()):
        names.append("tfserving")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Markers assert before the test's body runs."""
    run_marked_checks(pyfuncitem)
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that failed because its server is gone says so, with the server's last words."""
    report = yield
    if report.when == "call" and report.failed:
        waited_for = item.config.stash.setdefault(_WAITED_FOR, set())
        try:
            for endpoint, served in {served.endpoint: served for served in _served_to(item)}.items():
                waits = Code.UNAVAILABLE.name in report.longreprtext and endpoint not in waited_for
                served.check_alive(within=_SECONDS_TO_END if waits else 0.0)
                waited_for |= {endpoint} if waits else set()
        except TFServingError as error:
            report.sections.append(("tfserving server", str(error)))
    return report


def _served_to(item: pytest.Item) -> list[Served]:
    """What a test may have asked: the model of its marker or contract, or all that the factory has served."""
    arguments = getattr(item, "funcargs", {})
    if "tfserving" in arguments:
        return [arguments["tfserving"]]
    if "tfserving" in getattr(item, "fixturenames", ()) and hasattr(item, "subject"):
        return item.config.stash[SESSION].serving.served_to(item.subject.request)
    if "tfserving_server" in getattr(item, "fixturenames", ()):
        return item.config.stash[SESSION].serving.everything_served()
    return []


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Servers start as soon as it is known which of them the run wants."""
    if any("tfserving" in getattr(item, "fixturenames", ()) for item in session.items):
        from pytest_tfserving.planning import plan_servers

        plan_servers(session)


def pytest_report_collectionfinish(config: pytest.Config, items: list[pytest.Item]) -> list[str]:
    if not any("tfserving" in getattr(item, "fixturenames", ()) for item in items):
        return []
    session = config.stash[SESSION]
    try:
        return [f"tfserving: {session.serving.choice}"]
    except TFServingError as error:
        return [f"tfserving: {error}"]


@pytest.hookimpl(tryfirst=True)  # junitxml writes its file in this hook, and is told what served first
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    ours = session.config.stash[SESSION]
    worker_output = getattr(session.config, "workeroutput", None)
    if worker_output is not None:
        worker_output["tfserving"] = ours.to_plain()
        return
    ours.finish(
        write=exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED),
        root=session.config.rootpath,
        passed_over=session.config.getini("norecursedirs"),
    )
    if ours.unused_candidates or ours.not_removed or (ours.written and ours.written.refused):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    reporting = session.config.pluginmanager.get_plugin(_REPORTING)
    if reporting:
        reporting.finish(session)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    session = config.stash[SESSION]
    wants_removal = session.settings.remove_unused
    says_nothing = not session.unused and not wants_removal
    says_nothing &= not session.report_lines and not session.written and not session.why_none_recorded
    if not session.tally.models and not session.unused_candidates and says_nothing:
        return
    terminalreporter.section("tfserving")
    for choice, software in session.tally.backends.items():
        terminalreporter.line(f"served by {choice}: {software}")
    for model, words in session.tally.by_model().items():
        terminalreporter.line(f"  {model}: {', '.join(words)}")
    for line in session.tally.measured:
        terminalreporter.line(f"  {line}")
    for name in session.unused_candidates:
        known = ", ".join(sorted(session.tally.models))
        terminalreporter.line(f"--tfserving-model {name}=...: no test asked for that model, only for {known}", red=True)
    lines = [
        *recorded_lines(session.written, session.why_none_recorded),
        *removed_lines(session.removed, session.not_removed, session.why_none_removed if wants_removal else ""),
        *unused_lines(session.unused, session.verbosity),
        *session.report_lines,
    ]
    for line, colour in lines:
        terminalreporter.line(line, **({colour: True} if colour else {}))


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    session = config.stash.get(SESSION, None)
    if session is not None:
        session.close()


def _refuse_in_ci(settings: Settings) -> None:
    flags = {"--tfserving-update": settings.update, "--tfserving-remove-unused": settings.remove_unused}
    given = " and ".join(flag for flag, value in flags.items() if value)
    if given and not settings.update_in_ci:
        from pytest_tfserving.golden.in_ci import why_refused

        reason = why_refused(given, os.environ)
        if reason:
            raise pytest.UsageError(reason)


def _say(config: pytest.Config, line: str) -> None:
    """Shows a line at once, although output is captured; a worker of pytest-xdist shares the terminal's stderr."""
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture is None:
        print(f"tfserving: {line}", file=sys.stderr, flush=True)
        return
    with capture.global_and_fixture_disabled():
        print(f"tfserving: {line}", file=sys.stderr, flush=True)
