"""Servers are shared by a run, and none outlives it, however the run ends"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.conftest import processes_of, wait_until

WAITING = "def test_wait(tfserving):\n    import time\n    print('RUN', tfserving._server.directory, flush=True)\n    time.sleep(120)\n"


def wait_for_run(process):
    """The run's directory, which the test above prints when its server is up."""
    for line in process.stdout:
        if "RUN " in line:
            return Path(line.split("RUN ")[1].strip()).parent
    raise AssertionError("pytest ended before its server was up")


def servers(run):
    return [p for p in processes_of(str(run)) if "pytest_tfserving.server" in p.info["cmdline"]]


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda s: s.name)
def test_nothing_is_left_when_pytest_is_killed(repository, start_pytest, kill):
    repository.test_file(WAITING)
    process = start_pytest("-s", "--tfserving-backend=embedded")
    run = wait_for_run(process)
    assert len(servers(run)) == 1
    os.kill(process.pid, kill)
    process.stdout.read()
    process.wait(30)
    assert wait_until(lambda: not processes_of(str(run)), 10)
    assert wait_until(lambda: not run.exists(), 10)


def test_the_whole_process_group_may_get_the_interrupt(repository, start_pytest):
    repository.test_file(WAITING)
    process = start_pytest("-s", "--tfserving-backend=embedded")
    run = wait_for_run(process)
    os.killpg(process.pid, signal.SIGINT)
    output = process.stdout.read()
    assert process.wait(30) == pytest.ExitCode.INTERRUPTED
    assert "KeyboardInterrupt" in output
    assert wait_until(lambda: not processes_of(str(run)), 10)


def test_a_start_that_nobody_waits_for_any_more_is_given_up(repository, start_pytest, tmp_path):
    binary = tmp_path / "never_ready"
    binary.write_text('#!/bin/sh\necho $$ > "$(dirname "$0")/pid"\nexec sleep 300\n')
    binary.chmod(0o755)
    repository.test_file("def test_model(tfserving): ...\n")
    process = start_pytest("--tfserving-backend=binary", f"--tfserving-binary={binary}")
    assert wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    server = psutil.Process(int((tmp_path / "pid").read_text()))
    os.kill(process.pid, signal.SIGINT)
    process.stdout.read()
    assert process.wait(10) == pytest.ExitCode.INTERRUPTED
    assert wait_until(lambda: not server.is_running(), 5)
    assert not processes_of("never_ready")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL") or os.uname().sysname != "Linux", reason="the kernel's PDEATHSIG")
def test_a_keeper_that_is_killed_takes_its_server_along(repository, start_pytest):
    repository.test_file(WAITING)
    process = start_pytest("-s", "--tfserving-backend=embedded")
    run = wait_for_run(process)
    [server] = servers(run)
    server.parent().kill()
    assert wait_until(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE, 10)
    process.kill()
    process.wait(30)
    shutil.rmtree(run)  # whoever could have removed it was killed


def test_a_server_without_its_keeper_fails_what_follows(repository):
    repository.test_file(
        "def test_kill(tfserving):\n"
        "    import psutil\n"
        "    directory = str(tfserving._server.directory)\n"
        "    [keeper] = [p for p in psutil.process_iter(['cmdline']) if directory in (p.info['cmdline'] or ())]\n"
        "    keeper.kill(); keeper.wait(10)\n"
        "def test_after(tfserving): ...\n"
    )
    result = repository.run()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["ServerDiedError: the embedded server of half_plus_two ended during the run: its keeper was killed*"]
    )


def test_a_model_that_crashes_takes_its_server_down_and_is_named(repository):
    exports = Path(__file__).parents[1] / "server" / "exports"
    repository.test_file(
        f"models = {{'good': {str(exports / 'slow')!r}, 'bad': {str(exports / 'aborting')!r}}}\n"
        "@pytest.fixture\n"
        "def both(tfserving_server): return tfserving_server(models=models)\n"
        "def test_good(both): both['good'].grpc.predict(inputs={'x': 1})\n"
        "def test_bad(both): both['bad'].grpc.predict(inputs={'x': 1})\n"
        "def test_after(both): ...\n",
        model=None,
    )
    result = repository.run()
    result.assert_outcomes(passed=1, failed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*RequestError: UNAVAILABLE over grpc (model bad, signature serving_default)*",
            "*tfserving server*",
            "the embedded server of good, bad ended during the run: killed by SIGABRT",
            "*Abort_op intentional failure; this model ends its process*",
        ]
    )


