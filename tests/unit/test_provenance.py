"""What made a golden: the server's software, the CPU it ran on where that is this machine's, and when.

A file says it of all its cases; one that was recorded elsewhere than those that stayed says it itself.
"""

import json
import platform

import numpy as np
import pytest

from pytest_tfserving.golden.exact import write_tensor
from pytest_tfserving.golden.formats.npz import plain_tensor
from pytest_tfserving.golden.formats.prediction_log import write_log
from pytest_tfserving.golden.provenance import Change, cpu_features, dated, describe_run, divide, find_changes
from pytest_tfserving.golden.recorder import Recorder
from pytest_tfserving.golden.store import read_cases, write_answers
from pytest_tfserving.golden.tolerance import Tolerance

CPUINFO = {
    "x86": "processor\t: 0\nflags\t\t: fpu sse4_2 avx avx2 fma avx512f\nprocessor\t: 1\nflags\t\t: fpu\n",
    "Arm": "processor\t: 0\nFeatures\t: fp asimd sve bf16 i8mm\n",
    "neither": "processor\t: 0\n",
}


@pytest.fixture
def cpuinfo(monkeypatch):
    return lambda text: monkeypatch.setattr("pathlib.Path.read_text", lambda *_, **__: text)


@pytest.mark.parametrize(
    ("text", "features"),
    [
        (CPUINFO["x86"], ["avx", "avx2", "fma", "avx512f"]),
        (CPUINFO["Arm"], ["asimd", "sve", "bf16", "i8mm"]),
        (CPUINFO["neither"], []),
    ],
    ids=CPUINFO,
)
def test_the_features_that_kernels_are_chosen_by_are_named(cpuinfo, text, features):
    cpuinfo(text)
    assert cpu_features() == features


