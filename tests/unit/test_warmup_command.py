"""`pytest-tfserving warmup`: goldens -> a warm-up file that the export takes, and back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_tfserving.commands.warmup import run
from pytest_tfserving.golden.exact import read_tensor
from pytest_tfserving.golden.formats.prediction_log import write_log
from pytest_tfserving.golden.store import read_cases
from pytest_tfserving.tfrecord import read_records
from pytest_tfserving.warmup_file import WARMUP_FILE
from pytest_tfserving.warmup_requests import read_warmup_content
from pytest_tfserving.wire import serving_pb2 as serving

X = np.array([1, 2], "f4")


@pytest.fixture
def place(tmp_path: Path, examples: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with exports/half_plus_two."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(examples / "half_plus_two" / "exports" / "half_plus_two", tmp_path / "exports" / "half_plus_two")
    return tmp_path


@pytest.fixture
def warmup(capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs the command: its exit status, and what it printed on stdout or stderr."""

    def call(*arguments: object) -> tuple[int, str]:
        status = run([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return status, out + err

    return call


def golden(name: str, document: Any) -> str:
    file = Path("goldens", f"{name}.json")
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(document))
    return str(file)


def requests_in(file: Path) -> list[serving.PredictRequest]:
    return [serving.PredictionLog.FromString(r.data).predict_log.request for r in read_records(file)]


FILE = Path("exports/half_plus_two/1") / WARMUP_FILE


def test_every_request_is_written_for_the_export(place, warmup):
    golden("a", {"cases": {"one": {"inputs": {"x": [1.0, 2.0]}, "outputs": {"y": [2.5, 3.0]}},
                           "rows": {"instances": [{"x": 3.0}]}}})  # fmt: skip
    golden("b", {"inputs": {"x": ["text"]}, "expect_error": "INVALID_ARGUMENT"})
    assert warmup("goldens", "-o", FILE) == (0, f"wrote {FILE}: 2 requests\n")
    first, second = requests_in(FILE)
    assert (first.model_spec.name, first.model_spec.signature_name) == ("half_plus_two", "serving_default")
    assert np.frombuffer(first.inputs["x"].tensor_content, "f4").tolist() == [1, 2]
    assert np.frombuffer(second.inputs["x"].tensor_content, "f4").tolist() == [3]
    assert read_warmup_content(FILE).error is None


@pytest.mark.parametrize("output", ["exports/half_plus_two", "exports/half_plus_two/1"])
def test_an_export_stands_for_its_warmup_file(place, warmup, output):
    assert warmup(golden("a", {"inputs": [1.0]}), "-o", output) == (0, f"wrote {FILE}: 1 request\n")


def test_the_model_and_the_signature_can_be_chosen(place, warmup):
    golden("a", {"cases": {"a": {"inputs": {"x": [1.0]}}, "b": {"signature_name": "other", "inputs": {"x": [1.0]}}}})
    assert warmup("goldens", "-o", FILE, "--model", "m", "--signature", "serving_default")[0] == 0
    [request] = requests_in(FILE)
    assert (request.model_spec.name, request.model_spec.signature_name) == ("m", "serving_default")


def test_a_server_takes_a_thousand(place, warmup):
    file = golden("many", {"cases": {str(n): {"inputs": [1.0]} for n in range(1003)}})
    assert warmup(file, "-o", FILE) == (
        0,
        f"wrote {FILE}: 1,000 requests\nleft out 3 more: a server does not load a version with more than 1,000\n",
    )
    assert len(requests_in(FILE)) == 1000
    assert read_warmup_content(FILE).error is None


def test_without_an_export_exact_tensors_can_be_written(place, warmup):
    exact = golden("exact", {"inputs": {"x": {"dtype": "float32", "shape": [1], "values": [1.0]}}})
    plain = golden("plain", {"inputs": {"x": [1.0]}})
    status, said = warmup(exact, "-o", "w")
    assert (status, said) == (0, "wrote w: 1 request\nnot checked against an export: give --export\n")
    status, said = warmup(plain, "-o", "v")
    assert (status, said) == (
        2,
        "pytest-tfserving warmup: goldens/plain.json has plain values, whose dtypes the export knows: "
        "give --export EXPORT\n",
    )
    assert warmup(plain, "-o", "v", "--export", "exports/half_plus_two") == (0, "wrote v: 1 request\n")


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"inputs": {"z": [1.0]}}, "goldens/a.json has input 'z', signature 'serving_default' has 'x': "),
        ({"inputs": {"x": ["a"]}}, "goldens/a.json: 'x': float32 expected, received "),
        ({"inputs": {"x": {"dtype": "float64", "shape": [1], "values": [1.0]}}},
         "nothing is written: record 1 of assets.extra/tf_serving_warmup_requests fails, and with it the load: "
         "input 'x' of signature 'serving_default' is float32, and the record sends float64"),
        ({"signature_name": "no", "inputs": [1.0]}, "goldens/a.json is of signature 'no'; exports/half_plus_two/1 has "),
        ({"inputs": [1.0], "expect_error": "NOT_FOUND"}, "no request to write"),
    ],
    ids=["another input", "another dtype", "an exact tensor of another dtype", "signature", "a refusal"],
)  # fmt: skip
def test_what_would_fail_the_load_is_not_written(place, warmup, request_, message):
    status, said = warmup(golden("a", request_), "-o", FILE)
    assert status == 2
    assert said.startswith(f"pytest-tfserving warmup: {message}")
    assert not FILE.exists()
    assert not FILE.parent.exists() or list(FILE.parent.iterdir()) == []


