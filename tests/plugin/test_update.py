"""--tfserving-update"""

import json
import os
import re
import signal

import pytest

TEST = '@pytest.mark.tfserving_golden("goldens")\ndef test_goldens(): ...\n'


def outputs(file, case=None):
    document = json.loads(file.read_text())
    return (document["cases"][case] if case else document)["outputs"]


EXACT = {"y": {"dtype": "float32", "shape": [2], "values": [2.5, 3.0]}}


def test_records_exact_tensors_and_where_they_came_from(repository):
    file = repository.golden("one", {"inputs": {"x": [1.0, 2.0]}})
    repository.test_file(TEST)
    result = repository.run_here("--tfserving-update")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["recorded *goldens/one.json: 1 new"])
    assert outputs(file) == EXACT
    provenance = json.loads(file.read_text())["provenance"]
    assert provenance["backend"] == "embedded"
    assert provenance["tensorflow"]
    assert provenance["cpu"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", provenance["date"])
    repository.run_here().assert_outcomes(passed=2)


def test_requests_keep_the_layout_that_a_person_gave_them(repository):
    text = '{\n  "cases": {"a": {"inputs": {"x": [1.0,\n      2.0]}}}\n}\n'
    file = repository.golden("one", text)
    repository.test_file(TEST)
    repository.run_here("--tfserving-update").assert_outcomes(passed=2)
    assert '{"x": [1.0,\n      2.0]}' in file.read_text()
    assert outputs(file, "a") == EXACT


@pytest.mark.parametrize(
    ("mode", "good_is_touched", "bad_is_recorded", "passed"),
    [("new", False, False, 4), ("changed", False, True, 6), ("all", True, True, 6)],
)
def test_modes(repository, mode, good_is_touched, bad_is_recorded, passed):
    request = {"inputs": {"x": [1.0, 2.0]}}
    good = repository.golden("good", {**request, "outputs": {"y": [2.5, 3.0]}})
    bad = repository.golden("bad", {**request, "outputs": {"y": [0.0, 0.0]}})
    new = repository.golden("new", request)
    before = good.read_text()
    repository.test_file(TEST)
    result = repository.run_here(f"--tfserving-update={mode}")
    assert result.parseoutcomes().get("passed") == passed
    assert (good.read_text() != before) == good_is_touched
    assert (outputs(bad) == EXACT) == bad_is_recorded
    assert outputs(new) == EXACT


def test_a_pair_gets_a_response_file(repository):
    repository.golden("one.request", {"instances": [1.0, 2.0]})
    repository.test_file(TEST)
    repository.run_here("--tfserving-update").assert_outcomes(passed=2)
    assert outputs(repository.path / "goldens" / "one.response.json") == EXACT
    repository.run_here().assert_outcomes(passed=2)


def test_a_case_that_fails_over_one_transport_is_not_recorded(repository, models):
    # REST cannot carry half; gRPC can.
    file = repository.golden("one", {"signature_name": "id_float16", "inputs": {"x": [1.0]}})
    before = file.read_text()
    repository.test_file(TEST, model=str(models / "dtypes"))
    result = repository.run_here("--tfserving-update")
    result.stdout.fnmatch_lines(["not recorded *one.json: it failed over rest"])
    assert file.read_text() == before
    repository.run_here("--tfserving-update", "--tfserving-transport=grpc").assert_outcomes(passed=1)
    assert outputs(file)["y"]["values"] == [1.0]


def test_an_interrupted_run_writes_nothing(repository, start_pytest):
    file = repository.golden("one", {"inputs": {"x": [1.0, 2.0]}})
    before = file.read_text()
    repository.test_file(TEST + "def test_wait():\n    import time; print('READY', flush=True); time.sleep(60)\n")
    run = start_pytest("-s", "--tfserving-backend=embedded", "--tfserving-update")
    for line in run.stdout:
        if "READY" in line:
            os.kill(run.pid, signal.SIGINT)
            break
    rest = run.stdout.read()
    assert run.wait(30) == pytest.ExitCode.INTERRUPTED
    assert "no golden was written: the run did not come to its end" in rest
    assert file.read_text() == before


def test_under_xdist_one_process_writes(repository):
    cases = {str(n): {"inputs": {"x": [float(n)]}} for n in range(6)}
    file = repository.golden("many", {"cases": cases})
    repository.test_file(TEST)
    result = repository.run("-n", "3", "--tfserving-update")
    result.assert_outcomes(passed=12)
    result.stdout.fnmatch_lines(["recorded *goldens/many.json: 6 new"])
    assert [outputs(file, str(n))["y"]["values"] for n in range(6)] == [[n / 2 + 2] for n in range(6)]


def test_where_a_worker_crashed_nothing_is_written(repository):
    """With it has gone what it recorded, and whether the transports agree."""
    file = repository.golden("one", {"inputs": {"x": [1.0, 2.0]}})
    before = file.read_text()
    repository.test_file(TEST + "def test_crash():\n    import os; os._exit(3)\n")
    for workers in ("1", "2"):
        result = repository.run("-n", workers, "--tfserving-update")
        result.assert_outcomes(passed=2, failed=1)
        result.stdout.fnmatch_lines(["no golden was written: a worker crashed"])
        assert file.read_text() == before
    repository.run("-n", "1").stdout.no_fnmatch_line("no golden was written*")


def test_goldens_of_a_tests_body(repository):
    repository.test_file(
        "def test_half(tfserving, tfserving_golden):\n"
        "    outputs = tfserving.grpc.predict(inputs={'x': [1.0, 2.0]})\n"
        "    tfserving_golden.check(outputs, 'goldens/body', rtol=1e-6)\n"
    )
    result = repository.run_here()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*no golden *goldens/body.json; record it with*"])
    repository.run_here("--tfserving-update").assert_outcomes(passed=1)
    repository.run_here().assert_outcomes(passed=1)
    file = repository.path / "goldens" / "body.json"
    file.write_text(file.read_text().replace("3.0", "3.5"))
    result = repository.run_here()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["golden *goldens/body.json differs", "*y*1 of 2*[[]1[]]*3.5*3.0*0.5*"])


