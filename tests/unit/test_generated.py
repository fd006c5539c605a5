"""The drivers of generated requests, against models that are functions of this file."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pytest_tfserving.contracts import search
from pytest_tfserving.contracts.generated import check_generated, check_refusals
from pytest_tfserving.contracts.promises import Promises, Values
from pytest_tfserving.errors import Code, RequestError, ServerDiedError, SpecError, TensorError
from pytest_tfserving.grammar import parse_tensor_spec
from pytest_tfserving.report.generated import generated_failure, refusals_failure
from pytest_tfserving.schema import Signature


def signature(name="serving_default", **specs):
    return Signature(name, {alias: parse_tensor_spec(spec) for alias, spec in specs.items()}, {})


def refusal(message="no", code=Code.INVALID_ARGUMENT, transport="grpc"):
    return RequestError(code, message, transport=transport, model="m")


class Model:
    """Answers {"y": x}, and does on the way what it is told; it keeps every request."""

    def __init__(self, answer=lambda x: x, transport="grpc"):
        self.answer = answer
        self.transport = transport
        self.asked = []

    def __call__(self, inputs):
        self.asked.append(inputs)
        return {"y": self.answer(inputs["x"])}

    def predict(self, *, inputs, signature_name, fit):  # noqa: ARG002  # a client's
        self.asked.append(inputs)
        if inputs.keys() != {"x"} or inputs["x"].dtype != np.float32:
            raise refusal(transport=self.transport)
        return {"y": self.answer(inputs["x"])}


def below(limit):
    return lambda inputs, outputs: [f"y is {value}" for value in outputs["y"].ravel() if not value < limit]


def find(served, ask, judge=lambda inputs, outputs: [], promises=None, **options):
    asked = ask if isinstance(ask, dict) else {"grpc": ask}
    return check_generated(served, None, promises, asked, judge, **{"examples": 50, **options})


X = signature(x="float32[?]")


class TestValidRequests:
    def test_all_are_sent_over_every_transport(self):
        grpc, rest = Model(), Model()
        assert find(X, {"grpc": grpc, "rest": rest}) is None
        assert len(grpc.asked) == len(rest.asked) == 50

    @pytest.mark.parametrize(("other", "judged"), [(lambda x: x, 50), (lambda x: np.append(x, x), 100)])
    def test_what_every_transport_answers_alike_is_judged_once(self, other, judged):
        calls = []
        find(X, {"grpc": Model(), "rest": Model(other)}, lambda inputs, outputs: calls.append(outputs) or [])
        assert len(calls) == judged

    @pytest.mark.parametrize(
        ("served", "sent"),
        [
            (signature(x="float16[?]"), 0),
            (signature(x="complex64[]"), 0),
            (signature(x="float32[0, 3]"), 0),
            (signature(x="float32[?]", k="int32[]"), 10),
        ],
        ids=["half", "complex", "empty", "all"],
    )
    def test_what_rest_cannot_carry_goes_over_grpc_alone(self, served, sent):
        grpc, rest = Model(), Model()
        assert find(served, {"grpc": grpc, "rest": rest}, examples=10) is None
        assert (len(rest.asked), len(grpc.asked) > 0) == (sent, True)

    def test_inputs_with_a_default_are_left_out_where_grpc_is_there_and_never_over_rest(self):
        served = signature(x="float32[?]", k="int32[] = 5")
        grpc, rest, alone = Model(), Model(), Model()
        find(served, {"grpc": grpc, "rest": rest})
        find(served, {"rest": alone})
        assert {len(request) for request in grpc.asked} == {1, 2}
        assert {len(request) for request in rest.asked} == {len(request) for request in alone.asked} == {2}

    def test_a_dtype_that_no_transport_carries_is_said(self):
        with pytest.raises(SpecError, match=r"no generated request can be sent over REST.*: 'x' is float16;"):
            find(signature(x="float16[?]"), {"rest": Model()})

    def test_a_broken_promise_is_made_as_small_as_it_gets(self):
        failure = find(X, Model(), below(100))
        assert failure.kind == "broken"
        assert failure.inputs["x"].tolist() == failure.outputs["y"].tolist() == [100.0]
        assert failure.problems == ("y is 100.0",)
        assert (failure.transport, failure.examples, failure.seed, failure.is_smallest) == ("grpc", 50, 0, True)
        assert 1 <= failure.tried <= 50

    def test_a_refusal_is_a_failure(self):
        def refuse_large(x):
            if x.size > 2:
                raise refusal("too many")
            return x

        failure = find(X, Model(refuse_large))
        assert failure.kind == "refused"
        assert failure.inputs["x"].tolist() == [0.0, 0.0, 0.0]
        assert failure.error.message == "too many"

    def test_an_answer_that_cannot_be_read_is_a_failure(self):
        def garble(x):
            raise TensorError("no UTF-8")

        assert find(X, Model(garble)).kind == "refused"

    def test_while_it_shrinks_a_failure_stays_what_it_was(self):
        """A request that fails in another way is no smaller example of it."""

        def refuse_large(x):
            if (x > 1000).any():
                raise refusal("too large")
            return x

        failure = find(X, Model(refuse_large), lambda i, o: ["negative"] if (o["y"] < -5).any() else [])
        assert failure.kind in ("refused", "broken")
        assert failure.inputs["x"].tolist() == ([1001.0] if failure.kind == "refused" else [-6.0])

    def test_what_the_contract_says_of_inputs_is_kept_to(self):
        promises = Promises("serving_default", inputs={"x": Values(min=0, max=99)})
        assert find(X, Model(), below(100), promises) is None

    @pytest.mark.parametrize(
        "error",
        [ServerDiedError("it ended"), refusal("gone", Code.UNAVAILABLE), refusal("slow", Code.DEADLINE_EXCEEDED)],
    )
    def test_after_a_server_that_is_gone_nothing_is_sent(self, error):
        def die(x):
            if x.size > 2:
                raise error
            return x

        model = Model(die)
        failure = find(X, model)
        assert (failure.kind, failure.error) == ("gone", error)
        assert failure.inputs is model.asked[-1]
        assert failure.tried == len(model.asked)
        assert not failure.is_smallest

    def test_a_server_that_goes_while_an_example_shrinks_is_told(self):
        failed = []

        def die(x):
            if failed:
                raise ServerDiedError("it ended")
            return x

        model = Model(die)
        failure = find(X, model, lambda inputs, outputs: failed.append(1) or ["no"] if inputs["x"].size > 1 else [])
        assert failure.kind == "gone"
        assert len(model.asked) == failure.tried + 1

    def test_a_failure_that_does_not_come_again_is_told_as_such(self):
        model = Model()
        failure = find(X, model, lambda inputs, outputs: ["once"] if len(model.asked) == 5 else [])
        assert (failure.tried, failure.problems, failure.is_flaky, failure.is_smallest) == (5, ("once",), True, False)

    @pytest.mark.parametrize("examples", [1, 2])
    def test_few_examples_are_enough(self, examples):
        model = Model()
        assert find(X, model, examples=examples) is None
        assert len(model.asked) == examples

    def test_a_slow_model_ends_the_shrinking(self, monkeypatch):
        monkeypatch.setattr(search, "_SHRINK_SECONDS", 0.0)
        model = Model()
        failure = find(X, model, below(100))
        assert failure.inputs is model.asked[-1]
        assert len(model.asked) == failure.tried
        assert not failure.is_smallest

    def test_an_error_of_another_kind_is_not_taken_for_an_answer(self):
        def crash(x):
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            find(X, Model(crash))


class TestSideEffects:
    def test_nothing_is_written_nor_said(self, tmp_path):
        """hypothesis keeps tables and databases below the working directory."""
        code = (
            "from tests.unit.test_generated import *; "
            "served = signature(a='string[?]', b_bytes='string[?]', c='float32[?]'); "
            "assert find(served, lambda inputs: {}) is None; "
            "assert find(served, lambda inputs: {}, lambda i, o: ['no'] if i['a'].size > 1 else [])"
        )
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        process = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
        )
        assert (process.returncode, process.stdout, process.stderr) == (0, "", "")
        assert list(tmp_path.iterdir()) == []


class TestSeed:
    @staticmethod
    def requests(**options):
        model = Model()
        find(signature(x="float32[?, 2]"), model, examples=20, **options)
        return [request["x"].tolist() for request in model.asked]

    def test_the_same_seed_brings_the_same_requests(self):
        assert self.requests() == self.requests(seed=0) != self.requests(seed=1)
        assert self.requests(seed=1) == self.requests(seed=1)

    def test_what_else_is_loaded_does_not_matter(self, tmp_path, monkeypatch):
        """hypothesis looks for constants in the source files of the run."""
        before = self.requests(seed=3)
        constants = ", ".join(f"{number}.25" for number in range(1000, 3000))
        (tmp_path / "a_module_with_constants.py").write_text(f"numbers = [{constants}]")
        monkeypatch.syspath_prepend(tmp_path)
        __import__("a_module_with_constants")
        assert self.requests(seed=3) == before


def find_refusal(served, *models, **options):
    return check_refusals(served, None, None, models or [Model()], **{"examples": 50, **options})


class TestInvalidRequests:
    def test_each_is_sent_between_two_of_the_valid_one(self):
        model = Model()
        assert find_refusal(X, model) is None
        for before, broken, after in zip(*(model.asked[at::3] for at in range(3)), strict=True):
            assert before is after
            assert broken is not before

    def test_one_that_is_answered_is_a_failure(self):
        class Tolerant(Model):
            def predict(self, *, inputs, signature_name, fit):  # noqa: ARG002
                return {"y": np.float32([7])}

        failure = find_refusal(X, Tolerant())
        assert (failure.kind, failure.invalid.kind) == ("answered", "missing")
        assert failure.refusal.answered == {"y": np.float32([7])}

    def test_one_that_is_refused_otherwise_is_a_failure(self):
        class Vague(Model):
            def predict(self, *, inputs, signature_name, fit):  # noqa: ARG002
                raise refusal("what?", Code.INTERNAL)

        failure = find_refusal(X, Vague())
        assert (failure.kind, failure.refusal.error.code) == ("refused", Code.INTERNAL)

    def test_a_shape_is_sent_only_where_it_must_be_refused(self):
        model = Model()
        assert find_refusal(X, model) is None
        assert {request["x"].ndim for request in model.asked if "x" in request} == {1}
        failure = find_refusal(X, kinds=["rank"])
        assert (failure.kind, failure.invalid.kind) == ("answered", "rank")

    def test_a_kind_that_the_signature_cannot_tell_is_not_passed_over(self):
        with pytest.raises(SpecError) as caught:
            find_refusal(X, kinds=["size"])
        assert str(caught.value).startswith("no request can break signature 'serving_default' by size: ")

    def test_one_that_changes_the_next_answer_is_a_failure(self):
        class Harmed(Model):
            harm = 0

            def predict(self, *, inputs, signature_name, fit):
                try:
                    answer = super().predict(inputs=inputs, signature_name=signature_name, fit=fit)
                except RequestError:
                    self.harm = 1
                    raise
                harm, self.harm = self.harm, 0
                return {"y": answer["y"] + harm}

        failure = find_refusal(X, Harmed())
        assert failure.kind == "harmed"
        assert failure.after["y"] - failure.before["y"] == [1]

    def test_what_rounds_otherwise_is_no_harm(self):
        calls = iter(range(10_000))
        assert find_refusal(X, Model(lambda x: x * 0 + np.float32(1 + 1e-7 * (next(calls) % 3 == 2)))) is None

    def test_a_model_that_never_answers_the_same_is_not_taken_for_harmed(self):
        counter = iter(range(10_000))
        assert find_refusal(X, Model(lambda x: np.float32(next(counter)))) is None

    def test_a_model_that_refuses_the_valid_request_is_not_harmed_by_the_invalid_one(self):
        def refuse(x):
            raise refusal("never")

        assert find_refusal(X, Model(refuse)) is None

    def test_after_a_server_that_is_gone_nothing_is_sent(self):
        class Fragile(Model):
            def predict(self, *, inputs, signature_name, fit):
                if not fit:
                    self.asked.append(inputs)
                    raise ServerDiedError("it ended")
                return super().predict(inputs=inputs, signature_name=signature_name, fit=fit)

        model = Fragile()
        failure = find_refusal(X, model)
        assert (failure.kind, failure.tried, len(model.asked)) == ("gone", 1, 2)
        assert failure.invalid.inputs is model.asked[-1]

    def test_over_rest_only_what_its_json_says_wrongly_is_sent(self):
        rest = Model(transport="rest")
        assert find_refusal(X, rest, examples=100) is None
        sent = rest.asked[1::3]
        assert {len(request) for request in sent} == {0, 1}
        assert {request["x"].dtype.name for request in sent if request} == {"bool", "object"}

    @pytest.mark.parametrize("served", [signature(x="float16[?]"), signature()], ids=["half", "no inputs"])
    def test_over_rest_alone_there_may_be_nothing_to_send(self, served):
        assert find_refusal(served, Model(transport="rest")) is None


class TestReport:
    def test_a_broken_promise(self):
        text = generated_failure(find(X, Model(), below(100), seed=7), "half_plus_two", "test_m.py::test_it")
        head, _, rest = text.partition("found at request ")
        assert (
            head
            == """\
