"""Golden cases against a predictor: what is sent, what is compared, what must be recorded, what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pytest_tfserving.errors import Code, GoldenError, RequestError
from pytest_tfserving.golden.case_arrays import expected_outputs
from pytest_tfserving.golden.check import check_case, must_record
from pytest_tfserving.golden.difference import Comparison, Difference
from pytest_tfserving.golden.exact import write_tensor
from pytest_tfserving.golden.refusal import ExpectedError, Refusal
from pytest_tfserving.golden.store import Case
from pytest_tfserving.golden.tolerance import Tolerance
from pytest_tfserving.grammar import parse_tensor_spec
from pytest_tfserving.schema import INIT_OP_SIGNATURE, ModelSchema, Signature


def signature(name, inputs, outputs):
    def parsed(specs):
        return {alias: parse_tensor_spec(spec) for alias, spec in specs.items()}

    return Signature(name, parsed(inputs), parsed(outputs))


HALF = signature("serving_default", {"x": "float32[?]"}, {"y": "float32[?]"})
TWO = signature("two", {"a": "float32[?]", "b": "int32[?] = ..."}, {"p": "float32[?]", "q": "int64[?]"})
TEXT = signature("text", {"s": "string[?]"}, {"t": "string[?]"})
SCHEMA = ModelSchema({s.name: s for s in (HALF, TWO, TEXT, Signature(INIT_OP_SIGNATURE, {}, {}))})
GOOD = {"y": np.array([2.5, 3], "f4")}


class FakePredictor:
    """Answers every request with the same outputs and keeps what was asked."""

    def __init__(self, outputs, transport="grpc"):
        self.outputs = outputs
        self.transport = transport
        self.asked = []

    def predict(self, **request):
        self.asked.append(request)
        if isinstance(self.outputs, Exception):
            raise self.outputs
        return self.outputs


def case(request, answer=None, signature_name=None, key="c"):
    return Case("file-c", Path("file.json"), key, signature_name, request, answer, {})


def check(golden, outputs=GOOD, *, update=None, transport="grpc", schema=SCHEMA, **tolerance):
    predictor = FakePredictor(outputs, transport)
    return check_case(golden, predictor, schema, Tolerance(**tolerance), update), predictor.asked


def assert_identical(sent, expected):
    """The same values by name, in the same form: arrays of one dtype, or JSON."""
    if isinstance(expected, dict):
        assert sent.keys() == expected.keys()
        for name, value in expected.items():
            assert_identical(sent[name], value)
    elif isinstance(expected, np.ndarray):
        np.testing.assert_array_equal(sent, expected, strict=True)
    else:
        assert (type(sent), sent) == (type(expected), expected)


def message_of(function, *arguments, **options):
    with pytest.raises(GoldenError) as caught:
        function(*arguments, **options)
    return str(caught.value)


class TestRequest:
    @pytest.mark.parametrize(
        ("request_", "signature_name", "sent"),
        [
            ({"inputs": {"x": [1, 2]}}, None, {"x": np.array([1, 2], "f4")}),
            ({"inputs": [1, 2]}, None, {"x": np.array([1, 2], "f4")}),
            ({"inputs": write_tensor(np.array([1, 2], "f4"))}, None, {"x": np.array([1, 2], "f4")}),
            ({"inputs": {"x": write_tensor(np.zeros((0, 2), "f4"))}}, None, {"x": np.zeros((0, 2), "f4")}),
            ({"inputs": {"x": ["NaN"]}}, None, {"x": np.array([np.nan], "f4")}),
            ({"inputs": {"s": ["a", {"b64": "/w=="}]}}, "text", {"s": np.array([b"a", b"\xff"], object)}),
            ({"inputs": {"b64": "/w=="}}, "text", {"s": np.array(b"\xff", object)}),
            ({"inputs": {"a": [1], "b": [2]}}, "two", {"a": np.array([1], "f4"), "b": np.array([2], "i4")}),
            ({"inputs": {"a": [1]}}, "two", {"a": np.array([1], "f4")}),
            ({"instances": [1, 2]}, None, {"x": np.array([1, 2], "f4")}),
            ({"instances": [{"x": 1}, {"x": 2}]}, None, {"x": np.array([1, 2], "f4")}),
            (
                {"instances": [{"a": 1, "b": 2}, {"a": 3, "b": 4}]},
                "two",
                {"a": np.array([1, 3], "f4"), "b": np.array([2, 4], "i4")},
            ),
        ],
        ids=str,
    )
    @pytest.mark.parametrize("transport", ["grpc", "rest"])
    def test_values_are_sent_with_the_signatures_dtypes(self, request_, signature_name, sent, transport):
        outcome, (asked,) = check(case(request_, signature_name=signature_name), update="new", transport=transport)
        assert asked["signature_name"] == (signature_name or "serving_default")
        if "instances" in request_ and transport == "rest":
            assert asked["instances"] is request_["instances"]
        else:
            assert asked["inputs"].keys() == sent.keys()
            for name, array in sent.items():
                np.testing.assert_array_equal(asked["inputs"][name], array, strict=True)
        assert outcome.inputs.keys() == sent.keys()
        assert outcome.transport == transport

    @pytest.mark.parametrize(
        ("request_", "signature_name", "message"),
        [
            (
                {"inputs": {"z": [1]}},
                None,
                "file.json [c] has input 'z', signature 'serving_default' has 'x': the golden is of another signature, "
                "or the model has changed its names; write the names of now into its request, or the signature that it "
                'is of: "signature_name": "..."',
            ),
            ({"inputs": {"b": [1]}}, "two", "file.json [c] lacks input 'a' of signature 'two'"),
            (
                {"inputs": [1]},
                "two",
                "file.json [c]: values without a name need a signature of one input; it has ['a', 'b']",
            ),
            ({"inputs": {"x": ["a"]}}, None, "file.json [c]: 'x': float32 expected, received 'a'"),
            ({"inputs": {"x": {"a": 1}}}, None, "file.json [c]: 'x': float32 expected, received {'a': 1}"),
            (
                {"instances": {"x": 1}},
                None,
                "file.json [c]: `instances` and `predictions` are lists, one item an example",
            ),
            (
                {"instances": [1]},
                "two",
                "file.json [c]: row 0 is 1; an object with a, b was expected",
            ),
            (
                {"inputs": [1]},
                "tow",
                "file.json [c] is a golden of signature 'tow', which the model does not have; "
                "it has 'serving_default', 'two', 'text'; where it was renamed, write its new name into the golden; "
                "where it is gone for good, remove the case",
            ),
        ],
        ids=["other name", "missing", "no name", "other kind", "object", "no rows", "rows without names", "signature"],
    )
    @pytest.mark.parametrize("update", [None, "all"])
    def test_a_request_that_does_not_fit_the_signature_is_not_sent(self, request_, signature_name, message, update):
        golden = case(request_, {"outputs": {}}, signature_name=signature_name)
        assert message_of(check, golden, RuntimeError("was sent"), update=update) == message

    def test_without_a_default_signature_a_golden_must_name_its_own(self):
        assert message_of(check, case({"inputs": [1]}), schema=ModelSchema({"two": TWO})) == (
            "file.json [c] is a golden of signature 'serving_default', which the model does not have; it has 'two'. "
            'Say which is meant: "signature_name": "..."'
        )

    def test_a_refusal_of_the_server_is_passed_on(self):
        refusal = RequestError(Code.INVALID_ARGUMENT, "bad shape", transport="grpc", model="m")
        with pytest.raises(RequestError, match="bad shape"):
            check(case({"inputs": [1]}, {"outputs": [1.0]}), refusal)


class TestRefusal:
    """A case that expects a refusal is sent as it is written, whether or not it fits the signature."""

    REFUSAL = RequestError(Code.INVALID_ARGUMENT, "no such shape", transport="grpc", model="m")

    @staticmethod
    def case(request, code=Code.INVALID_ARGUMENT, text=None, signature_name=None):
        return replace(case(request, signature_name=signature_name), expected_error=ExpectedError(code, text))

    @pytest.mark.parametrize(
        ("request_", "signature_name", "over_grpc", "over_rest"),
        [
            ({"inputs": {"x": [1, 2]}}, None, {"x": np.array([1, 2], "f4")}, {"x": [1, 2]}),
            ({"inputs": [1, 2]}, None, {"x": np.array([1, 2], "f4")}, [1, 2]),
            ({"inputs": {"z": [1, 2]}}, None, {"z": np.array([1, 2], "i4")}, {"z": [1, 2]}),
            ({"inputs": {}}, None, {}, {}),
            ({"inputs": {"x": "a"}}, None, {"x": np.array(b"a", object)}, {"x": "a"}),
            ({"inputs": {"x": True}}, None, {"x": np.array(True)}, {"x": True}),
            ({"inputs": {"z": [2**40]}}, None, {"z": np.array([2**40])}, {"z": [2**40]}),
            ({"inputs": {"z": 1.5}}, None, {"z": np.array(1.5, "f4")}, {"z": 1.5}),
            ({"inputs": {"s": 1.5}}, "text", {"s": np.array(1.5, "f4")}, {"s": 1.5}),
            (
                {"inputs": {"x": write_tensor(np.array([1], "i8"))}},
                None,
                {"x": np.array([1], "i8")},
                {"x": np.array([1], "i8")},
            ),
            ({"inputs": write_tensor(np.array([1], "i8"))}, None, {"x": np.array([1], "i8")}, np.array([1], "i8")),
            ({"inputs": {"x": [1]}}, "no such", {"x": np.array([1], "i4")}, {"x": [1]}),
        ],
        ids=str,
    )
    @pytest.mark.parametrize("transport", ["grpc", "rest"])
    def test_what_is_sent(self, request_, signature_name, over_grpc, over_rest, transport):
        golden = self.case(request_, signature_name=signature_name)
        outcome, (asked,) = check(golden, self.REFUSAL, transport=transport)
        assert (asked["signature_name"], asked["fit"]) == (signature_name or "serving_default", False)
        assert_identical(asked["inputs"], over_grpc if transport == "grpc" else over_rest)
        assert outcome.holds

    def test_rows_are_sent_as_they_are_over_rest_and_as_columns_over_grpc(self):
        golden = self.case({"instances": [{"x": "a"}, {"x": "b"}]})
        assert check(golden, self.REFUSAL, transport="rest")[1][0]["instances"] is golden.request["instances"]
        sent = check(golden, self.REFUSAL)[1][0]["inputs"]
        assert_identical(sent, {"x": np.array([b"a", b"b"], object)})

    @pytest.mark.parametrize("value", [[[1], [2, 3]], None, {"a": 1}, [1, "a"]], ids=str)
    def test_what_is_no_tensor_can_only_be_sent_over_rest(self, value):
        golden = self.case({"inputs": {"x": value}})
        assert check(golden, self.REFUSAL, transport="rest")[1][0]["inputs"] == {"x": value}
        message = message_of(check, golden, RuntimeError("was sent"))
        assert message.startswith("file.json [c]: 'x' is no tensor that gRPC can carry: ")
        assert message.endswith('; if REST is meant: "transport": "rest"')

    @pytest.mark.parametrize(
        ("expected", "text", "refused", "over_grpc", "over_rest"),
        [
            ("INVALID_ARGUMENT", None, "INVALID_ARGUMENT", True, True),
            ("INVALID_ARGUMENT", "such", "INVALID_ARGUMENT", True, True),
            ("INVALID_ARGUMENT", "Such", "INVALID_ARGUMENT", False, False),
            ("NOT_FOUND", None, "INVALID_ARGUMENT", False, False),
            # REST tells HTTP statuses: its client reports the first code of each.
            ("FAILED_PRECONDITION", None, "INVALID_ARGUMENT", False, True),
            ("OUT_OF_RANGE", "such", "INVALID_ARGUMENT", False, True),
            ("OUT_OF_RANGE", "Such", "INVALID_ARGUMENT", False, False),
            ("ALREADY_EXISTS", None, "ABORTED", False, True),
            ("UNKNOWN", None, "INTERNAL", False, True),
            ("DATA_LOSS", None, "INTERNAL", False, True),
            ("UNIMPLEMENTED", None, "INTERNAL", False, False),
        ],
    )
    def test_code_and_text_are_compared_as_far_as_the_transport_tells(
        self, expected, text, refused, over_grpc, over_rest
    ):
        golden = self.case({"inputs": [1]}, Code[expected], text)
        for transport, held in (("grpc", over_grpc), ("rest", over_rest)):
            refusal = RequestError(Code[refused], "no such shape", transport=transport, model="m")
            outcome, _ = check(golden, refusal, transport=transport)
            assert outcome.holds is held
            assert outcome.refusal == Refusal(golden.expected_error, refusal, {})

    @pytest.mark.parametrize("update", [None, "new", "changed", "all"])
    def test_an_answer_is_a_failure_and_never_recorded(self, update):
        outcome, _ = check(self.case({"inputs": [1]}), update=update)
        assert not outcome.holds
        assert not outcome.to_record
        assert outcome.refusal.answered is GOOD
        assert (outcome.inputs, outcome.outputs, outcome.comparison) == ({}, {}, None)

    @pytest.mark.parametrize("code", [Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED])
    def test_a_server_that_does_not_answer_is_passed_on(self, code):
        silence = RequestError(code, "gone", transport="grpc", model="m")
        with pytest.raises(RequestError, match="gone"):
            check(self.case({"inputs": [1]}), silence)
        assert check(self.case({"inputs": [1]}, code), silence)[0].holds


class TestAnswer:
    @pytest.mark.parametrize(
        ("answer", "signature_name", "expected"),
        [
            ({"outputs": {"y": [2.5, 3]}}, None, {"y": np.array([2.5, 3], "f4")}),
            ({"outputs": [2.5, 3]}, None, {"y": np.array([2.5, 3], "f4")}),
            ({"predictions": [2.5, 3]}, None, {"y": np.array([2.5, 3], "f4")}),
            ({"predictions": [{"y": 2.5}]}, None, {"y": np.array([2.5], "f4")}),
            ({"outputs": {"y": write_tensor(np.array([1, 2], "i8"))}}, None, {"y": np.array([1, 2], "i8")}),
            ({"outputs": {"old": write_tensor(np.array([1], "i8"))}}, None, {"old": np.array([1], "i8")}),
            ({"outputs": ["a", {"b64": "/w=="}]}, "text", {"t": np.array([b"a", b"\xff"], object)}),
            ({"predictions": [{"p": 1, "q": 2}]}, "two", {"p": np.array([1], "f4"), "q": np.array([2], "i8")}),
        ],
        ids=str,
    )
    def test_plain_values_take_the_signatures_dtypes_and_recorded_ones_keep_theirs(
        self, answer, signature_name, expected
    ):
        outputs = expected_outputs(case({}, answer), SCHEMA.signatures[signature_name or "serving_default"])
        assert outputs.keys() == expected.keys()
        for name, array in expected.items():
            np.testing.assert_array_equal(outputs[name], array, strict=True)

    @pytest.mark.parametrize(
        ("answer", "message"),
        [
            ({"outputs": {"z": [1.0]}}, "file.json [c] has output 'z', signature 'serving_default' has 'y'"),
            ({"outputs": {"y": ["a"]}}, "file.json [c]: 'y': float32 expected, received 'a'"),
            ({"predictions": 5}, "file.json [c]: `instances` and `predictions` are lists, one item an example"),
            (
                {"outputs": {"y": {"dtype": "float32", "shape": [3], "values": [1.0]}}},
                "file.json [c]: 'y': shape [3] is written, the values have [1]",
            ),
        ],
        ids=["other name", "other kind", "no rows", "shape and values"],
    )
    def test_an_answer_that_does_not_fit_is_refused(self, answer, message):
        assert message_of(expected_outputs, case({}, answer), HALF).startswith(message)

    def test_a_recorded_output_that_the_model_lost_is_a_difference_not_an_error(self):
        golden = case({"inputs": [1, 2]}, {"outputs": {"old": write_tensor(np.array([1.0], "f4"))}})
        outcome, _ = check(golden)
        assert [(d.output, d.kind) for d in outcome.comparison.differences] == [("old", "missing"), ("y", "unexpected")]


class TestOutcome:
    def test_an_answer_within_the_tolerance_holds(self):
        golden = case({"inputs": [1, 2]}, {"outputs": [2.5, 3.003]})
        assert check(golden, rtol=1e-2)[0].comparison.holds
        assert not check(golden, rtol=1e-4)[0].comparison.holds

    def test_it_has_what_was_sent_and_what_came_back(self):
        outcome, _ = check(case({"inputs": [1, 2]}, {"outputs": [2.5, 3]}))
        assert outcome.signature is HALF
        assert outcome.outputs is GOOD
        assert outcome.inputs["x"].tolist() == [1, 2]
        assert not outcome.to_record

    def test_without_an_answer_it_must_be_recorded_first(self):
        assert message_of(check, case({"inputs": [1]}), RuntimeError("was sent")) == (
            "file.json [c] has no outputs yet; record them with `pytest --tfserving-update`"
        )

    @pytest.mark.parametrize("update", ["new", "changed", "all"])
    def test_without_an_answer_every_update_records_it(self, update):
        outcome, _ = check(case({"inputs": [1]}), update=update)
        assert outcome.comparison is None
        assert outcome.to_record

    HELD = Comparison((), Tolerance())
    DIFFERING = Comparison((Difference("y", "missing", "float32[1]", "-"),), Tolerance())

    @pytest.mark.parametrize(
        ("update", "new", "differing", "held"),
        [
            (None, False, False, False),
            ("new", True, False, False),
            ("changed", True, True, False),
            ("all", True, True, True),
        ],
        ids=str,
    )
    def test_each_update_includes_the_one_before(self, update, new, differing, held):
        assert must_record(None, update) is new
        assert must_record(self.DIFFERING, update) is differing
        assert must_record(self.HELD, update) is held
