"""--tfserving-reuse: servers stay for the next run, and `pytest-tfserving servers` lists and stops them"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from pytest_tfserving.backends.leases import Leases
from tests.conftest import processes_of, wait_until

REUSE = "--tfserving-reuse=600"
PREDICTS = "def test_model(tfserving):\n    assert tfserving.rest.predict(inputs={'x': [2.0]})['y'].tolist() == [3.0]\n"
WAITING = "def test_wait(tfserving):\n    import time\n    print('UP', tfserving.endpoint.rest_url, flush=True)\n    time.sleep(120)\n"


@pytest.fixture
def leases(monkeypatch):
    """The servers that pytest leaves in a temporary directory of the test's own; none is left at its end."""
    directory = tempfile.mkdtemp(prefix="pytest-reuse-", dir="/tmp")
    monkeypatch.setenv("TMPDIR", directory)
    monkeypatch.setattr(tempfile, "tempdir", directory)
    yield Leases.of_this_user()
    for process in processes_of(directory):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def servers(leases):  # theirs is the temporary directory
    """servers("--stop"): runs `pytest-tfserving servers --stop`."""

    def servers(*arguments):
        main = "import sys; from pytest_tfserving.cli import main; sys.exit(main())"
        return subprocess.run(
            [sys.executable, "-c", main, "servers", *arguments],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    return servers


def served_by(result):
    [line] = [line for line in result.outlines if line.startswith("served by ")]
    return line


def wait_until_up(process):
    for line in process.stdout:
        if "UP " in line:
            return line.split()[-1]
    raise AssertionError("pytest ended before its server was up")


def other_model(repository):
    """An export of the same signature in the place of half_plus_two: 0.5 - x + 2, not 0.5 * x + 2."""
    [graph] = (repository.path / "exports" / "half_plus_two").glob("*/saved_model.pb")
    content = graph.read_bytes()
    assert content.count(b"Mul") == 2  # the op, and its use
    graph.write_bytes(content.replace(b"Mul", b"Sub"))


def test_the_second_run_finds_the_server_up_and_says_so(repository, leases):
    repository.test_file(PREDICTS)
    first, second = repository.run(REUSE), repository.run(REUSE)
    for result in (first, second):
        result.assert_outcomes(passed=1)
    assert "reused" not in served_by(first)
    assert re.search(r"embedded: tensorflow [\d.]+ \(reused, up for \d+ s\)$", served_by(second))
    assert len(leases.kept()) == 1


@pytest.mark.parametrize("reuse", [[], ["--tfserving-reuse=off"]], ids=["without the option", "off"])
def test_without_it_nothing_stays(repository, leases, reuse):
    repository.test_file(PREDICTS)
    repository.run(*reuse).assert_outcomes(passed=1)
    assert leases.kept() == []


def test_the_bare_option_and_the_variable_leave_it_for_ten_minutes(repository, leases, monkeypatch):
    repository.test_file(PREDICTS)
    repository.run("--tfserving-reuse").assert_outcomes(passed=1)
    [kept] = leases.kept()
    assert 500 < kept.status["ends_in"] <= 600
    monkeypatch.setenv("TFSERVING_REUSE", "0.2")
    assert "reused" in served_by(repository.run())
    assert wait_until(lambda: not leases.kept())


def test_an_isolated_server_does_not_stay(repository, leases):
    repository.test_file(
        "def test_model(tfserving): assert not tfserving.reused\n"
        "pytestmark = pytest.mark.tfserving('exports/half_plus_two', isolated=True)\n"
    )
    for _ in range(2):
        repository.run(REUSE).assert_outcomes(passed=1)
    assert leases.kept() == []


def test_a_selection_of_the_tests_finds_the_server_of_them_all(repository, leases):
    shutil.copytree(repository.path / "exports" / "half_plus_two", repository.path / "exports" / "other")
    repository.test_file(
        "def test_model(tfserving): ...\n\n@pytest.mark.tfserving('exports/other')\ndef test_other(tfserving): ...\n"
    )
    repository.run(REUSE).assert_outcomes(passed=2)
    for selection in ("test_model", "test_other", "test_"):
        assert "reused" in served_by(repository.run(REUSE, "-k", selection))
    assert len(leases.kept()) == 1


def test_a_new_export_is_what_is_tested(repository, leases):
    repository.test_file(PREDICTS)
    repository.run(REUSE).assert_outcomes(passed=1)
    [old] = leases.kept()
    other_model(repository)
    result = repository.run(REUSE)
    result.assert_outcomes(failed=1)
    assert "reused" not in served_by(result)
    result.stdout.fnmatch_lines(["*assert [[]0.5[]] == [[]3.0[]]*"])
    assert wait_until(lambda: not old.directory.exists())


def test_a_run_keeps_its_server_while_another_gets_a_new_one(repository, leases, start_pytest):
    repository.test_file(WAITING)
    process = start_pytest("-s", "--tfserving-backend=embedded", REUSE)
    url = wait_until_up(process)
    other_model(repository)
    repository.test_file(
        "import requests\n"
        "def test_model(tfserving):\n"
        f"    old = requests.post('{url}/v1/models/half_plus_two:predict', json={{'instances': [2.0]}}).json()\n"
        "    assert old == {'predictions': [3.0]}\n"
        "    assert tfserving.rest.predict(inputs={'x': [2.0]})['y'].tolist() == [0.5]\n"
    )
    # Not repository.run(), whose PYTHONPATH is another.
    other = start_pytest("--tfserving-backend=embedded", REUSE)
    output, _ = other.communicate(timeout=120)
    assert other.returncode == 0, output
    process.kill()
    process.communicate()
    assert wait_until(lambda: len(leases.kept()) == 1)


def test_a_server_that_was_killed_is_started_again(repository, leases):
    repository.test_file(PREDICTS)
    repository.run(REUSE).assert_outcomes(passed=1)
    [kept] = leases.kept()
    [server] = [p for p in processes_of(str(kept.directory)) if "pytest_tfserving.server" in p.info["cmdline"]]
    server.kill()
    result = repository.run(REUSE)
    result.assert_outcomes(passed=1)
    assert "reused" not in served_by(result)


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGKILL], ids=lambda s: s.name)
def test_a_run_that_is_killed_leaves_its_server_for_a_while(repository, leases, start_pytest, kill):
    repository.test_file(WAITING)
    process = start_pytest("-s", "--tfserving-backend=embedded", REUSE)
    wait_until_up(process)
    [kept] = leases.kept()
    assert (kept.status["users"], kept.status["ends_in"]) == (1, None)
    os.kill(process.pid, kill)
    process.communicate()
    assert wait_until(lambda: leases.kept()[0].status["users"] == 0)
    repository.test_file(PREDICTS)
    # Not repository.run(), whose PYTHONPATH is another.
    output, _ = start_pytest("--tfserving-backend=embedded", "--tfserving-reuse=0.2").communicate(timeout=120)
    assert "(reused, up for " in output
    assert wait_until(lambda: not processes_of(str(kept.directory)))


