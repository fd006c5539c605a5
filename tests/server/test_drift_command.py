"""`pytest-tfserving drift OLD NEW --inputs GOLDENS...` with real servers"""

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest

from pytest_tfserving.commands import drift
from pytest_tfserving.golden.formats.prediction_log import write_log
from tests.conftest import processes_of, suspend, wait_until
from tests.edited_exports import half_plus_two

INPUTS = {"cases": {"a": {"inputs": {"x": [1.0, 2.0, 5.0]}}, "b": {"inputs": {"x": [7.0]}}}}


@pytest.fixture
def here(tmp_path, monkeypatch, examples):
    """A directory with exports/1 (y = x / 2 + 2), exports/2 (y = x / 2 + 2.25) and goldens/."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))  # where runs lie
    (tmp_path / "tmp").mkdir()
    (tmp_path / "goldens").mkdir()
    (tmp_path / "goldens" / "two.json").write_text(json.dumps(INPUTS))
    half_plus_two(tmp_path / "exports" / "1", examples)
    half_plus_two(tmp_path / "exports" / "2", examples, b=2.25)
    return tmp_path


@pytest.fixture
def compare(here, capsys):
    """compare("exports/1", ...): (exit status, what is printed, what is said on stderr)."""

    def compare(*arguments, inputs=("goldens",)):
        status = drift.run([*arguments, "--backend=embedded", "--inputs", *inputs])
        return status, *capsys.readouterr()

    return compare


@pytest.mark.parametrize("transport", ["rest", "grpc"])
def test_two_exports(compare, transport):
    status, out, _ = compare("exports/1", "exports/2", "--transport", transport)
    assert status == 1
    assert f"exports/1 -> exports/2: 2 requests answered by both, over {transport}\nserved by embedded: " in out
    assert "y of serving_default, float32: 4 values in 2 requests, 4 (100 %) beyond rtol=1e-05 atol=1e-08" in out
    assert "mean 0.25  RMSE 0.25  p50 0.25  p99 0.25  max 0.25" in out
    assert re.search(r"goldens/two.json \[a\] +\[0\] +2.5 +2.75 +0.25 +x \[1.0, 2.0, 5.0\]", out)


def test_a_file_that_is_given_twice_counts_once(compare):
    _, out, _ = compare("exports/1", "exports/2", inputs=["goldens", "goldens/two.json"])
    assert "2 requests answered by both" in out


@pytest.mark.parametrize(
    ("options", "status"),
    [
        (["--atol=0.25"], 0),
        (["--atol=0.2"], 1),
        (["--rtol=0.2"], 0),
        (["--overall", "y = { mean_absolute = 0.26 }"], 0),
        (["--overall", "y = { mean_absolute = 0.24 }"], 1),
        (["--overall", "y = { atol = 0.1, differing = 0.99 }"], 1),
        (["--overall", "y = { atol = 0.1, differing = 1.0 }"], 0),
        (["--overall", "y.mean_absolute = 0.26"], 0),
    ],
)
def test_the_exit_status_says_whether_the_answers_are_close_enough(compare, options, status):
    assert compare("exports/1", "exports/2", *options)[0] == status


def test_the_newest_version_of_an_export_and_json(compare):
    status, out, _ = compare("exports/1", "exports", "--format=json")
    document = json.loads(out)
    assert (status, document["holds"], document["answered"]) == (1, False, 2)
    assert document["outputs"][0]["mean_absolute"] == 0.25


def test_requests_of_every_kind(here, compare):
    (here / "goldens" / "more.jsonl").write_text('{"inputs": {"x": [7.0]}}\n{"instances": [8.0, 9.0]}\n')
    with (here / "log.tfrecord").open("wb") as stream:
        write_log(stream, [("any", "serving_default", {"x": np.array([3], "f4")}, None)] * 500)
    (here / "refused.json").write_text('{"inputs": {"x": ["one"]}, "expect_error": "INVALID_ARGUMENT"}')
    (here / "rows.json").write_text('{"instances": [1.0], "transport": "rest"}')
    status, out, _ = compare("exports/1", "exports/1", inputs=["goldens", "log.tfrecord", "r*.json"])
    assert status == 0
    assert "504 requests answered by both, over grpc" in out
    assert "left out 1 case: they expect an error\nleft out 1 case: they are for rest alone" in out
    assert "507 values in 504 requests, 0 beyond" in out


def test_servers_that_run(here, compare, start_server):
    """Of an address its own transport; an export beside it takes that."""
    config = here / "models.config"
    config.write_text(
        f'model_config_list {{ config {{ name: "m" base_path: "{here}/exports" model_platform: "tensorflow" '
        "model_version_policy { all {} } } }"
    )
    server = start_server(f"--model_config_file={config}")
    rest, grpc = f"http://127.0.0.1:{server.rest_port}/v1/models/m", f"grpc://127.0.0.1:{server.grpc_port}/m"
    for old, new, over in [
        (f"{rest}/versions/1", f"{rest}/versions/2", "over rest"),
        (f"{grpc}/versions/1", grpc, "over grpc"),
        (f"{rest}/versions/1", grpc, "over rest and grpc"),
        ("exports/1", rest, "over rest"),
    ]:
        status, out, err = compare(old, new)
        assert (status, err) == (1, "")
        assert f"{over}\nserved by" in out
        assert "mean 0.25" in out
    assert compare(f"{rest}/versions/1", "exports/1", "--transport=rest")[0] == 0
    status, _, err = compare("exports/1", grpc, "--transport=rest")
    assert (status, f"--transport rest: {grpc} is an address for grpc" in err) == (2, True)
    server.stop()
    status, _, err = compare(grpc, grpc)
    assert (status, "UNAVAILABLE over grpc" in err) == (2, True)
    status, _, err = compare(f"{rest}/versions/1", rest)
    assert (status, "does not answer" in err) == (2, True)


def rename(side, old, new):
    def edit(signatures):
        tensors = getattr(signatures["serving_default"], side)
        tensors[new].CopyFrom(tensors[old])
        del tensors[old]

    return edit


def test_what_one_side_lacks_or_refuses(here, compare, examples):
    def other_signature(signatures):
        signatures["other"].CopyFrom(signatures["serving_default"])
        del signatures["serving_default"]

    half_plus_two(here / "inputs", examples, edit=rename("inputs", "x", "z"))
    half_plus_two(here / "outputs", examples, edit=rename("outputs", "y", "z"))
    half_plus_two(here / "other", examples, edit=other_signature)
    status, out, _ = compare("exports/1", "inputs")
    assert status == 1
    assert "new alone refuses 2 requests, such as goldens/two.json [a]: INVALID_ARGUMENT over grpc (model new, " in out
    status, out, _ = compare("exports/1", "outputs")
    assert status == 1
    assert re.search(r"serving_default +y +missing +float32\[3\] -> - +2 +goldens/two.json \[a\]", out)
    assert re.search(r"serving_default +z +unexpected +- -> float32\[3\] +2 +goldens/two.json \[a\]", out)
    (here / "both.json").write_text(
        json.dumps({"cases": {name: {"inputs": {name: [1.0]}} for name in ("x", "z")}})  # each fits one side
    )
    status, out, _ = compare("exports/1", "inputs", inputs=["both.json"])
    assert status == 1
    assert re.search(r"new alone refuses 1 request, such as both.json \[x\].*\nold alone refuses .* \[z\]", out)
    for old, new, lacking in [("exports/1", "other", "new"), ("other", "exports/1", "old")]:
        status, out, _ = compare(old, new)
        assert status == 1
        assert f"{lacking} has no signature 'serving_default': 2 requests not sent" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["exports/9", "exports/2"], "no such directory: "),
        (["exports/1", "ftp://host/m"], "'ftp://host/m' is no address of a served model"),
        (["exports/1", "exports/2", "--signature=nothing"], "neither has a signature 'nothing'; there is 'serving_d"),
        (["exports/1", "exports/2", "--overall", "y = {"], "--overall: 'y = {' is no TOML such as"),
        (["exports/1", "exports/2", "--overall", "y = { argmx = true }"], "unknown key 'argmx'; did you mean 'argmax'"),
        (["exports/1", "exports/2", "--overall", "z = { argmax = true }"], "is of no output"),
        (["exports/1", "exports/2", "--server-arg=--no_such_flag"], "no_such_flag"),
        (["exports/1", "exports/2", "--tags=other"], "other"),
    ],
)
def test_what_cannot_be_used(here, compare, arguments, says):
    status, out, err = compare(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("pytest-tfserving drift: ")
    assert says in err
    assert "Traceback" not in err
    assert not list((here / "tmp").glob("pytest-tfserving-*"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has /dev/full")
def test_what_cannot_be_written_is_no_verdict(here):
    with Path("/dev/full").open("w") as full:
        process = start(here, "goldens", stdout=full)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (
        2,
        "pytest-tfserving drift: cannot read or write standard output: No space left on device\n",
    )


@pytest.mark.parametrize("limit", ["-1", "nan", "much"])
def test_a_limit_that_is_none(compare, capsys, limit):
    with pytest.raises(SystemExit):
        compare("exports/1", "exports/2", f"--rtol={limit}")
    assert f"argument --rtol: '{limit}' is no number that is not negative" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "goldens/bad.json:1:2: not JSON"),
        ('{"signature_name": "gone", "inputs": {"x": [1.0]}}', "is of signature 'gone', which neither has; OLD has"),
        ('{"inputs": {"z": [1.0]}}', "has input 'z', signature 'serving_default' has 'x'"),
    ],
)
def test_requests_that_cannot_be_used(here, compare, content, says):
    (here / "goldens" / "bad.json").write_text(content)
    status, out, err = compare("exports/1", "exports/2")
    assert (status, out) == (2, "")
    assert says in err


def test_nothing_to_compare_is_no_success(here, compare):
    (here / "text.json").write_text('{"inputs": {"x": {"dtype": "string", "shape": [1], "values": ["one"]}}}')
    status, _, err = compare("exports/1", "exports/2", inputs=["text.json"])
    assert (status, "nothing to compare" in err) == (2, True)
    (here / "refused.json").write_text('{"inputs": {"x": ["one"]}, "expect_error": "INVALID_ARGUMENT"}')
    status, _, err = compare("exports/1", "exports/2", inputs=["refused.json"])
    assert (status, "1 left out: they expect an error" in err) == (2, True)


def test_the_environment_chooses_the_backend_and_no_other_server(compare, monkeypatch, capsys):
    monkeypatch.setenv("TFSERVING_REST_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("TFSERVING_MODEL", "exports/1")
    assert compare("exports/1", "exports/2")[0] == 1
    monkeypatch.setenv("TFSERVING_BACKEND", "remote")
    assert drift.run(["exports/1", "exports/2", "--inputs", "goldens"]) == 2
    assert "TFSERVING_BACKEND is remote" in capsys.readouterr().err


def start(here, *arguments, stdout=subprocess.PIPE):
    # A shell that starts us with `&` has SIGINT ignored, and a Python that finds it so leaves it.
    main = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from pytest_tfserving.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", main, "drift", "exports/1", "exports/2", "--backend=embedded", "--inputs", *arguments],
        cwd=here,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run_of(here):
    """The run's directory, when its server is up."""
    assert wait_until(lambda: list((here / "tmp").glob("pytest-tfserving-*/*/server.json")), 60)
    [run] = (here / "tmp").glob("pytest-tfserving-*")
    return run


