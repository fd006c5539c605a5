"""Goldens that cannot be used, and recordings that cannot be written: each says so, and every old file stays whole."""

import json

import numpy as np
import pytest

from pytest_tfserving.golden.formats.npz import plain_tensor
from pytest_tfserving.golden.formats.prediction_log import write_log
from pytest_tfserving.golden.store import read_cases, write_answers

TEST = '@pytest.mark.tfserving_golden("goldens")\ndef test_goldens(): ...\n'
X = np.array([1, 2], "f4")
Y = X / 2 + 2
GOOD = {"inputs": {"x": [1.0]}, "outputs": {"y": [2.5]}}


def log_of(file, *requests):
    with file.open("wb") as stream:
        write_log(stream, [("m", "serving_default", *request) for request in requests])


def truncated(directory):
    log_of(directory / "bad.tfrecord", ({"x": X}, {"y": Y}), ({"x": X}, {"y": Y}))
    (directory / "bad.tfrecord").write_bytes((directory / "bad.tfrecord").read_bytes()[:-3])


def flipped(directory):
    log_of(directory / "bad.tfrecord", ({"x": X}, {"y": Y}), ({"x": X}, {"y": Y}))
    content = bytearray((directory / "bad.tfrecord").read_bytes())
    content[-10] ^= 1
    (directory / "bad.tfrecord").write_bytes(content)


def with_objects(directory):
    at = {"dtype": "float32", "shape": [2], "npz": "x"}
    (directory / "bad.json").write_text(json.dumps({"inputs": {"x": at}, "outputs": {"y": [2.5, 3.0]}}))
    np.savez(directory / "bad.npz", x=np.array([1.0, None], object))


def written(content):
    def write(directory):
        (directory / "bad.json").write_text(content if isinstance(content, str) else json.dumps(content))

    return write


@pytest.mark.parametrize(
    ("make", "lines", "passed"),
    [
        (truncated,
         ["goldens/bad.tfrecord: record 2 at offset * is cut off: it has * bytes, and the file ends after *; what lies "
          "before it is whole: fetch the file again, or keep that part with `head -c *`"], 2),
        (flipped,
         ["goldens/bad.tfrecord: record 2 at offset * has other data than were written: * bytes, checksum mismatch; "
          "what lies before it is whole: *"], 2),
        (with_objects,
         ["goldens/bad.json: 'x': goldens/bad.npz holds objects, which are not read, since that may run code; save "
          "numbers with their dtype (array.astype('float32')), and write strings into the JSON"], 1),
        (written('{"cases": {"a": {"inputs": [1.0]}, "a": {"inputs": [2.0]}}}'),
         ["*goldens/bad.json: key 'a' stands twice in one object; rename or remove one of them"], 1),
        (written({**GOOD, "signature_name": "before"}),
         ["goldens/bad.json is a golden of signature 'before', which the model does not have; it has "
          "'serving_default'; where it was renamed, write its new name into the golden; *"], 1),
        (written({"inputs": {"x": [1.0]}, "outputs": {"z": [2.5]}}),
         ["goldens/bad.json has output 'z', signature 'serving_default' has 'y': the golden is of another signature, "
          "or the model has changed its names; record its answer again with `pytest --tfserving-update`"], 1),
        (written({"inputs": {"image": [1.0]}, "outputs": {"scores": [2.5]}}),
         ["goldens/bad.json has input 'image', signature 'serving_default' has 'x': the golden is of another "
          "signature, or the model has changed its names; write the names of now into its request, or *"], 1),
    ],
    ids=["a log that is cut off", "a log with other bytes", "objects", "an id twice", "a signature that is gone",
         "an output that is gone", "another model"],
)  # fmt: skip
def test_what_cannot_be_used_fails_by_itself_and_says_what_to_do(repository, make, lines, passed):
    """The golden beside it is a test as ever, and so is what lies before the damage."""
    make(repository.golden("good", GOOD).parent)
    repository.test_file(TEST)
    result = repository.run_here("--tfserving-transport=grpc")
    result.assert_outcomes(passed=passed, failed=1)
    result.stdout.fnmatch_lines(lines)


