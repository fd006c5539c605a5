"""What a run recorded: merged over transports and processes, written where they agree, refused where they do not."""

import json
from datetime import datetime, timezone

import execnet
import numpy as np
import pytest

from pytest_tfserving.golden.exact import write_tensor
from pytest_tfserving.golden.formats.prediction_log import write_log
from pytest_tfserving.golden.output_rule import OutputRule
from pytest_tfserving.golden.recorder import Count, Recorder, Written
from pytest_tfserving.golden.store import read_answer, read_cases
from pytest_tfserving.golden.tolerance import Tolerance

REST, GRPC = {"backend": "embedded", "over": "rest"}, {"backend": "embedded", "over": "grpc"}

# Nobody runs this at midnight twice.
DAY = {"date": datetime.now(timezone.utc).date().isoformat()}


def outputs(*values, dtype="f4"):
    return {"y": np.array(values, dtype)}


@pytest.fixture
def golden(tmp_path):
    file = tmp_path / "golden.json"
    file.write_text(json.dumps({"cases": {"a": {"inputs": [1]}, "b": {"inputs": [2]}}}))
    return file


@pytest.fixture
def recorder():
    return Recorder()


def answers_in(file):
    return {case.key: case.answer and case.answer["outputs"]["y"]["values"] for case in read_cases(file)}


def test_nothing_recorded_is_nothing_written(recorder):
    assert recorder.write() == Written({}, ())


def test_the_cases_of_a_file_are_written_together(recorder, golden):
    recorder.add(golden, "a", "grpc", outputs(1), GRPC, Tolerance())
    recorder.add(golden, "b", "grpc", outputs(2), GRPC, Tolerance())
    assert recorder.write() == Written({str(golden): Count(2, 0)}, ())
    assert answers_in(golden) == {"a": [1.0], "b": [2.0]}


def test_grpc_is_written_where_both_transports_agree(recorder, golden):
    recorder.add(golden, "a", "rest", outputs(0.0), REST, Tolerance())
    recorder.add(golden, "a", "grpc", outputs(1e-45), GRPC, Tolerance())  # REST's printer makes it zero
    assert recorder.write() == Written({str(golden): Count(1, 0)}, ())
    assert answers_in(golden) == {"a": [1e-45], "b": None}
    assert read_cases(golden)[0].provenance == {**GRPC, **DAY}


def test_rest_alone_will_do(recorder, golden):
    recorder.add(golden, "a", "rest", outputs(1), REST, Tolerance())
    recorder.write()
    assert answers_in(golden)["a"] == [1.0]
    assert read_cases(golden)[0].provenance == {**REST, **DAY}


def test_transports_agree_by_what_is_asked_of_an_output(recorder, golden):
    """A rule travels between processes as the tolerance does."""
    unordered = Tolerance(outputs={"y": OutputRule(unordered=True)})
    first, second = {"y": np.array([1, 2], "i4")}, {"y": np.array([2, 1], "i4")}
    recorder.add(golden, "a", "rest", first, REST, unordered)
    recorder.add(golden, "a", "grpc", second, GRPC, unordered)
    other = Recorder()
    other.merge(execnet.loads(execnet.dumps(recorder.to_plain())))
    assert not other.write().refused


@pytest.mark.parametrize(
    ("rest", "grpc", "tolerance", "names"),
    [
        (outputs(1), outputs(1.1), Tolerance(), "y"),
        (outputs(1), outputs(1.1), Tolerance(rtol=0.05), "y"),
        (outputs(1), outputs(1, dtype="f8"), Tolerance(), "y"),
        (outputs(1), outputs(1, 1), Tolerance(), "y"),
        (outputs(1), {"y": np.array([1], "f4"), "z": np.array([1], "f4")}, Tolerance(), "z"),
    ],
    ids=["values", "beyond the tolerance", "dtype", "shape", "names"],
)
def test_a_case_whose_transports_disagree_is_refused(recorder, golden, rest, grpc, tolerance, names):
    before = golden.read_text()
    recorder.add(golden, "a", "rest", rest, REST, tolerance)
    recorder.add(golden, "a", "grpc", grpc, GRPC, tolerance)
    assert recorder.write() == Written({}, (f"{golden} [a]: rest and grpc disagree in {names}",))
    assert golden.read_text() == before