def servers_of(run):
    return [one for one in processes_of(str(run)) if "pytest_tfserving.server" in one.info["cmdline"]]


@pytest.fixture
def endless(here):
    """More requests than a test waits for."""
    with (here / "many.tfrecord").open("wb") as stream:
        write_log(stream, [("any", "serving_default", {"x": np.array([3], "f4")}, None)] * 200_000)
    return "many.tfrecord"


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda s: s.name)
def test_nothing_is_left_when_it_is_killed(here, endless, kill):
    process = start(here, endless)
    run = run_of(here)
    os.killpg(process.pid, kill)
    out, err = process.communicate(timeout=30)
    assert process.returncode == (130 if kill is signal.SIGINT else -kill)
    if kill is signal.SIGINT:
        # gRPC may have said that a server which ends took its leave of a channel that was being closed.
        own = [line for line in err.splitlines() if "GOAWAY" not in line]
        assert (out, own) == ("", ["pytest-tfserving drift: interrupted"])
    assert wait_until(lambda: not processes_of(str(run)), 10)
    assert wait_until(lambda: not run.exists(), 10)


def test_a_server_that_hangs_is_no_drift(here, endless, monkeypatch):
    """Not a request after another is waited for."""
    monkeypatch.setenv("TFSERVING_REQUEST_TIMEOUT", "1")
    process = start(here, endless)
    [server] = servers_of(run_of(here))
    suspend(server)
    try:
        out, err = process.communicate(timeout=60)
    finally:
        with suppress(psutil.NoSuchProcess):
            server.kill()
    assert (process.returncode, out) == (2, "")
    assert re.match("pytest-tfserving drift: DEADLINE_EXCEEDED over (grpc|rest) .*: no answer within 1 s", err)


def test_a_server_that_dies_is_said_once(here, endless):
    process = start(here, endless)
    run = run_of(here)
    [server] = servers_of(run)
    server.kill()
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert len(re.findall("server of old, new ended", err)) == 1
    assert "Traceback" not in err
    assert wait_until(lambda: not processes_of(str(run)), 10)
