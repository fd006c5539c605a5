"""Large tensors in the .npz beside a golden's JSON: chosen by size, exact, never pickled, one with its JSON."""

import json
import os
import subprocess
import sys
import zipfile

import execnet
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pytest_tfserving.errors import GoldenError, TensorError
from pytest_tfserving.golden.exact import read_tensor, same_bits
from pytest_tfserving.golden.formats.npz import MOST_IN_JSON, digest, from_plain, plain_tensor, write_npz
from pytest_tfserving.golden.recorder import Recorder
from pytest_tfserving.golden.store import find_files, read_answer, read_cases, write_answers
from pytest_tfserving.golden.tolerance import Tolerance
from pytest_tfserving.tensors import numpy_dtype

PROVENANCE = {"backend": "embedded"}
LARGE = np.arange(5000, dtype="f4").reshape(50, 100)


@pytest.fixture
def golden(tmp_path):
    file = tmp_path / "one.json"
    file.write_text('{"cases": {"a": {"inputs": [1]}, "b": {"inputs": [2]}}}')
    return file


def record(file, key, array, provenance=PROVENANCE):
    """How many cases were written."""
    _, new, changed = write_answers(file, {key: {"y": plain_tensor(array)}}, provenance)
    return new + changed


def answer(file, number=0):
    return read_tensor(read_cases(file)[number].answer["outputs"]["y"], "", "y")


def stamp(file):
    return file.stat().st_mtime_ns, file.stat().st_ino


def keys_in(file):
    with np.load(file.with_suffix(".npz")) as arrays:
        return set(arrays.files)


def message_of(function, *arguments):
    with pytest.raises((GoldenError, TensorError)) as caught:
        function(*arguments)
    return str(caught.value)


@pytest.mark.parametrize(
    ("array", "is_beside"),
    [
        (np.zeros(MOST_IN_JSON), False),
        (np.zeros(MOST_IN_JSON + 1), True),
        (np.zeros((MOST_IN_JSON, 2), "?"), True),
        (np.array([b"text"] * (MOST_IN_JSON + 1), object), False),
    ],
    ids=["as many as JSON takes", "one more", "bool", "strings"],
)
def test_it_is_chosen_by_the_number_of_values(golden, array, is_beside):
    record(golden, "a", array)
    assert golden.with_suffix(".npz").exists() == is_beside
    assert same_bits(answer(golden), array)


def test_the_json_says_what_is_beside_it(golden):
    record(golden, "a", LARGE)
    assert f'"y": {{"dtype": "float32", "shape": [50, 100], "npz": "{digest(LARGE)}"}}' in golden.read_text()
    with np.load(golden.with_suffix(".npz"), allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays[digest(LARGE)], LARGE, strict=True)


def test_the_digest_is_of_dtype_shape_and_bytes():
    import hashlib

    by_hand = hashlib.sha256(b"int16[2, 1]\n" + b"\x01\x00\xff\xff").hexdigest()
    assert digest(np.array([[1], [-1]], "i2")) == by_hand == digest(np.array([[1], [-1]], ">i2"))
    assert by_hand != digest(np.array([1, -1], "i2"))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "int8", "uint64", "bool", "complex64"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_any_dtype_survives_bit_by_bit(golden, dtype, order):
    bits = np.random.default_rng(1).integers(0, 2 if dtype == "bool" else 256, 160000, dtype="u1")
    array = np.asarray(bits.view(numpy_dtype(dtype)).reshape(-1, 4), order=order)
    record(golden, "a", array)
    assert same_bits(answer(golden), array)


@given(
    hnp.arrays(st.sampled_from(["f4", "f8", "i4", "u1", "c8"]), hnp.array_shapes(min_dims=0, min_side=0, max_side=4))
)
def test_what_travels_between_processes_is_exact(array):
    assert same_bits(from_plain(execnet.loads(execnet.dumps(plain_tensor(array))), "y"), array)


