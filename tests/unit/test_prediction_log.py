"""Files of PredictionLogs as goldens: request logs and warm-up files, read one record at a time."""

import json
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_tfserving.contracts.checks import GoldenFiles, GoldenRequest
from pytest_tfserving.contracts.golden_items import find_golden_items
from pytest_tfserving.errors import ContractWarning, GoldenError
from pytest_tfserving.golden.case_arrays import case_inputs, expected_outputs
from pytest_tfserving.golden.check import check_case
from pytest_tfserving.golden.exact import read_tensor, same_bits, write_tensor
from pytest_tfserving.golden.formats.prediction_log import write_log
from pytest_tfserving.golden.recorder import Recorder, Written
from pytest_tfserving.golden.store import DamagedGoldenError, find_files, read_cases, write_answers
from pytest_tfserving.golden.tolerance import Tolerance
from pytest_tfserving.schema import ModelSchema, Signature, TensorSpec
from pytest_tfserving.tensors import to_proto
from pytest_tfserving.tfrecord import write_records
from pytest_tfserving.wire import serving_pb2 as serving

X, Y = np.array([1, 2], "f4"), np.array([2.5, 3], "f4")
SIGNATURE = Signature("s", {"x": TensorSpec("float32", (None,))}, {"y": TensorSpec("float32", (None,))})
NEW = {"y": write_tensor(np.array([7.5], "f4"))}
PROVENANCE = {"backend": "embedded"}

# The bytes of a PredictionLog by hand: predict_log (6), request (1), model_spec (1), name (1) "m", signature_name (3)
# "s"; inputs (2), key (1) "x", value (2): dtype (1) DT_FLOAT, tensor_shape (2) of one dim (2) of size (1) 1, and
# float_val (5) packed, 1.0.
BY_HAND = bytes.fromhex("321f 0a1d 0a06 0a016d 1a0173 1213 0a0178 120e 0801 1204 12020801 2a04 0000803f")


@pytest.fixture
def log(tmp_path):
    """Writes (signature, inputs, outputs) as a log."""

    def write(*requests, name="requests.tfrecord"):
        file = tmp_path / name
        with file.open("wb") as stream:
            write_log(stream, [("m", *request) for request in requests])
        return file

    return write


def raw(tmp_path, *records):
    file = tmp_path / "requests.tfrecord"
    with file.open("wb") as stream:
        write_records(stream, [r if isinstance(r, bytes) else r.SerializeToString() for r in records])
    return file


def message_of(function, *arguments):
    with pytest.raises(GoldenError) as caught:
        function(*arguments)
    return str(caught.value)


def test_a_record_is_a_case_by_its_number_and_signature(log):
    file = log(("s", {"x": X}, {"y": Y}), ("", {"x": X}, None))
    first, second = read_cases(file)
    assert [(c.id, c.key, c.signature_name, c.answer is None) for c in (first, second)] == [
        ("requests-000001-s", "000001", "s", False),
        ("requests-000002", "000002", None, True),
    ]
    assert first.where == f"{file} [000001]"
    np.testing.assert_array_equal(case_inputs(first, SIGNATURE)["x"], X, strict=True)
    np.testing.assert_array_equal(expected_outputs(first, SIGNATURE)["y"], Y, strict=True)


def test_a_record_that_was_made_by_hand(tmp_path):
    [case] = read_cases(raw(tmp_path, BY_HAND))
    assert (case.id, case.answer) == ("requests-000001-s", None)
    np.testing.assert_array_equal(case_inputs(case, SIGNATURE)["x"], np.array([1], "f4"), strict=True)


def test_a_request_for_some_outputs_is_compared_in_these(tmp_path):
    log = serving.PredictionLog.FromString(BY_HAND)
    log.predict_log.request.output_filter.append("y")
    log.predict_log.response.outputs["y"].CopyFrom(to_proto(Y))
    [case] = read_cases(raw(tmp_path, log))

    class Client:
        transport = "grpc"

        def predict(self, **_):
            return {"y": Y, "z": X}

    outcome = check_case(case, Client(), ModelSchema({"s": SIGNATURE}), Tolerance(), None)
    assert (outcome.holds, set(outcome.outputs)) == (True, {"y"})


arrays = st.one_of(
    st.lists(st.floats(width=32), max_size=5).map(lambda v: np.array(v, "f4")),
    st.lists(st.binary(max_size=5), max_size=3).map(lambda v: np.array(v, object)),
    st.integers(-(2**63), 2**63 - 1).map(lambda v: np.array(v, "i8")),
)