half_plus_two does not answer a generated request as promised (over grpc, signature 'serving_default')

y is 100.0

answered:
  y  float32[1]  [100.0]

the request, as a golden case:
{
  "transport": "grpc",
  "inputs": {
    "x": {"dtype": "float32", "shape": [1], "values": [100.0]}
  }
}

if clients send no such values, say what they send: [properties.serving_default] inputs.x = { min = ..., max = ... }

"""
        )
        assert rest.endswith(
            " of 50, then made as small as it gets\n"
            "again: pytest 'test_m.py::test_it' --tfserving-seed=7 --tfserving-max-examples=50"
        )

    def test_a_request_that_is_refused_and_one_that_ends_the_server(self):
        def fail(error):
            def answer(x):
                raise error

            return generated_failure(find(signature("other", x="string[]"), Model(answer)), "m", "t").splitlines()

        refused = fail(refusal("no"))
        assert refused[0] == "m refuses a generated request (over grpc, signature 'other')"
        assert refused[2] == "INVALID_ARGUMENT over grpc (model m): no"
        assert '  "signature_name": "other",' in refused
        gone = fail(ServerDiedError("the server ended: signal 9"))
        assert gone[0] == "m gives no answer to a generated request (over grpc, signature 'other')"
        assert gone[2] == "the server ended: signal 9"
        unreadable = fail(TensorError("no UTF-8"))
        assert unreadable[0].startswith("m answers a generated request with what cannot be read (over grpc")

    @pytest.mark.parametrize(
        ("spec", "said"),
        [
            ("bfloat16[]", "{ min = ..., max = ... }"),
            ("uint8[]", "{ min = ..., max = ... }"),
            ("string[]", "{ one_of = [...] }"),
            ("bool[]", "{ one_of = [...] }"),
        ],
    )
    def test_it_is_said_how_to_exclude_values_of_the_dtype(self, spec, said):
        text = generated_failure(find(signature(x=spec), Model(), lambda i, o: ["no"]), "m", "t")
        assert f"[properties.serving_default] inputs.x = {said}\n" in text

    def test_a_large_request_is_cut(self):
        failure = find(signature(x="float32[1, 224, 224, 3]"), Model(), lambda i, o: ["no"])
        text = generated_failure(failure, "m", "t")
        assert "the request, too large to be shown whole:\n  x  float32[1, 224, 224, 3]  [0.0, 0.0, 0.0," in text
        assert max(map(len, text.splitlines())) < 140

    def test_an_invalid_request_that_is_answered(self):
        text = refusals_failure(find_refusal(X, kinds=["rank"]), "m", "t")
        assert text.startswith(
            "m answers a request that should be refused with INVALID_ARGUMENT (over grpc, signature "
            "'serving_default')\n\nthe request has shape [1, 1] in 'x', which is float32[?]\nanswered:\n"
            "  y  float32[1, 1]  [0.0]\n"
        )
        assert '  "expect_error": "INVALID_ARGUMENT"\n' in text

    def test_an_invalid_request_that_ends_the_server(self):
        def end_of_another_rank(x):
            if x.ndim != 1:
                raise ServerDiedError("it ended")
            return x

        text = refusals_failure(find_refusal(X, Model(end_of_another_rank), kinds=["rank"]), "m", "t")
        assert text.startswith("m gives no answer to a request that should be refused with INVALID_ARGUMENT (over grpc")
        assert "let the model check its inputs' shapes" in text
        assert "leave rank out of `invalid`" in text