def test_where_the_kernel_lists_none_there_are_none(monkeypatch):
    def missing(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr("pathlib.Path.read_text", missing)
    assert cpu_features() == []


def test_a_server_here_has_this_machines_cpu(cpuinfo, monkeypatch):
    cpuinfo(CPUINFO["x86"])
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    assert describe_run({"backend": "embedded", "tensorflow": "2.21.0"}) == {
        "backend": "embedded",
        "tensorflow": "2.21.0",
        "cpu": f"{platform.machine()} avx avx2 fma avx512f",
    }


@pytest.mark.parametrize(
    ("server", "said"),
    [
        ({"backend": "embedded"}, "0"),
        ({"backend": "binary"}, "0"),
        ({}, "0"),
        ({"backend": "docker"}, None),
        ({"backend": "docker", "TF_ENABLE_ONEDNN_OPTS": "1"}, "1"),
        ({"backend": "remote"}, None),
    ],
    ids=["embedded", "binary", "a test's body", "docker", "a container that has its own", "remote"],
)
def test_a_switch_that_chooses_kernels_is_that_of_whoever_answers(monkeypatch, server, said):
    """A container has no environment of this process."""
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert describe_run(server).get("TF_ENABLE_ONEDNN_OPTS") == said


def test_of_a_server_elsewhere_nothing_is_claimed(monkeypatch):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert describe_run({"backend": "remote"}) == {"backend": "remote"}


def test_the_day_is_utcs_and_no_part_of_the_environment():
    made = dated({"backend": "embedded"})
    assert list(made) == ["backend", "date"]
    assert len(made["date"].split("-")) == 3
    assert find_changes({"backend": "embedded", "date": "2020-01-01"}, made) == []
    assert find_changes({"date": "2020-01-01"}, made) == []  # it says nothing of where
    assert find_changes({"backend": "docker", "date": "2020-01-01"}, made) == [Change("backend", "docker", "embedded")]


OLD, NEW = {"tensorflow": "2.20.0", "date": "2026-01-01"}, {"tensorflow": "2.21.0", "date": "2026-02-02"}
OLD_LATER, OTHER = {**OLD, "date": "2026-02-02"}, {"tensorflow": "2.19.0", "date": "2026-02-02"}


@pytest.mark.parametrize(
    ("of_file", "staying", "now", "file_then", "cases_then"),
    [
        (OLD, {}, NEW, NEW, {"new": None}),
        (OLD, {"a": None}, OLD_LATER, OLD_LATER, {"a": None, "new": None}),
        (OLD, {"a": None}, NEW, OLD, {"a": None, "new": NEW}),
        (OLD, {"a": None, "b": NEW}, NEW, OLD, {"a": None, "b": NEW, "new": NEW}),
        (OLD, {"a": None, "b": NEW}, OLD_LATER, OLD_LATER, {"a": None, "b": NEW, "new": None}),
        (OLD, {"b": NEW}, NEW, NEW, {"b": None, "new": None}),
        (OLD, {"b": NEW}, OTHER, OTHER, {"b": NEW, "new": None}),
        ({}, {}, NEW, NEW, {"new": None}),
        ({}, {"a": None}, NEW, None, {"a": None, "new": NEW}),
        ({}, {"a": None, "b": OLD}, NEW, None, {"a": None, "b": OLD, "new": NEW}),
        ({}, {"a": OLD_LATER}, OLD, OLD, {"a": None, "new": None}),
    ],
    ids=["nothing stays", "another day alone", "another version", "and again", "back again", "the last of the old",
         "a third", "a first recording",
         "beside a person's answer", "again beside it", "the person's answer is gone"],
)  # fmt: skip
def test_what_a_file_says_after_a_recording(of_file, staying, now, file_then, cases_then):
    assert divide(of_file, staying, ["new"], now) == (file_then, cases_then)


def answer(*values):
    return {"y": write_tensor(np.array(values, "f4"))}


class TestInFiles:
    """No answer claims to be made where it was not, whatever kind of file it lies in."""

    @pytest.fixture(params=["many.json", "log.tfrecord", "lines.jsonl"])
    def file(self, request, tmp_path):
        """A file of two requests, whose cases are 000001 and 000002."""
        file = tmp_path / request.param
        if file.suffix == ".json":
            file.write_text(json.dumps({"cases": {"000001": {"inputs": [1]}, "000002": {"inputs": [2]}}}))
        elif file.suffix == ".jsonl":
            file.write_text('{"inputs": [1]}\n{"inputs": [2]}\n')
        else:
            with file.open("wb") as stream:
                write_log(stream, [("m", "s", {"x": np.array([value], "f4")}, None) for value in (1, 2)])
        return file

    @staticmethod
    def written_in(file):
        beside = file.with_name(f"{file.name}.response.json")
        return json.loads((beside if beside.exists() else file).read_text())

    def test_all_of_one_environment_have_the_files(self, file):
        write_answers(file, {"000001": answer(1), "000002": answer(2)}, OLD)
        document = self.written_in(file)
        assert document["provenance"] == OLD
        assert not any("provenance" in case for case in document["cases"].values())

    def test_a_case_that_stays_is_not_touched(self, file):
        write_answers(file, {"000001": answer(1), "000002": answer(2)}, OLD)
        write_answers(file, {"000001": answer(1), "000002": answer(3)}, NEW)
        assert [case.provenance for case in read_cases(file)] == [OLD, NEW]
        document = self.written_in(file)
        assert document["provenance"] == OLD
        assert ["provenance" in case for case in document["cases"].values()] == [False, True]

    def test_not_a_line_of_it(self, file):
        """Nor of one that says where it was made before it says anything else."""
        write_answers(file, {"000001": answer(1), "000002": answer(2)}, OLD)
        beside = file.with_name(f"{file.name}.response.json")
        written = beside if beside.exists() else file
        document = json.loads(written.read_text())
        document["cases"]["000001"] = {"provenance": OTHER, **document["cases"]["000001"]}
        written.write_text(json.dumps(document))
        write_answers(file, {"000002": answer(3)}, NEW)
        first = self.written_in(file)["cases"]["000001"]
        assert next(iter(first)) == "provenance"
        assert first == document["cases"]["000001"]

    def test_when_all_are_recorded_there_the_file_says_so(self, file):
        write_answers(file, {"000001": answer(1), "000002": answer(2)}, OLD)
        write_answers(file, {"000002": answer(3)}, NEW)
        write_answers(file, {"000001": answer(4)}, NEW)
        document = self.written_in(file)
        assert document["provenance"] == NEW
        assert not any("provenance" in case for case in document["cases"].values())

    def test_large_tensors_too(self, file):
        large = {"y": plain_tensor(np.arange(5000, dtype="f4"))}
        write_answers(file, {"000001": large, "000002": answer(2)}, OLD)
        write_answers(file, {"000002": {"y": plain_tensor(np.ones(5000, "f4"))}}, NEW)
        first, second = read_cases(file)
        assert (first.provenance, second.provenance) == (OLD, NEW)
        np.testing.assert_array_equal(first.answer["outputs"]["y"].load("y"), np.arange(5000))

    def test_of_one_run_that_asked_two_servers(self, file):
        recorder = Recorder()
        recorder.add(file, "000001", "grpc", {"y": np.array([1], "f4")}, {"image": "a"}, Tolerance())
        recorder.add(file, "000002", "grpc", {"y": np.array([2], "f4")}, {"image": "b"}, Tolerance())
        [count] = recorder.write().files.values()
        assert count == (2, 0)
        assert [case.provenance["image"] for case in read_cases(file)] == ["a", "b"]


def test_a_case_without_an_answer_has_been_made_nowhere(tmp_path):
    file = tmp_path / "many.json"
    refused = {"inputs": [3], "expect_error": "NOT_FOUND"}
    file.write_text(
        json.dumps({"cases": {"a": {"inputs": [1]}, "b": {"inputs": [2]}, "c": refused}, "provenance": OLD})
    )
    write_answers(file, {"a": answer(1)}, NEW)
    document = json.loads(file.read_text())
    assert document["provenance"] == NEW
    assert (document["cases"]["b"], document["cases"]["c"]) == ({"inputs": [2]}, refused)