@given(st.lists(st.tuples(st.text(max_size=5), st.dictionaries(st.text(max_size=3), arrays, max_size=3)), min_size=1))
def test_what_is_written_is_read(tmp_path_factory, requests):
    file = tmp_path_factory.mktemp("log") / "requests.tfrecord"
    with file.open("wb") as stream:
        write_log(stream, [("m", signature, inputs, inputs) for signature, inputs in requests])
    cases = read_cases(file)
    assert [case.signature_name or "" for case in cases] == [signature for signature, _ in requests]
    for case, (_, inputs) in zip(cases, requests, strict=True):
        for values in (case.request["inputs"], case.answer["outputs"]):
            assert set(values) == set(inputs)
            assert all(same_bits(read_tensor(values[name], "", name), inputs[name]) for name in inputs)


@pytest.mark.parametrize("name", ["a.tfrecord", "a.tfrecords", "tf_serving_warmup_requests"])
def test_a_directory_has_it_by_its_name(log, tmp_path, name):
    file = log(("s", {"x": X}, None), name=name)
    (tmp_path / f"{name}.response.json").write_text("{}")
    assert find_files(".", tmp_path) == [file]
    assert find_files(name.removesuffix(".tfrecord"), tmp_path) == [file]


def test_what_is_no_predict_request_is_left_out_and_counted(tmp_path):
    others = [serving.PredictionLog(), serving.PredictionLog(), serving.PredictionLog(), serving.PredictionLog()]
    others[0].classify_log.request.model_spec.name = "m"
    others[1].session_run_log.SetInParent()
    others[2].classify_log.SetInParent()
    file = raw(tmp_path, others[0], BY_HAND, *others[1:])
    with pytest.warns(ContractWarning) as caught:
        [case] = read_cases(file)
    assert case.key == "000002"
    assert [str(warning.message) for warning in caught] == [
        f"{file}: records that are no predict requests are left out: "
        "1 of an empty record, 2 of classify_log, 1 of session_run_log"
    ]


def test_a_file_without_a_predict_request(tmp_path):
    assert message_of(read_cases, raw(tmp_path)) == f"{tmp_path}/requests.tfrecord has no predict request"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        said = message_of(read_cases, raw(tmp_path, serving.PredictionLog()))
    assert said.endswith("requests.tfrecord: records that are no predict requests are left out: 1 of an empty record")


class TestDamage:
    @pytest.fixture
    def damaged(self, log):
        file = log(("s", {"x": X}, {"y": Y}), ("s", {"x": X}, {"y": Y}))
        file.write_bytes(file.read_bytes()[:-1])
        return file

    def test_the_cases_before_it_can_be_used(self, damaged):
        with pytest.raises(
            DamagedGoldenError,
            match=r"record 2 at offset (\d+) is cut off.*`head -c \1 .*requests.tfrecord > whole.tfrecord`",
        ) as caught:
            read_cases(damaged)
        [case] = caught.value.cases
        np.testing.assert_array_equal(case_inputs(case, SIGNATURE)["x"], X)

    def test_it_is_a_test_that_fails_and_hides_none(self, damaged):
        request = GoldenRequest(GoldenFiles(damaged.name, damaged.parent), Tolerance())
        good, bad = find_golden_items([request], ["grpc"])
        assert (good.id, good.problem) == ("requests-000001-s-grpc", "")
        assert (bad.id, bad.check) == ("requests-damaged", None)
        assert "record 2 at offset" in bad.problem

    def test_a_record_that_is_something_else(self, tmp_path):
        said = message_of(read_cases, raw(tmp_path, BY_HAND, b"\xff"))
        assert said.endswith("record 2 at offset 49 is no PredictionLog (tensorflow_serving/apis/prediction_log.proto)")

    def test_a_file_that_changes_during_the_run(self, log):
        file = log(("s", {"x": X}, None))
        [case] = read_cases(file)
        log(("s", {"x": X + 1}, None))
        assert message_of(case_inputs, case, SIGNATURE) == f"{file} [000001]: the file has changed since the run began"
        file.unlink()
        assert message_of(case_inputs, case, SIGNATURE).startswith(f"{file} cannot be read: ")

    def test_a_tensor_that_is_none(self, tmp_path):
        bad = serving.PredictionLog()
        bad.predict_log.request.inputs["x"].dtype = 1
        bad.predict_log.request.inputs["x"].tensor_content = b"abc"
        [case] = read_cases(raw(tmp_path, bad))
        assert "[000001]: 'x': tensor_content of 3 bytes is no float32[]" in message_of(case_inputs, case, SIGNATURE)