def test_runs_in_one_checkout_that_start_at_once_share_it(repository, leases, start_pytest):
    repository.test_file(PREDICTS)
    processes = [start_pytest("--tfserving-backend=embedded", REUSE) for _ in range(3)]
    for process in processes:
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, output
    assert len(leases.kept()) == 1


def test_workers_of_xdist_share_it_and_so_does_the_next_run(repository, leases):
    repository.test_file(
        "import time\n"
        "@pytest.mark.parametrize('n', range(6))\n"
        "def test_shared(tfserving, n, worker_id):\n"
        "    time.sleep(0.2)\n"
        "    print('SERVER', worker_id, tfserving.endpoint.rest_url)\n"
    )
    urls = set()
    for is_reused in (False, True):
        result = repository.run("-n", "3", "-rP", REUSE)
        result.assert_outcomes(passed=6)
        assert ("reused" in served_by(result)) is is_reused
        lines = [line.split() for line in result.outlines if line.startswith("SERVER")]
        assert len({worker for _, worker, _ in lines}) > 1
        urls |= {url for _, _, url in lines}
    assert len(urls) == 1
    assert wait_until(lambda: [kept.status["users"] for kept in leases.kept()] == [0])


def test_a_failure_does_not_quote_the_log_of_another_run(repository, leases):
    repository.test_file(
        "import os, signal\n"
        "def test_logs(tfserving):\n"
        "    print('LOG', repr(tfserving.logs()))\n"
        "    if os.environ.get('KILL'):\n"
        "        import psutil\n"
        "        directory = str(tfserving._server.directory)\n"
        "        [server] = [p for p in psutil.process_iter(['cmdline']) if directory in ' '.join(p.info['cmdline'] or ()) and 'pytest_tfserving.server' in p.info['cmdline']]\n"
        "        server.kill()\n"
        "        tfserving.rest.predict(inputs={'x': [0.0]})\n"
    )
    first = repository.run(REUSE, "-rP")
    first.stdout.fnmatch_lines(["LOG *Running gRPC ModelServer*"])
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("KILL", "1")
        second = repository.run(REUSE)
    second.assert_outcomes(failed=1)
    second.stdout.no_fnmatch_line("*Running gRPC ModelServer*")
    second.stdout.fnmatch_lines(
        [
            "the embedded server of half_plus_two ended during the run: killed by SIGKILL",
            "server log (since this run began to use it; reused, up for *): nothing",
        ]
    )


