"""What several groups of tests need: models, and every backend that this machine can have."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from pytest_tfserving.golden import in_ci
from pytest_tfserving.options import OPTIONS, Settings
from pytest_tfserving.serving import Serving
from pytest_tfserving.session import Session

ROOT = Path(__file__).parents[1]
MODELS = ROOT / "tests" / "conformance" / "models"
EXAMPLES = ROOT / "example_models"

# The docker tests run on this image; `make test-docker IMAGE=...` sets it, and so does CI.
IMAGE_VARIABLE = "TFSERVING_TEST_IMAGE"


@pytest.fixture(autouse=True)
def no_options_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own TFSERVING_... variables, and those of CI, are not for the plugin under test."""
    for name in (*(option.env for option in OPTIONS), *in_ci.VARIABLES, "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def no_plugin_that_is_not_needed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """hypothesis takes more of a pytest that a test starts than pytest itself, and no such test uses its plugin."""
    if "pytester" in request.fixturenames:
        request.getfixturevalue("pytester")  # which forgets the variable when it is made
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:hypothesispytest")


@pytest.fixture(scope="session")
def models() -> Path:
    """The directory of the conformance models."""
    return MODELS


@pytest.fixture(scope="session")
def examples() -> Path:
    """The directory of the example models."""
    return EXAMPLES


@pytest.fixture(scope="session")
def binary(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tensorflow_model_server: the real one that TFSERVING_TEST_BINARY names, else the embedded server's command."""
    real = os.environ.get("TFSERVING_TEST_BINARY")
    if real:
        return real
    script = tmp_path_factory.mktemp("bin") / "tensorflow_model_server"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pytest_tfserving.server "$@"\n')
    script.chmod(0o755)
    return str(script)


@pytest.fixture(scope="session")
def image() -> str:
    """The image of the docker tests; they are skipped where none is named."""
    name = os.environ.get(IMAGE_VARIABLE)
    if not name:
        pytest.skip(f"no container image to test on: set {IMAGE_VARIABLE}, see docs/development.md")
    return name


@pytest.fixture(scope="session")
def serving_of() -> Iterator[Callable[..., Serving]]:
    """serving_of(backend="binary", binary=...): what serves models with these settings, closed at the end."""
    sessions: dict[Settings, Session] = {}

    def serving_of(**given: object) -> Serving:
        settings = Settings.resolve(lambda option: given.get(option.name), lambda option: None, {})
        if settings not in sessions:
            sessions[settings] = Session(settings, lambda line: print(line, file=sys.stderr))
        return sessions[settings].serving

    yield serving_of
    for session in sessions.values():
        session.close()


@pytest.fixture
def serving(serving_of: Callable[..., Serving]) -> Serving:
    """What serves models on the embedded server."""
    return serving_of(backend="embedded")


def processes_of(marker: str) -> list[psutil.Process]:
    """The processes whose command line mentions `marker`, such as a run's directory.

    `info["cmdline"]` has it as it was then; asked again, one that has ended meanwhile raises.
    """
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if any(marker in part for part in process.info["cmdline"] or ()) and process.pid != os.getpid():
            found.append(process)
    return found


def wait_until(condition: Callable[[], object], seconds: float = 20.0) -> bool:
    """Whether the condition came true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def suspend(process: psutil.Process) -> None:
    """Stops a process until it is resumed. Until one of its threads has taken the signal, the others go on."""
    process.suspend()
    assert wait_until(lambda: process.status() == psutil.STATUS_STOPPED)


@pytest.fixture
def start_pytest(pytester: pytest.Pytester) -> Callable[..., subprocess.Popen[str]]:
    """Starts pytest in the pytester's directory and does not wait for it."""

    # A shell that starts us with `&` has SIGINT ignored, and a Python that finds it so leaves it.
    main = (
        "import signal, sys, pytest; signal.signal(signal.SIGINT, signal.default_int_handler); sys.exit(pytest.main())"
    )

    def start(*arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", main, "-p", "no:cacheprovider", *arguments],
            cwd=pytester.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    return start