@pytest.fixture
def files(repository):
    """Goldens of every kind with long answers of before, and one with a short one."""
    values = [float(n) for n in range(3000)]
    request = {"inputs": {"x": values}}
    array = np.array(values, "f4")
    large = {"dtype": "float32", "shape": [5000], "npz": "x"}
    long = repository.golden("long", request)
    directory = long.parent
    write_answers(long, {None: {"y": plain_tensor(array)}}, {})
    npz = repository.golden("npz", {"inputs": {"x": large}})
    np.savez(npz.with_suffix(".npz"), x=np.arange(5000, dtype="f4"))
    write_answers(npz, {None: {"y": plain_tensor(np.zeros(5000, "f4"))}}, {})
    pair = repository.golden("pair.request", request)
    write_answers(pair, {None: {"y": plain_tensor(array)}}, {})
    log_of(directory / "log.tfrecord", ({"x": array}, None))
    write_answers(directory / "log.tfrecord", {"000001": {"y": plain_tensor(array)}}, {})
    repository.golden("short", {"inputs": {"x": [1.0, 2.0]}})
    repository.test_file(TEST)
    return directory


def test_a_disk_that_is_full_leaves_every_file_whole(repository, files):
    """The limit of a file's size fails a write as a full disk does."""
    (repository.path / "conftest.py").write_text(
        "import pytest, resource, sys\n@pytest.hookimpl(tryfirst=True)\ndef pytest_sessionfinish():\n"
        "    sys.dont_write_bytecode = True  # of what is imported from now on Python would leave half a file\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))\n"
    )
    before = {file.name: file.read_bytes() for file in files.iterdir()}
    result = repository.run("--tfserving-update", "--tfserving-transport=grpc", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=5)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["recorded goldens/short.json: 1 new"]
        + [f"not recorded goldens/{name}: File too large; it is as it was"
           for name in ("log.tfrecord", "long.json", "npz.json", "pair.request.json")]
    )  # fmt: skip
    after = {file.name: file.read_bytes() for file in files.iterdir()}
    assert after.pop("short.json") != before.pop("short.json")
    assert after == before


def test_two_runs_that_record_into_a_file_at_once_lose_nothing(repository, start_pytest):
    """Both wait for each other before they write."""
    cases = {name: {"inputs": {"x": {"dtype": "float32", "shape": [5000], "npz": name}}} for name in ("a", "b")}
    file = repository.golden("many", {"cases": cases})
    inputs = {name: np.full(5000, ord(name), "f4") for name in cases}
    np.savez(file.with_suffix(".npz"), **inputs)
    repository.test_file(TEST)
    (repository.path / "conftest.py").write_text(
        "import os, pathlib, time\nimport pytest\n@pytest.hookimpl(tryfirst=True)\ndef pytest_sessionfinish():\n"
        "    pathlib.Path(f'ready-{os.getpid()}').touch()\n    end = time.monotonic() + 60\n"
        "    while len(list(pathlib.Path().glob('ready-*'))) < 2 and time.monotonic() < end:\n        time.sleep(0.01)\n"
    )
    runs = [start_pytest("--tfserving-backend=embedded", "--tfserving-update", "-k", f"many-{name}") for name in cases]
    for run in runs:
        output, _ = run.communicate(timeout=120)
        assert run.returncode == pytest.ExitCode.OK, output
        assert "recorded goldens/many.json: 1 new" in output
    for case in read_cases(file):
        np.testing.assert_array_equal(case.answer["outputs"]["y"].load("y"), inputs[case.key] / 2 + 2)
        np.testing.assert_array_equal(case.request["inputs"]["x"].load("x"), inputs[case.key])