def test_a_directory_that_is_not_ours_is_an_error_and_no_verdict(repository, leases):
    leases.root.chmod(0o777)
    repository.test_file(PREDICTS)
    result = repository.run(REUSE)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*BackendError: *can be entered by others (mode 777)*do without --tfserving-reuse"])


def test_no_number_of_seconds_is_an_error(repository):
    result = repository.run("--tfserving-reuse=ever")
    result.stderr.fnmatch_lines(["ERROR: --tfserving-reuse: 'ever' is no number of seconds, nor on or off"])


def test_tensorflow_is_not_imported(repository, leases):
    repository.test_file(
        "import sys\ndef test_model(tfserving):\n    assert 'tensorflow' not in sys.modules\n    assert 'docker' not in sys.modules\n"
    )
    for _ in range(2):
        repository.run(REUSE).assert_outcomes(passed=1)


class TestServers:
    def test_none(self, servers):
        run = servers()
        assert (run.returncode, run.stdout) == (0, "no servers\n")
        assert json.loads(servers("--format", "json").stdout) == []
        assert servers("--stop").stdout == "no servers\n"

    def test_a_server_is_listed_and_stopped(self, repository, servers):
        repository.test_file(PREDICTS)
        repository.run(REUSE).assert_outcomes(passed=1)
        [document] = json.loads(servers("--format=json").stdout)
        assert (document["backend"], document["state"], document["users"]) == ("embedded", "serving", 0)
        assert list(document["models"]) == ["half_plus_two"]
        assert psutil.pid_exists(document["pid"])
        head, row = servers().stdout.splitlines()
        assert head.split() == ["id", "backend", "models", "address", "pid", "up", "users", "idle", "ends", "in"]
        assert row.split()[:5] == [document["id"], "embedded", "half_plus_two", document["rest_url"], str(document["pid"])]  # fmt: skip
        run = servers("--stop", "nothing")
        assert (run.returncode, run.stderr) == (2, "pytest-tfserving servers: no server nothing\n")
        run = servers("--stop", document["id"])
        assert (run.returncode, run.stdout) == (0, f"{document['id']}: stopped\n")
        assert not [p for p in processes_of(document["directory"]) if "pytest_tfserving.server" in p.info["cmdline"]]
        assert servers().stdout == "no servers\n"

    def test_one_that_is_used_is_stopped_too_and_its_run_says_why(self, repository, servers):
        repository.test_file(
            "def test_wait(tfserving):\n    import sys, time\n    print('UP now', flush=True)\n    sys.stdin.readline()\n"
            "def test_after(tfserving): ...\n"
        )
        go, hold = os.pipe()
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-s", "-p", "no:cacheprovider", "--tfserving-backend=embedded", REUSE],
            cwd=repository.path, stdin=go, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        os.close(go)
        wait_until_up(process)
        assert servers("--stop").returncode == 0
        os.close(hold)
        output, _ = process.communicate(timeout=60)
        assert "1 passed, 1 error" in output
        assert "ended during the run: it was stopped (pytest-tfserving servers --stop)" in output

    def test_a_directory_of_somebody_else_is_said(self, leases, servers):
        leases.root.chmod(0o755)
        run = servers()
        assert run.returncode == 2
        assert run.stderr.startswith("pytest-tfserving servers: ")
        assert Path(leases.root).name in run.stderr