@pytest.mark.parametrize(
    ("rest", "grpc", "tolerance"),
    [
        (outputs(1), outputs(1.000001), Tolerance()),
        (outputs(1), outputs(1.1), Tolerance(rtol=0.2)),
        (outputs(1), outputs(1.1), Tolerance(atol=0.2)),
        (outputs(np.nan), outputs(np.nan), Tolerance()),
    ],
    ids=["default", "rtol", "atol", "NaN"],
)
def test_they_agree_within_the_markers_tolerance_and_nan_is_nan(recorder, golden, rest, grpc, tolerance):
    recorder.add(golden, "a", "rest", rest, REST, tolerance)
    recorder.add(golden, "a", "grpc", grpc, GRPC, tolerance)
    assert recorder.write().refused == ()


def test_a_file_under_several_names_is_one(recorder, golden):
    """As tests of several directories write its path; what belongs to a link lies beside the link."""
    for name in ("x", "y"):
        (golden.parent / name).mkdir()
        recorder.add(golden.parent / name / ".." / golden.name, "a", "grpc", outputs(len(name)), GRPC, Tolerance())
    link = golden.with_name("link.request.json")
    link.symlink_to(golden)
    recorder.add(golden.parent / "x" / ".." / golden.name, "b", "grpc", outputs(1), GRPC, Tolerance())
    recorder.add(golden.parent / "y" / ".." / golden.name, "b", "grpc", outputs(2), GRPC, Tolerance())
    recorder.add(link, None, "grpc", outputs(1), GRPC, Tolerance())
    assert recorder.write() == Written(
        {str(golden): Count(1, 0), str(golden.with_name("link.response.json")): Count(1, 0)},
        (f"{golden} [b]: tests that use it were given other answers over grpc, in y",),
    )


def test_a_case_that_failed_over_one_transport_is_refused_and_the_others_are_written(recorder, golden):
    recorder.add(golden, "a", "rest", None, {}, Tolerance())
    recorder.add(golden, "a", "grpc", outputs(1), GRPC, Tolerance())
    recorder.add(golden, "b", "grpc", outputs(2), GRPC, Tolerance())
    assert recorder.write() == Written({str(golden): Count(1, 0)}, (f"{golden} [a]: it failed over rest",))
    assert answers_in(golden) == {"a": None, "b": [2.0]}


def test_a_golden_of_a_tests_body_has_no_case(recorder, tmp_path):
    recorder.add(tmp_path / "body.json", None, "body", outputs(1), GRPC, Tolerance())
    recorder.add(tmp_path / "failed.json", None, "body", None, {}, Tolerance())
    assert recorder.write() == Written(
        {str(tmp_path / "body.json"): Count(1, 0)}, (f"{tmp_path / 'failed.json'}: it failed over body",)
    )
    assert read_answer(tmp_path / "body.json").answer == {"outputs": {"y": write_tensor(np.array([1], "f4"))}}


def test_outputs_are_written_by_name(recorder, tmp_path):
    recorder.add(tmp_path / "body.json", None, "body", {"z": np.zeros(1), "a": np.zeros(1)}, GRPC, Tolerance())
    recorder.write()
    assert list(read_answer(tmp_path / "body.json").answer["outputs"]) == ["a", "z"]


def test_what_is_there_already_is_not_written_and_counted(recorder, golden):
    recorder.add(golden, "a", "grpc", outputs(1), GRPC, Tolerance())
    recorder.write()
    stamp = golden.stat().st_mtime_ns, golden.stat().st_ino
    again = Recorder()
    again.add(golden, "a", "grpc", outputs(1), REST, Tolerance())
    assert again.write() == Written({}, (), {str(golden): 1})
    assert (golden.stat().st_mtime_ns, golden.stat().st_ino) == stamp
    again.add(golden, "b", "grpc", outputs(2), REST, Tolerance())
    assert again.write() == Written({str(golden): Count(1, 0)}, (), {str(golden): 1})