def test_an_interrupted_run_that_records_nothing_says_nothing_of_goldens(repository, start_pytest):
    repository.golden("one", {"inputs": {"x": [1.0, 2.0]}, "outputs": {"y": [2.5, 3.0]}})
    repository.test_file(TEST + "def test_wait():\n    import time; print('READY', flush=True); time.sleep(60)\n")
    run = start_pytest("-s", "--tfserving-backend=embedded")
    next(line for line in run.stdout if "READY" in line)
    os.kill(run.pid, signal.SIGINT)
    rest = run.stdout.read()
    assert run.wait(30) == pytest.ExitCode.INTERRUPTED
    assert "no golden was written" not in rest
    assert "half_plus_two: 1 golden case over" in rest


class TestInCI:
    """Nobody reads there what was recorded."""

    @pytest.mark.parametrize(
        ("flags", "named"),
        [
            (["--tfserving-update"], "--tfserving-update"),
            (["--tfserving-update=new", "-n", "1"], "--tfserving-update"),
            (["--tfserving-remove-unused"], "--tfserving-remove-unused"),
            (["--tfserving-update", "--tfserving-remove-unused"], "--tfserving-update and --tfserving-remove-unused"),
        ],
        ids=str,
    )
    def test_a_run_that_would_write_goldens_is_refused(self, repository, monkeypatch, flags, named):
        monkeypatch.setenv("CI", "true")
        file = repository.golden("one", {"inputs": {"x": [1.0, 2.0]}})
        before = file.read_text()
        repository.test_file(TEST)
        result = repository.run_here(*flags)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"ERROR: {named}: this is CI (CI=true is set), *--tfserving-update-in-ci"])
        assert file.read_text() == before

    @pytest.mark.parametrize("workers", [[], ["-n", "1"]], ids=["one process", "xdist"])
    def test_unless_that_is_meant(self, repository, monkeypatch, workers):
        monkeypatch.setenv("CI", "true")
        file = repository.golden("one", {"inputs": {"x": [1.0, 2.0]}})
        repository.test_file(TEST)
        repository.run_here("--tfserving-update", "--tfserving-update-in-ci", *workers).assert_outcomes(passed=2)
        assert outputs(file) == EXACT

    def test_a_run_that_records_nothing_is_as_elsewhere(self, repository, monkeypatch):
        monkeypatch.setenv("CI", "true")
        repository.golden("one", {"inputs": {"x": [1.0, 2.0]}, "outputs": {"y": [2.5, 3.0]}})
        repository.test_file(TEST)
        repository.run_here().assert_outcomes(passed=2)