def test_a_server_that_dies_fails_what_follows_at_once_with_its_log(repository):
    repository.test_file(
        "import os, signal\n"
        "from tests.conftest import processes_of\n"
        "def test_kill(tfserving):\n"
        "    [server] = [p for p in processes_of(str(tfserving._server.directory)) if 'pytest_tfserving.server' in p.info['cmdline']]\n"
        "    server.kill(); server.wait(10)\n"
        "    tfserving.rest.predict(inputs={'x': [1.0]})\n"
        "def test_after(tfserving): ...\n"
        "def test_later(tfserving): ...\n"
    )
    (repository.path / "conftest.py").write_text(
        f"import sys\nsys.path.insert(0, {str(Path(__file__).parents[2])!r})\n"
    )
    begin = time.monotonic()
    result = repository.run()
    assert time.monotonic() - begin < 20
    result.assert_outcomes(failed=1, errors=2)
    result.stdout.fnmatch_lines(
        [
            "ServerDiedError: the embedded server of half_plus_two ended during the run: killed by SIGKILL",
            "*RequestError: UNAVAILABLE over rest*does not answer*",
            "*tfserving server*",
            "the embedded server of half_plus_two ended during the run: killed by SIGKILL",
            "server log*",
        ]
    )


@pytest.mark.skipif(sys.version_info < (3, 11), reason="PYTHONSAFEPATH is known from Python 3.11 on")
def test_a_file_of_the_repository_is_no_module_of_the_server(repository):
    (repository.path / "numpy.py").write_text("raise SystemExit('the wrong numpy')\n")
    (repository.path / "test_model.py").write_text(
        "import pytest\n@pytest.mark.tfserving('exports/half_plus_two')\ndef test_model(tfserving): ...\n"
    )
    main = "import sys, pytest; sys.path.remove(''); sys.exit(pytest.main())"  # as the command `pytest` does
    run = subprocess.run(
        [sys.executable, "-c", main, "--import-mode=importlib", "--tfserving-backend=embedded"],
        cwd=repository.path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "1 passed" in run.stdout, run.stdout


def test_equal_specifications_share_a_server_within_a_process(repository):
    repository.test_file(
        "endpoints = set()\n"
        "@pytest.mark.parametrize('n', range(3))\n"
        "def test_one(tfserving, n):\n    endpoints.add(tfserving.endpoint)\n"
        "@pytest.mark.tfserving('exports/../exports/half_plus_two')\n"
        "def test_same(tfserving):\n    endpoints.add(tfserving.endpoint); assert len(endpoints) == 1\n"
        "@pytest.mark.tfserving('exports/half_plus_two', server_args=['--rest_api_timeout_in_ms=1000'])\n"
        "def test_other(tfserving):\n    assert tfserving.endpoint not in endpoints\n"
    )
    repository.run().assert_outcomes(passed=5)


def test_workers_of_xdist_share_one_server_and_none_is_left(repository):
    repository.test_file(
        "import os, time\n"
        "@pytest.mark.parametrize('n', range(8))\n"
        "def test_shared(tfserving, n, worker_id):\n"
        "    time.sleep(0.3)\n"
        "    print('SERVER', worker_id, tfserving.endpoint.rest_url, tfserving._server.directory)\n"
    )
    result = repository.run("-n", "4", "-rP")
    result.assert_outcomes(passed=8)
    lines = [line.split() for line in result.outlines if line.startswith("SERVER")]
    assert len({worker for _, worker, _, _ in lines}) > 1
    assert len({url for _, _, url, _ in lines}) == 1
    run = Path(lines[0][3]).parent
    assert not run.exists()
    assert not processes_of(str(run))


def test_a_worker_that_crashes_takes_no_server_with_it(repository):
    repository.test_file(
        "import os, time\n"
        "@pytest.mark.parametrize('n', range(6))\n"
        "def test_shared(tfserving, n):\n"
        "    time.sleep(0.2)\n"
        "    if n == 1: os._exit(9)\n"
        "    assert tfserving.rest.predict(inputs={'x': [0.0]})['y'].tolist() == [2.0]\n"
    )
    result = repository.run("-n", "2")
    assert result.parseoutcomes() == {"passed": 5, "failed": 1}


def test_an_unused_plugin_starts_nothing_and_loads_nothing(pytester):
    pytester.makepyfile(
        "import sys, glob, tempfile\n"
        "def test_nothing():\n"
        "    heavy = {'grpc', 'requests', 'numpy', 'docker', 'tensorflow', 'google.protobuf', 'filelock'}\n"
        "    assert not heavy & set(sys.modules)\n"
        "    assert 'pytest_tfserving.serving' not in sys.modules\n"
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*tfserving:*")


def test_help_imports_nothing_heavy(pytester):
    run = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "pytest", "--help"],
        cwd=pytester.path,
        capture_output=True,
        text=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in run.stderr.splitlines()}
    assert "pytest_tfserving.fixtures" in imported
    assert not imported & {"grpc", "requests", "numpy", "docker", "tensorflow", "testcontainers", "google.protobuf"}