def test_a_file_that_is_there_is_replaced_only_by_force(place, warmup):
    FILE.parent.mkdir()
    FILE.write_bytes(b"old")
    file = golden("a", {"inputs": [1.0]})
    assert warmup(file, "-o", FILE) == (
        2, f"pytest-tfserving warmup: {FILE} is there already; --force replaces it\n",
    )  # fmt: skip
    assert FILE.read_bytes() == b"old"
    assert warmup(file, "-o", FILE, "--force")[0] == 0
    assert len(requests_in(FILE)) == 1


@pytest.mark.parametrize("arguments", [[], ["goldens", "--read", "w"]], ids=["neither", "both"])
def test_goldens_or_read(place, arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        run([*arguments, "-o", "w"])
    assert caught.value.code == 2
    assert "give GOLDENS whose requests are written, or --read FILE" in capsys.readouterr().err


@pytest.mark.usefixtures("place")
class TestRead:
    def test_there_and_back(self, warmup):
        golden("a", {"cases": {"one": {"inputs": {"x": [1.0, 2.0]}}, "two": {"inputs": {"x": [0.1] * 5000}}}})
        warmup("goldens", "-o", FILE)
        assert warmup("--read", FILE, "-o", "back/warmup.json") == (
            0,
            "wrote back/warmup.json: 2 requests\nnext: record 2 answers with `pytest --tfserving-update`\n",
        )
        assert Path("back/warmup.npz").exists()  # 5000 values are too many to be read
        one, two = read_cases(Path("back/warmup.json"))
        assert (one.id, one.signature_name) == ("warmup-000001", "serving_default")
        assert read_tensor(one.request["inputs"]["x"], "", "x").tolist() == [1, 2]
        np.testing.assert_array_equal(
            read_tensor(two.request["inputs"]["x"], "", "x"), np.full(5000, 0.1, "f4"), strict=True
        )

    def test_the_responses_of_a_log_become_outputs(self, warmup):
        with Path("log").open("wb") as stream:
            write_log(stream, [("m", "s", {"x": X}, {"y": X + 1}), ("m", "t", {"x": X}, None)])
        assert warmup("--read", "log", "-o", "log.json", "--signature", "s") == (0, "wrote log.json: 1 request\n")
        [case] = read_cases(Path("log.json"))
        assert read_tensor(case.answer["outputs"]["y"], "", "y").tolist() == [2, 3]

    def test_the_records_before_a_damaged_one_are_used_if_asked(self, warmup):
        with Path("log").open("wb") as stream:
            write_log(stream, [("m", "s", {"x": X}, None)] * 2)
        Path("log").write_bytes(Path("log").read_bytes()[:-1])
        status, said = warmup("--read", "log", "-o", "log.json")
        assert status == 2
        assert "log: record 2 at offset " in said
        assert said.endswith("; --until-damage takes the 1 before it\n")
        assert warmup("--read", "log", "-o", "log.json", "--until-damage")[0] == 0
        assert len(read_cases(Path("log.json"))) == 1

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--read", "none", "-o", "a.json"], "none cannot be read: No such file or directory"),
            (["--read", "log", "-o", "a.txt"], "a.txt: goldens are written as JSON; give -o NAME.json"),
            (["--read", "log", "-o", "there.json"], "there.json is there already; --force replaces it"),
            (["--read", "log", "-o", "a.json", "--signature", "t"], "log has no predict request of signature 't'"),
        ],
    )
    def test_what_is_wrong_is_said(self, warmup, arguments, message):
        with Path("log").open("wb") as stream:
            write_log(stream, [("m", "s", {"x": X}, None)])
        Path("there.json").write_text("{}")
        assert warmup(*arguments) == (2, f"pytest-tfserving warmup: {message}\n")
