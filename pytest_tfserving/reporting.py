"""pytest's hooks for what is told of a run: results travel with tests' reports, and one process writes them at the end.

It is registered only where something is to be told; a run without costs nothing.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Generator

import pytest

from pytest_tfserving.errors import TFServingError
from pytest_tfserving.fixtures import RESULTS, SESSION, requested
from pytest_tfserving.report.junit import properties_of_suite, properties_of_test
from pytest_tfserving.report.results import CheckResult, ItemResult
from pytest_tfserving.report.run_report import RunReport, Targets
from pytest_tfserving.session import Session

# What a server said last, in the report of a test that lost it.
SERVER_SECTION = "tfserving server"
_NOTED = pytest.StashKey[bool]()
_OUTCOMES = ("passed", "failed", "skipped")  # a test that is run again had another one before


class Reporting:
    """What becomes of tests that ask a model, or check one, in every process; and in one of them their reports.

    Raises SpecError where a report that is wanted cannot be written.
    """

    def __init__(self, config: pytest.Config, session: Session) -> None:
        self._config = config
        self._session = session
        self._in_junit = _junit_family(config)
        self._report: RunReport | None = None
        is_worker = hasattr(config, "workerinput")
        if session.wants_results and not is_worker and not config.getoption("collectonly"):
            settings, given = session.settings, config.invocation_params
            targets = Targets.of(settings.report, settings.json, os.environ.get("GITHUB_STEP_SUMMARY"), given.dir)
            self._report = RunReport(targets, shlex.join(["pytest", *map(str, given.args)]))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if not _is_ours(item):
            return report
        decides = report.when == "call" or (report.when == "setup" and not report.passed)
        results = item.stash.get(RESULTS, []) if decides else []
        if self._session.wants_results and (decides or not report.passed):
            # pytest-xdist carries a report's attributes to the controller, where all of them are gathered.
            vars(report)["tfserving"] = [result._asdict() for result in results]
        if self._in_junit == "case" and decides and _NOTED not in item.stash:
            item.stash[_NOTED] = True
            properties = properties_of_test(results, _models_of(item), _backend_of(item))
            item.user_properties += properties  # of later reports: junitxml takes the last one's
            report.user_properties += properties
        if report.when == "teardown":
            item.stash.setdefault(RESULTS, []).clear()  # an item lives as long as the run
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if self._report is None:
            return
        if report.when not in ("setup", "call", "teardown"):  # what pytest-xdist says of a worker that crashed
            self._report.add_error(report.nodeid, _text_of(report))
            return
        plain = vars(report).pop("tfserving", None)  # pytest keeps all reports to the end; what is gathered is less
        # A subtest's report is beside its test's own, under the same id.
        if plain is None or report.outcome not in _OUTCOMES or hasattr(report, "context"):
            return
        outcome = "error" if report.failed and report.when != "call" else report.outcome
        checks = tuple(CheckResult(**result) for result in plain)
        words = [content for name, content in report.sections if name == SERVER_SECTION]
        text = "\n\n".join(part for part in (_text_of(report), *words) if part)
        item = ItemResult(report.nodeid, outcome, report.duration, text, checks)
        self._report.add(item, getattr(report, "item_index", None))  # pytest-xdist's; else they come in order

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if self._report is not None and report.failed:
            self._report.add_error(report.nodeid, _text_of(report))

    def finish(self, run: pytest.Session) -> None:
        """Writes the reports, once goldens are written and servers counted. One that fails makes the run fail."""
        session = self._session
        if self._in_junit == "suite" and session.tally.models:
            from _pytest.junitxml import xml_key  # only a fixture of session scope has it otherwise

            xml = self._config.stash.get(xml_key, None)
            if xml is not None:  # of the process that writes it
                for name, value in properties_of_suite(session.tally.models, session.tally.backends):
                    xml.add_global_property(name, value)
        if self._report is None:
            return
        tally = session.tally
        lines = self._report.write(int(run.exitstatus), tally.backends, tally.environment, session.goldens)
        session.report_lines = [(line.text, line.colour) for line in lines]
        if any(line.failed for line in lines) and run.exitstatus in (
            pytest.ExitCode.OK,
            pytest.ExitCode.NO_TESTS_COLLECTED,
        ):
            run.exitstatus = pytest.ExitCode.TESTS_FAILED


def _text_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    """What pytest shows of a failure, or why a test was skipped: without the line that says which worker ran it."""
    told = report.longrepr
    return told[2] if isinstance(told, tuple) else str(told or "").strip()


def _junit_family(config: pytest.Config) -> str | None:
    """Where properties stand in the JUnit XML of this run: at the case, at the suite, or None where there is none."""
    if not config.getoption("xmlpath", None):
        return None
    return "suite" if config.getini("junit_family") == "xunit2" else "case"


def _is_ours(item: pytest.Item) -> bool:
    """Whether a test asks a served model, or checks one."""
    names = getattr(item, "fixturenames", ())
    return RESULTS in item.stash or any(name == "tfserving" or name.startswith("tfserving_") for name in names)


def _models_of(item: pytest.Item) -> list[str]:
    """The model that a test was given, or would have been had it started. That of checks is known from these."""
    if "tfserving" not in getattr(item, "fixturenames", ()) or hasattr(item, "subject"):
        return []
    try:
        return [requested(item, item.config.stash[SESSION]).models[0].servable.name]
    except TFServingError:
        return []


def _backend_of(item: pytest.Item) -> str | None:
    """What serves the models of this run, where the test asked for one."""
    names = getattr(item, "fixturenames", ())
    if "tfserving" not in names and "tfserving_server" not in names:
        return None
    try:
        return item.config.stash[SESSION].serving.choice.backend
    except TFServingError:
        return None