class TestTwoFilesAreOneGolden:
    def test_an_unchanged_golden_is_not_touched(self, golden):
        record(golden, "a", LARGE)
        stamps = [stamp(file) for file in sorted(golden.parent.iterdir())]
        assert record(golden, "a", LARGE, {"backend": "other"}) == 0
        assert [stamp(file) for file in sorted(golden.parent.iterdir())] == stamps

    def test_equal_goldens_have_equal_bytes(self, golden, tmp_path):
        record(golden, "a", LARGE)
        other = tmp_path / "other"
        other.mkdir()
        (other / "one.json").write_text('{"cases": {"a": {"inputs": [1]}}}')
        record(other / "one.json", "a", LARGE)
        assert (other / "one.npz").read_bytes() == golden.with_suffix(".npz").read_bytes()

    def test_what_is_no_longer_mentioned_goes_and_the_rest_stays(self, golden):
        record(golden, "a", LARGE)
        record(golden, "b", LARGE + 1)
        assert keys_in(golden) == {digest(LARGE), digest(LARGE + 1)}
        record(golden, "a", LARGE + 2)
        assert keys_in(golden) == {digest(LARGE + 1), digest(LARGE + 2)}
        assert same_bits(answer(golden, 1), LARGE + 1)

    def test_the_npz_goes_with_its_last_array(self, golden):
        record(golden, "a", LARGE)
        record(golden, "a", LARGE[:1])
        assert list(golden.parent.iterdir()) == [golden]

    def test_inputs_may_lie_in_it_too_under_names_of_ones_own(self, golden):
        np.savez_compressed(golden.with_suffix(".npz"), image=LARGE)
        reference = '{"dtype": "float32", "shape": [50, 100],  "npz": "image"}'
        golden.write_text(f'{{"inputs": {{"x": {reference}}}}}')
        record(golden, None, LARGE + 1)
        assert reference in golden.read_text()
        [case] = read_cases(golden)
        assert same_bits(read_tensor(case.request["inputs"]["x"], "", "x"), LARGE)
        assert same_bits(answer(golden), LARGE + 1)

    @pytest.mark.parametrize("stage", ["before the npz", "between", "after the JSON"])
    def test_a_crash_leaves_a_pair_that_can_be_used(self, golden, monkeypatch, stage):
        record(golden, "a", LARGE)
        replace = os.replace
        done = []

        def crash(draft, target):
            if len(done) == ["before the npz", "between", "after the JSON"].index(stage):
                raise KeyboardInterrupt
            done.append(target)
            replace(draft, target)

        monkeypatch.setattr("pathlib.Path.replace", crash)
        with pytest.raises(KeyboardInterrupt):
            record(golden, "a", LARGE + 1)
        monkeypatch.undo()
        assert same_bits(answer(golden), LARGE + (stage == "after the JSON"))
        record(golden, "a", LARGE + 2)
        assert keys_in(golden) == {digest(LARGE + 2)}
        assert len(list(golden.parent.iterdir())) == 2

    def test_a_directory_has_the_json_alone(self, golden):
        record(golden, "a", LARGE)
        assert find_files(".", golden.parent) == [golden] == find_files("*", golden.parent)

    def test_a_golden_of_a_tests_body_has_one_too(self, tmp_path):
        recorder = Recorder()
        recorder.add(tmp_path / "body.json", None, "body", {"y": LARGE}, PROVENANCE, Tolerance())
        recorder.write()
        assert same_bits(read_tensor(read_answer(tmp_path / "body.json").answer["outputs"]["y"], "", "y"), LARGE)

    def test_a_response_has_one_too(self, tmp_path):
        request = tmp_path / "curl.request.json"
        request.write_text('{"inputs": [1]}')
        record(request, None, LARGE)
        assert sorted(file.name for file in tmp_path.iterdir()) == [
            "curl.request.json", "curl.response.json", "curl.response.npz",
        ]  # fmt: skip
        assert same_bits(answer(request), LARGE)


class Harmful:
    def __reduce__(self):
        return os.system, ("echo harm > harmed",)


