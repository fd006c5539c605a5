"""Goldens of every kind in a run of pytest: found, sent, compared, recorded."""

import json
import shutil

import numpy as np
import pytest

from pytest_tfserving.commands import warmup
from pytest_tfserving.golden.formats.prediction_log import write_log
from pytest_tfserving.golden.store import read_cases, write_answers

TEST = '@pytest.mark.tfserving_golden("goldens")\ndef test_goldens(): ...\n'
X = np.array([1, 2], "f4")
GOOD, BAD = np.array([2.5, 3], "f4"), np.array([2.5, 4], "f4")


@pytest.fixture
def log(repository):
    """Writes goldens/requests.tfrecord: (inputs, outputs) each."""

    def write(*requests):
        file = repository.path / "goldens" / "requests.tfrecord"
        file.parent.mkdir(exist_ok=True)
        with file.open("wb") as stream:
            write_log(stream, [("recorded", "serving_default", *request) for request in requests])
        return file

    repository.test_file(TEST)
    return write


def test_a_request_log_is_replayed_and_its_responses_are_compared(repository, log):
    log(({"x": X}, {"y": GOOD}), ({"x": X}, {"y": BAD}))
    result = repository.run_here("-v")
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(
        [
            "*[[]requests-000001-serving_default-rest[]] PASSED*",
            "*[[]requests-000001-serving_default-grpc[]] PASSED*",
            "*[[]requests-000002-serving_default-rest[]] FAILED*",
            "*[[]requests-000002-serving_default-grpc[]] FAILED*",
            "*requests.tfrecord*000002*",
        ]
    )


def test_answers_that_a_log_lacks_are_recorded_beside_it(repository, log):
    file = log(({"x": X}, None), ({"x": X}, {"y": BAD}))
    before = file.read_bytes()
    result = repository.run_here("--tfserving-update=new")
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["recorded *goldens/requests.tfrecord.response.json: 1 new"])
    repository.run_here("--tfserving-update").assert_outcomes(passed=4)
    repository.run_here().assert_outcomes(passed=4)
    assert file.read_bytes() == before
    assert [case.provenance["backend"] for case in read_cases(file)] == ["embedded", "embedded"]


def test_a_damaged_log_fails_once_and_its_good_records_run(repository, log):
    file = log(({"x": X}, {"y": GOOD}), ({"x": X}, {"y": GOOD}))
    file.write_bytes(file.read_bytes()[:-3])
    result = repository.run_here()
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*requests.tfrecord: record 2 at offset * is cut off: *"])
    repository.run_here("-k", "not damaged").assert_outcomes(passed=2)


def test_records_of_another_kind_are_counted_in_a_warning(repository, log):
    from pytest_tfserving.tfrecord import read_records, write_records
    from pytest_tfserving.wire import serving_pb2 as serving

    file = log(({"x": X}, {"y": GOOD}))
    [record] = [record.data for record in read_records(file)]
    other = serving.PredictionLog(regress_log=serving.RegressLog())
    with file.open("wb") as stream:
        write_records(stream, [other.SerializeToString(), record])
    result = repository.run_here()
    result.assert_outcomes(passed=2, warnings=1)
    result.stdout.fnmatch_lines(["*records that are no predict requests are left out: 1 of regress_log"])


def test_a_golden_from_another_model_says_so(repository, log):
    log(({"image": X}, {"y": GOOD}))
    result = repository.run_here("--tfserving-transport=grpc")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*requests.tfrecord [[]000001[]] has input 'image', signature 'serving_default' has 'x': the golden is of another*"
        ]
    )


def test_json_lines_are_sent_and_recorded(repository):
    (repository.path / "goldens").mkdir()
    file = repository.path / "goldens" / "many.jsonl"
    file.write_text("".join(json.dumps({"inputs": {"x": [float(n)]}}) + "\n" for n in range(3)))
    repository.test_file(TEST)
    repository.run_here("--tfserving-update").assert_outcomes(passed=6)
    repository.run_here().assert_outcomes(passed=6)
    assert [case.answer["outputs"]["y"]["values"] for case in read_cases(file)] == [[2.0], [2.5], [3.0]]


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["one process", "xdist"])
def test_what_is_too_large_to_read_is_recorded_beside_the_json(repository, workers):
    file = repository.golden("large", {"inputs": {"x": {"dtype": "float32", "shape": [5000], "npz": "x"}}})
    np.savez(file.with_suffix(".npz"), x=np.arange(5000, dtype="f4"))
    repository.test_file(TEST)
    repository.run_here("--tfserving-update", *workers).assert_outcomes(passed=2)
    assert json.loads(file.read_text())["outputs"]["y"].keys() == {"dtype", "shape", "npz"}
    assert len(file.read_text()) < 600
    repository.run_here().assert_outcomes(passed=2)
    [case] = read_cases(file)
    np.testing.assert_array_equal(case.answer["outputs"]["y"].load("y"), np.arange(5000, dtype="f4") / 2 + 2)


def test_recording_all_touches_nothing_that_is_as_it_was(repository, log):
    log(({"x": X}, None))
    file = repository.golden("one", {"inputs": {"x": [1.0, 2.0]}})
    repository.run_here("--tfserving-update").assert_outcomes(passed=4)
    document = json.loads(file.read_text())
    write_answers(file, {None: {"y": {"dtype": "float32", "shape": [1], "values": [0.0]}}}, {"made": "elsewhere"})
    write_answers(file, {None: document["outputs"]}, {"made": "elsewhere"})
    stamps = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in file.parent.iterdir()}
    result = repository.run_here("--tfserving-update=all")
    result.assert_outcomes(passed=4)
    result.stdout.no_fnmatch_line("recorded *")
    assert {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in file.parent.iterdir()} == stamps
    assert json.loads(file.read_text())["provenance"] == {"made": "elsewhere"}


def test_goldens_of_a_warmup_file(repository, capsys):
    """There and back: requests of goldens, in the export, and as goldens again."""
    repository.golden("one", {"inputs": {"x": [1.0, 2.0]}})
    file = repository.path / "exports" / "half_plus_two" / "1" / "assets.extra" / "tf_serving_warmup_requests"
    assert warmup.run([str(repository.path / "goldens"), "-o", str(file)]) == 0
    shutil.rmtree(repository.path / "goldens")
    assert warmup.run(["--read", str(file), "-o", str(repository.path / "goldens" / "warmup.json")]) == 0
    repository.test_file(TEST)
    repository.run_here("--tfserving-update").assert_outcomes(passed=2)
    repository.run_here().assert_outcomes(passed=2)
    repository.test_file('@pytest.mark.tfserving_golden("exports/half_plus_two/1/assets.extra")\ndef test_it(): ...\n')
    result = repository.run_here("--tfserving-update")
    result.stdout.fnmatch_lines(["*lies in an export, where no answers are recorded*"])
    assert [path.name for path in file.parent.iterdir()] == [file.name]