class TestRecording:
    def test_answers_lie_beside_the_log_which_stays_as_it_is(self, log):
        file = log(("s", {"x": X}, {"y": Y}), ("s", {"x": X}, None))
        before = file.read_bytes()
        beside = file.with_name("requests.tfrecord.response.json")
        assert write_answers(file, {"000002": NEW}, PROVENANCE) == (beside, 1, 0)
        assert file.read_bytes() == before
        document = json.loads(beside.read_text())
        assert (list(document["cases"]), document["provenance"]) == (["000002"], PROVENANCE)
        logged, recorded = read_cases(file)
        np.testing.assert_array_equal(expected_outputs(logged, SIGNATURE)["y"], Y)
        assert (dict(recorded.answer), recorded.provenance) == ({"outputs": NEW}, PROVENANCE)

    def test_a_recorded_answer_comes_before_the_logged_one(self, log):
        file = log(("s", {"x": X}, {"y": Y}))
        write_answers(file, {"000001": NEW}, PROVENANCE)
        assert read_cases(file)[0].answer == {"outputs": NEW}

    def test_writing_the_same_again_touches_nothing(self, log):
        file = log(("s", {"x": X}, None))
        beside, *_ = write_answers(file, {"000001": NEW}, PROVENANCE)
        stamp = beside.stat().st_mtime_ns, beside.stat().st_ino
        assert write_answers(file, {"000001": NEW}, {"backend": "other"}) == (beside, 0, 0)
        assert (beside.stat().st_mtime_ns, beside.stat().st_ino) == stamp

    def test_an_answer_to_another_request_is_not_taken(self, log):
        write_answers(log(("s", {"x": X}, None)), {"000001": NEW}, PROVENANCE)
        file = log(("s", {"x": X + 1}, None))
        [case] = read_cases(file)
        assert message_of(expected_outputs, case, SIGNATURE) == (
            f"{file}.response.json [000001] was recorded for another request: record it again with "
            f"`pytest --tfserving-update`"
        )
        assert write_answers(file, {"000001": NEW}, PROVENANCE)[1] == 1
        assert read_cases(file)[0].answer == {"outputs": NEW}

    def test_none_is_recorded_into_an_export(self, log, tmp_path):
        (tmp_path / "assets.extra").mkdir()
        file = log(("s", {"x": X}, None), name="assets.extra/tf_serving_warmup_requests")
        recorder = Recorder()
        recorder.add(file, "000001", "grpc", {"y": Y}, PROVENANCE, Tolerance())
        assert recorder.write() == Written(
            {},
            (f"{file} lies in an export, where no answers are recorded; make goldens of it with "
             f"`pytest-tfserving warmup --read {file} -o goldens/warmup.json`",),
        )  # fmt: skip
        assert list(file.parent.iterdir()) == [file]

    def test_a_record_that_has_gone(self, log):
        file = log(("s", {"x": X}, None))
        assert "[000007]: the case is not there any more" in message_of(
            write_answers, file, {"000007": NEW}, PROVENANCE
        )


class TestJsonLines:
    @pytest.fixture
    def lines(self, tmp_path):
        file = tmp_path / "requests.jsonl"
        file.write_text(
            '{"inputs": {"x": [1.0, 2.0]}, "outputs": {"y": [2.5, 3.0]}, "signature_name": "s"}\n\n'
            '{"instances": [1.0], "transport": "rest"}\n{"inputs": [true], "expect_error": "INVALID_ARGUMENT"}'
        )
        return file

    def test_a_line_is_a_case_by_its_number(self, lines):
        assert find_files("requests", lines.parent) == [lines] == find_files(".", lines.parent)
        first, second, third = read_cases(lines)
        assert [case.id for case in (first, second, third)] == [
            "requests-000001-s", "requests-000003", "requests-000004",
        ]  # fmt: skip
        assert (dict(first.request), dict(first.answer)) == (
            {"inputs": {"x": [1.0, 2.0]}}, {"outputs": {"y": [2.5, 3.0]}},
        )  # fmt: skip
        assert (dict(second.request), second.answer, second.transport) == ({"instances": [1.0]}, None, "rest")
        assert str(third.expected_error) == "INVALID_ARGUMENT"

    def test_answers_lie_beside_it(self, lines):
        before = lines.read_bytes()
        write_answers(lines, {"000003": NEW}, PROVENANCE)
        assert lines.read_bytes() == before
        assert read_cases(lines)[1].answer == {"outputs": NEW}
        lines.write_text(lines.read_text().replace("[1.0]", "[2.0]"))
        assert "was recorded for another request" in message_of(lambda: read_cases(lines)[1].answer["outputs"])

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "{file} has no request; write one a line, such as {{"),
            ('{"inputs": 1}\n{', "{file} [000002]:1:2: not JSON: "),
            (
                '{"inputs": 1, "inputs": 2}',
                "{file} [000001]: key 'inputs' stands twice in one object; rename or remove one of them",
            ),
            ("[1]", "{file} [000001]: a case is an object with `inputs` or `instances`"),
            ('{"input": 1}', "{file} [000001]: unknown key 'input'; a case has "),
        ],
    )
    def test_what_is_wrong_is_said_with_its_line(self, lines, text, message):
        lines.write_text(text)
        assert message_of(read_cases, lines).startswith(message.format(file=lines))
