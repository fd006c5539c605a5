"""A run's servers: started once, kept by a process of their own, gone with the run"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
import pytest

from pytest_tfserving.backends import keeper
from pytest_tfserving.backends.base import ServableSpec, ServerSpec, model_config
from pytest_tfserving.backends.lock import held
from pytest_tfserving.backends.run import Run
from pytest_tfserving.errors import StartupError
from tests.conftest import MODELS, processes_of, wait_until


def spec_of(name="keras_export", *, path=None, program=sys.executable, args=(), timeout=30.0):
    version = path or MODELS / name / "1"
    return ServerSpec(
        "embedded", program, (ServableSpec(name, ((1, str(version)),)),), args=args, startup_timeout=timeout
    )


@pytest.fixture
def run():
    run = Run.begin()
    yield run
    run.close()


def quiet(line):
    raise AssertionError(f"nothing was to be said: {line}")


def test_a_specification_survives_its_json():
    spec = ServerSpec("docker", "image", (ServableSpec("ü", ((3, "/a b"),), (("l", 3),)),), ("a", "b"), ("--x=1",), 5.0)
    assert ServerSpec.from_json(spec.to_json()) == spec
    assert spec.fingerprint == ServerSpec.from_json(spec.to_json()).fingerprint != spec_of().fingerprint


def test_a_model_config_quotes_what_it_is_given():
    text = model_config(ServerSpec("docker", "i", (ServableSpec('a"b\\ü', ((2, "/x"),), (("l", 2),)),)), "/models")
    from google.protobuf import text_format

    from pytest_tfserving.wire import serving_pb2 as serving

    [config] = text_format.Parse(text, serving.ModelServerConfig()).model_config_list.config
    assert (config.name, config.base_path) == ('a"b\\ü', '/models/a"b\\ü')
    assert list(config.model_version_policy.specific.versions) == [2]
    assert dict(config.version_labels) == {"l": 2}


def test_equal_specifications_share_a_server_also_when_asked_at_once(run):
    other = Run.join(run.directory)
    started = []
    threads = [
        threading.Thread(target=lambda r=r: started.append(r.server(spec_of()).wait_started(quiet)))
        for r in (run, other)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert started[0] == started[1]
    assert len(processes_of(str(run.directory))) == 2  # a keeper and its server


def test_a_server_lives_until_the_last_process_of_the_run_has_left():
    owner = Run.begin()
    script = (
        "import sys, time; from pathlib import Path; from pytest_tfserving.backends.run import Run\n"
        "run = Run.join(Path(sys.argv[1])); print('joined', flush=True); sys.stdin.readline()"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", script, str(owner.directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert worker.stdout.readline() == "joined\n"
    owner.server(spec_of()).wait_started(quiet)
    closing = threading.Thread(target=owner.close)
    closing.start()
    time.sleep(0.5)
    assert len(processes_of(str(owner.directory))) >= 2
    worker.kill()
    worker.wait()
    closing.join(10)
    assert not closing.is_alive()
    assert not owner.directory.exists()
    assert wait_until(lambda: not processes_of(str(owner.directory)), 5)


def test_a_run_without_servers_ends_at_once():
    run = Run.begin()
    begin = time.monotonic()
    run.close()
    run.close()
    assert time.monotonic() - begin < 1
    assert not run.directory.exists()


def test_what_killed_runs_leave_is_removed_and_nothing_else(tmp_path, monkeypatch):
    """Of runs that have no keeper to do it: a server that stays is not the run's, and a keeper may be killed too."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    begin = "from pytest_tfserving.backends.run import Run; print(Run.begin().directory, flush=True); input()"
    killed, kept, young, alive = (
        subprocess.Popen(
            [sys.executable, "-c", begin], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
        )
        for env in [{**os.environ, "TMPDIR": str(tmp_path)}] * 4
    )
    directories = {process: Path(process.stdout.readline().strip()) for process in (killed, kept, young, alive)}
    strangers = [tmp_path / f"pytest-tfserving-{name}" for name in ("leases-0", "file")]
    strangers[0].mkdir()
    strangers[1].touch()
    for process in (killed, kept, young):
        process.kill()
        process.wait()
    for process in (killed, kept):
        (directories[process] / "server").mkdir()
        (directories[process] / "server" / keeper.LOCK).touch()
    long_ago = time.time() - 3600
    for path in (directories[killed], directories[kept], directories[alive], *strangers):
        os.utime(path, (long_ago, long_ago))
    with held(directories[kept] / "server" / keeper.LOCK):
        Run.begin().close()
    assert set(tmp_path.iterdir()) == {directories[kept], directories[young], directories[alive], *strangers}
    alive.communicate("\n")
    for process in (killed, kept, young, alive):
        process.stdin.close()
        process.stdout.close()