class TestCounts:
    """A case that had an answer has changed, wherever it was; one that had none is new."""

    @pytest.mark.parametrize(
        ("name", "content", "count"),
        [
            ("one.json", {"inputs": [1]}, (1, 0)),
            ("one.json", {"inputs": [1], "outputs": [2]}, (0, 1)),
            ("one.json", {"instances": [1], "predictions": [2]}, (0, 1)),
            ("one.jsonl", {"inputs": [1]}, (1, 0)),
            ("one.jsonl", {"inputs": [1], "outputs": [2]}, (0, 1)),
            ("one.request.json", {"inputs": [1]}, (1, 0)),
        ],
        ids=str,
    )
    def test_of_a_first_recording(self, recorder, tmp_path, name, content, count):
        file = tmp_path / name
        file.write_text(json.dumps(content))
        recorder.add(file, "000001" if file.suffix == ".jsonl" else None, "grpc", outputs(1), GRPC, Tolerance())
        assert list(recorder.write().files.values()) == [Count(*count)]

    @pytest.mark.parametrize(("response", "count"), [(None, (1, 0)), ({"y": np.zeros(1, "f4")}, (0, 1))])
    def test_of_a_log(self, recorder, tmp_path, response, count):
        file = tmp_path / "log.tfrecord"
        with file.open("wb") as stream:
            write_log(stream, [("m", "s", {"x": np.zeros(1, "f4")}, response)])
        recorder.add(file, "000001", "grpc", outputs(1), GRPC, Tolerance())
        assert list(recorder.write().files.values()) == [Count(*count)]

    def test_of_a_request_that_is_another_now(self, tmp_path):
        """Its answer was another request's."""
        file = tmp_path / "one.jsonl"
        for request in (1, 2):
            file.write_text(json.dumps({"inputs": [request]}))
            again = Recorder()
            again.add(file, "000001", "grpc", outputs(1), GRPC, Tolerance())
            assert list(again.write().files.values()) == [Count(1, 0)]

    @pytest.mark.parametrize(
        ("count", "text"), [((1, 0), "1 new"), ((0, 2), "2 changed"), ((1, 2), "1 new, 2 changed")], ids=str
    )
    def test_in_words(self, count, text):
        assert str(Count(*count)) == text


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"cases": {"b": {"inputs": [2]}}}',
         "{file} [a]: the case is not there any more; it was when the run began"),
        ('{"inputs": [1]}', "{file} [a]: the case is not there any more; it was when the run began"),
        ("{", "{file}:1:2: not JSON: Expecting property name enclosed in double quotes"),
    ],
    ids=["another case", "no cases", "no JSON"],
)  # fmt: skip
def test_a_file_that_changed_during_the_run_is_refused_and_left_alone(recorder, golden, tmp_path, content, reason):
    recorder.add(golden, "a", "grpc", outputs(1), GRPC, Tolerance())
    recorder.add(tmp_path / "other.json", None, "body", outputs(1), GRPC, Tolerance())
    golden.write_text(content)
    assert recorder.write() == Written({str(tmp_path / "other.json"): Count(1, 0)}, (reason.format(file=golden),))
    assert golden.read_text() == content


def test_no_answer_is_written_beside_a_request_that_took_the_place_of_its_own(recorder, tmp_path):
    """Somebody edits the requests, or a log is rotated, while the tests run."""
    lines, log = tmp_path / "lines.jsonl", tmp_path / "log.tfrecord"

    def write(value):
        lines.write_text(f'{{"inputs": [{value}]}}\n')
        with log.open("wb") as stream:
            write_log(stream, [("m", "", {"x": np.array([value], "f4")}, None)])

    write(1)
    for file in (lines, log):
        [case] = read_cases(file)
        recorder.add(file, case.key, "grpc", outputs(1), GRPC, Tolerance(), case.mark)
    write(2)
    reason = "[000001]: the case is not there any more; it was when the run began"
    assert recorder.write() == Written({}, (f"{lines} {reason}", f"{log} {reason}"))


class TestAcrossProcesses:
    """pytest-xdist's workers hand over plain values, which execnet carries."""

    @staticmethod
    def carried(recorder):
        return execnet.loads(execnet.dumps(recorder.to_plain()))

    def test_transports_that_ran_in_different_processes_are_merged(self, golden):
        workers = [Recorder(), Recorder()]
        workers[0].add(golden, "a", "rest", outputs(1), REST, Tolerance(1e-3, None, True))
        workers[1].add(golden, "a", "grpc", outputs(1.0005), GRPC, Tolerance(1e-3, None, True))
        controller = Recorder()
        for worker in workers:
            controller.merge(self.carried(worker))
        assert controller.write() == Written({str(golden): Count(1, 0)}, ())
        assert read_cases(golden)[0].answer == {"outputs": {"y": write_tensor(np.array([1.0005], "f4"))}}

    def test_a_disagreement_is_seen_across_processes(self, golden):
        controller, worker = Recorder(), Recorder()
        controller.add(golden, "a", "rest", outputs(1), REST, Tolerance())
        worker.add(golden, "a", "grpc", outputs(2), GRPC, Tolerance())
        controller.merge(self.carried(worker))
        assert controller.write().refused == (f"{golden} [a]: rest and grpc disagree in y",)

    def test_nothing_is_lost_on_the_way(self, recorder, golden):
        recorder.add(golden, "a", "rest", {"s": np.array([b"\xff"], object)}, REST, Tolerance(0.5, 0.25, True))
        recorder.add(golden, None, "grpc", None, GRPC, Tolerance())
        other = Recorder()
        other.merge(self.carried(recorder))
        assert other.to_plain() == recorder.to_plain()