@pytest.mark.filterwarnings("error")
class TestDamage:
    @pytest.fixture
    def recorded(self, golden):
        record(golden, "a", LARGE)
        return golden

    def test_objects_are_not_read(self, recorded, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        np.savez(recorded.with_suffix(".npz"), **{digest(LARGE): np.array([Harmful()], object)})
        assert message_of(answer, recorded) == (
            "'y': one.npz holds objects, which are not read, since that may run code; "
            "save numbers with their dtype (array.astype('float32')), and write strings into the JSON"
        )
        assert not (tmp_path / "harmed").exists()

    def test_a_file_that_is_missing(self, recorded):
        recorded.with_suffix(".npz").unlink()
        assert "one.npz, which is missing; the JSON and its .npz go together" in message_of(answer, recorded)

    def test_other_values_than_were_recorded(self, recorded):
        np.savez(recorded.with_suffix(".npz"), **{digest(LARGE): LARGE + 1})
        assert "has other values than were recorded; the JSON and its .npz go together" in message_of(answer, recorded)

    def test_an_array_that_is_not_there(self, recorded):
        np.savez(recorded.with_suffix(".npz"), other=LARGE)
        assert "one.npz has no array " in message_of(answer, recorded)

    def test_another_shape_than_is_written(self, recorded):
        np.savez(recorded.with_suffix(".npz"), **{digest(LARGE): LARGE.ravel()})
        assert "float32[50, 100] is written, " in message_of(answer, recorded)

    @pytest.mark.parametrize("content", [b"", b"no zip", None], ids=["empty", "no zip", "cut off"])
    def test_a_file_that_is_none(self, recorded, content):
        file = recorded.with_suffix(".npz")
        file.write_bytes(file.read_bytes()[:-20] if content is None else content)
        assert "one.npz cannot be read: " in message_of(answer, recorded)
        assert "one.npz cannot be read: " in message_of(record, recorded, "a", LARGE + 1)
        assert digest(LARGE) in recorded.read_text()

    def test_a_flipped_bit(self, recorded):
        file = recorded.with_suffix(".npz")
        content = bytearray(file.read_bytes())
        content[1000] ^= 1
        file.write_bytes(content)
        assert "one.npz cannot be read: Bad CRC-32" in message_of(answer, recorded)

    @pytest.mark.parametrize(
        "reference",
        [
            {"dtype": "string", "shape": [1], "npz": "a"},
            {"dtype": "float32", "shape": 1, "npz": "a"},
            {"dtype": "float32", "shape": [1], "npz": 1},
        ],
        ids=str,
    )
    def test_a_reference_of_another_form(self, golden, reference):
        golden.write_text(json.dumps({"inputs": {"x": reference}}))
        assert message_of(read_cases, golden).startswith(f"{golden}: a tensor in an .npz has a dtype (not string), ")

    def test_entries_bear_no_date_and_are_not_compressed(self, recorded):
        with zipfile.ZipFile(recorded.with_suffix(".npz")) as archive:
            [entry] = archive.infolist()
        assert (entry.date_time, entry.compress_type) == ((1980, 1, 1, 0, 0, 0), zipfile.ZIP_STORED)


_FILL = """
import resource, sys
from pathlib import Path
import execnet
import numpy as np
from pytest_tfserving.golden.recorder import Recorder
from pytest_tfserving.golden.tolerance import Tolerance
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
sys.dont_write_bytecode = True  # of what is imported from now on Python would leave half a file
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
recorder = Recorder()
recorder.add(Path("large.json"), None, "grpc", {"y": np.arange(5000, dtype="f4")}, {}, Tolerance())
recorder.add(Path("long.json"), None, "grpc", {"y": np.arange(4000, dtype="f4")}, {}, Tolerance())
recorder.add(Path("short.json"), None, "grpc", {"y": np.arange(4, dtype="f4")}, {}, Tolerance())
print(recorder.write())
"""


def test_a_disk_that_is_full_leaves_every_file_whole(tmp_path):
    """The limit of a file's size fails a write as a full disk does."""
    for name in ("large", "long", "short"):
        (tmp_path / f"{name}.json").write_text('{"inputs": [1]}')
    run = subprocess.run([sys.executable, "-c", _FILL], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout == (
        "Written(files={'short.json': Count(new=1, changed=0)}, refused=('large.json: File too large; it is as it was', "
        "'long.json: File too large; it is as it was'), unchanged={})\n"
    )
    assert {file.name for file in tmp_path.iterdir()} == {"large.json", "long.json", "short.json"}
    assert (tmp_path / "long.json").read_text() == '{"inputs": [1]}'


_RECORD = """
import sys
from pathlib import Path
import execnet
import numpy as np
from pytest_tfserving.golden.recorder import Recorder
from pytest_tfserving.golden.tolerance import Tolerance
keys = sys.argv[1:]
sys.stdin.readline()
for key in keys:
    recorder = Recorder()
    recorder.add(Path("many.json"), key, "grpc", {"y": np.full(5000, float(key), "f4")}, {}, Tolerance())
    assert recorder.write().files
"""


def test_two_runs_that_record_at_once_lose_nothing(tmp_path):
    (tmp_path / "many.json").write_text(json.dumps({"cases": {str(n): {"inputs": [n]} for n in range(20)}}))
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", _RECORD, *map(str, range(start, 20, 2))], cwd=tmp_path, stdin=subprocess.PIPE
        )
        for start in (0, 1)
    ]
    for run in runs:
        run.stdin.write(b"\n")
        run.stdin.close()
    assert [run.wait(60) for run in runs] == [0, 0]
    for number in range(20):
        assert same_bits(answer(tmp_path / "many.json", number), np.full(5000, float(number), "f4"))


def test_write_npz_keeps_what_it_is_told(tmp_path):
    file = tmp_path / "a.npz"
    first, second = LARGE, LARGE + 1
    write_npz(file, {digest(first): first, digest(second): second}, frozenset())
    write_npz(file, {}, frozenset({digest(second)}))
    with np.load(file) as arrays:
        assert arrays.files == [digest(second)]