def test_a_server_that_ends_by_itself_is_noticed(run):
    server = run.server(spec_of())
    server.wait_started(quiet)
    [process] = [p for p in processes_of(str(run.directory)) if "pytest_tfserving.server" in p.info["cmdline"]]
    process.kill()
    assert wait_until(lambda: (run.directory / spec_of().fingerprint / keeper.ENDED).exists(), 5)
    with pytest.raises(Exception, match="ended while testing: killed by SIGKILL\nserver log"):
        server.check_alive("while testing")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (spec_of(program="/no/such/python"), "/no/such/python cannot be run: No such file"),
        (spec_of(args=("--no_such_flag=1",)), r"ended before it was ready: exit status 255\nserver log"),
        (spec_of(path="/no/such/model"), r"ended before it was ready: exit status 255\nserver log"),
        (spec_of(timeout=0.01), "was not ready after 0.01 s"),
        (
            ServerSpec("embedded", sys.executable, (ServableSpec("twice", ((1, "/a"), (1, "/b"))),)),
            r"(?s)FileExistsError: .*\nserver log.*Traceback",
        ),
    ],
    ids=["program", "flag", "model", "timeout", "what nobody thought of"],
)
def test_a_server_that_cannot_start_is_explained_and_leaves_nothing(run, spec, message):
    with pytest.raises(StartupError, match=message):
        run.server(spec).wait_started(quiet)
    with pytest.raises(StartupError, match=message):  # for whoever asks later, too
        run.server(spec).wait_started(quiet)
    assert wait_until(lambda: len(processes_of(str(run.directory))) == 1, 5)  # the keeper, which holds the reason


@pytest.mark.parametrize("end", [psutil.Process.terminate, psutil.Process.kill])
def test_a_start_whose_keeper_ends_is_not_waited_for(run, tmp_path, end):
    program = tmp_path / "never_ready"
    program.write_text('#!/bin/sh\ntouch "$(dirname "$0")/begun"\nexec sleep 300\n')
    program.chmod(0o755)
    server = run.server(spec_of(program=str(program)))
    assert wait_until((tmp_path / "begun").exists)
    [keeper_process] = [
        p for p in processes_of(str(run.directory)) if "pytest_tfserving.backends.keeper" in p.info["cmdline"]
    ]
    end(keeper_process)
    with pytest.raises(StartupError, match="the start of the embedded server was given up: its keeper has ended"):
        server.wait_started(quiet)


def test_a_process_that_has_many_runs_collects_no_zombies():
    run = Run.begin()
    run.server(spec_of(program="/no/such/python"))
    [keeper_process] = [child for child in psutil.Process().children() if child in processes_of(str(run.directory))]
    run.close()
    assert not keeper_process.is_running()


def test_a_keeper_whose_run_is_gone_before_it_comes_up_ends():
    run = Run.begin()
    run.server(spec_of())
    os.close(run._alive)  # as if this process had been killed
    assert wait_until(lambda: not processes_of(str(run.directory)), 15)
    assert wait_until(lambda: not run.directory.exists(), 5)
