"""Which rows a request has, and other ways to ask that must give the same answer; the models are functions."""

import numpy as np
import pytest

from pytest_tfserving.contracts.batch import Batch, find_batch
from pytest_tfserving.contracts.check import ExpectedSignature
from pytest_tfserving.contracts.promises import Padding, Promises
from pytest_tfserving.contracts.relations import MOST_ROWS_ALONE, AtOnce, find_broken_relations
from pytest_tfserving.errors import Code, RequestError, TensorError
from pytest_tfserving.golden.tolerance import Tolerance
from pytest_tfserving.grammar import parse_tensor_spec as spec
from pytest_tfserving.schema import Signature


def specs(texts):
    return {name: spec(text) for name, text in texts.items()}


def zeros(shapes):
    return {name: np.zeros(shape, "f4") for name, shape in shapes.items()}


class TestFindBatch:
    @pytest.mark.parametrize(
        ("inputs", "outputs", "shapes", "answers", "batch"),
        [
            # the name of the first dimensions
            ({"x": "float32[batch, 3]"}, {"y": "float32[batch]"}, {"x": (2, 3)}, {"y": (2,)}, Batch(2, {"x"}, {"y"})),
            ({"x": "float32[n]"}, {"y": "float32[]"}, {"x": (2,)}, {"y": ()}, Batch(2, {"x"}, set())),
            (
                {"x": "float32[batch]", "k": "float32[]", "bias": "float32[3]", "keys": "float32[k]"},
                {"y": "float32[batch]", "top": "float32[k]"},
                {"x": (2,), "k": (), "bias": (3,), "keys": (2,)},
                {"y": (2,), "top": (2,)},
                Batch(2, {"x"}, {"y"}),
            ),
            ({"q": "float32[m]", "d": "float32[n]"}, {"y": "float32[n]"}, {"q": (1,), "d": (2,)}, {"y": (2,)}, Batch(2, {"d"}, {"y"})),
            ({"q": "float32[m]", "d": "float32[batch]"}, {"y": "float32[m]"}, {"q": (1,), "d": (2,)}, {"y": (1,)}, Batch(2, {"d"}, set())),
            ({"x": "float32[1<=batch<=4]"}, {"y": "float32[batch]"}, {"x": (2,)}, {"y": (2,)}, Batch(2, {"x"}, {"y"}, 4)),
            # no names: what is open
            ({"x": "float32[?, 3]", "k": "float32[]"}, {"y": "float32[?]"}, {"x": (2, 3), "k": ()}, {"y": (2,)}, Batch(2, {"x"}, {"y"})),
            ({"x": "float32[?]"}, {"y": "float32[?]", "top": "float32[?]"}, {"x": (2,)}, {"y": (2,), "top": (5,)}, Batch(2, {"x"}, {"y"})),
            ({"x": "float32[?<=8]"}, {"y": "float32[2]"}, {"x": (2,)}, {"y": (2,)}, Batch(2, {"x"}, set(), 8)),
            ({"x": "float32[...]"}, {"y": "float32[...]"}, {"x": (2, 3)}, {"y": (2,)}, Batch(2, {"x"}, {"y"})),
        ],
    )  # fmt: skip
    def test_the_rows(self, inputs, outputs, shapes, answers, batch):
        expected = ExpectedSignature("s", specs(inputs), specs(outputs))
        served = Signature("s", {}, {})
        assert find_batch(served, expected, zeros(shapes), zeros(answers)) == batch

    def test_the_served_signature_where_nothing_is_expected_of_a_side(self):
        served = Signature("s", specs({"x": "float32[?]"}), specs({"y": "float32[?]"}))
        rows = zeros({"x": (2,)}), zeros({"y": (2,)})
        assert find_batch(served, None, *rows) == Batch(2, {"x"}, {"y"})
        assert find_batch(served, ExpectedSignature("s", specs({"x": "float32[b]"})), *rows) == Batch(2, {"x"}, {"y"})
        assert find_batch(served, ExpectedSignature("s", None, specs({"y": "float32[b]"})), *rows) == Batch(
            2, {"x"}, {"y"}
        )

    @pytest.mark.parametrize(
        ("inputs", "outputs", "shapes", "answers", "problem"),
        [
            ({"x": "float32[]"}, {}, {"x": ()}, {}, "no input has an open first dimension"),
            ({"x": "float32[3]"}, {}, {"x": (3,)}, {}, "no input has an open first dimension"),
            ({}, {}, {}, {}, "no input has an open first dimension"),
            ({"a": "float32[?]", "b": "float32[?]"}, {}, {"a": (2,), "b": (3,)}, {}, "no common batch (a [2], b [3])"),
            ({"x": "float32[n]"}, {"y": "float32[n]"}, {"x": (2,)}, {"y": (3,)}, "output y has shape [3] for a batch of 2"),
        ],
    )  # fmt: skip
    def test_no_rows(self, inputs, outputs, shapes, answers, problem):
        expected = ExpectedSignature("s", specs(inputs), specs(outputs))
        assert problem in find_batch(Signature("s", {}, {}), expected, zeros(shapes), zeros(answers))


def broken(
    relation,
    model,
    inputs,
    *,
    expects=({"x": "float32[batch, length]"}, None),
    padding=None,
    ways=None,
    asked=None,
    tolerance=None,
):
    """What of one relation does not hold for a model, a function of its inputs."""

    def ask(request):
        if asked is not None:
            asked.append(request)
        return model(**request)

    expected = ExpectedSignature("s", *(side and specs(side) for side in expects))
    served = Signature("s", specs({"x": "float32[?, ?]"}), specs({"y": "float32[?]", "z": "float32[?, ?]"}))
    promises = Promises("s", same=(relation,), padding=padding)
    return find_broken_relations(promises, served, expected, inputs, model(**inputs), ask, ways or {}, tolerance)


def x(*rows, dtype="f4"):
    return {"x": np.array(rows, dtype)}


def row_sums(x):
    return {"y": x.sum(axis=1)}


def shares(x):
    return {"y": x.sum(axis=1) / x.sum()}


def running(x):
    return {"y": np.cumsum(x.sum(axis=1))}


def total(x):
    return {"y": x.sum(axis=1), "total": x.sum()}


class Counter:
    def __init__(self):
        self.calls = 0

    def __call__(self, x):
        self.calls += 1
        return {"y": x.sum(axis=1) + self.calls}


THREE = x([1, 2], [3, 4], [5, 6])


class TestRepeated:
    def test_it(self):
        assert broken("repeated", row_sums, THREE) == []
        [found] = broken("repeated", Counter(), THREE)
        assert found.comparison.differences[0].differing == 3

    def test_scalars(self):
        for scalar in (np.array(b"a", object), np.array(1.5, "f4")):
            assert broken("repeated", lambda x, y=scalar: {"y": y}, THREE) == []

    def test_nan_is_the_same_as_nan(self):
        assert broken("repeated", lambda x: {"y": x[:, 0] * np.nan}, THREE) == []


class TestAlone:
    def test_each_row_is_sent(self):
        asked = []
        assert broken("alone", row_sums, THREE, asked=asked) == []
        assert [request["x"].tolist() for request in asked] == [[[1, 2]], [[3, 4]], [[5, 6]]]

    def test_a_model_whose_answer_depends_on_its_neighbours(self):
        [found] = broken("alone", running, THREE)
        assert found.variant == "row 2"
        assert found.request["x"].tolist() == [[5, 6]]
        [difference] = found.comparison.differences
        assert (difference.worst, difference.expected, difference.served) == ((2,), "21.0", "11.0")
        assert (difference.differing, difference.total) == (2, 3)

    def test_one_row_is_sent_beside_itself(self):
        asked = []
        assert broken("alone", row_sums, x([1, 2]), asked=asked) == []
        assert [request["x"].tolist() for request in asked] == [[[1, 2], [1, 2]]]
        [found] = broken("alone", shares, x([1, 2]))
        assert found.variant == "the row twice"

    def test_one_row_of_a_model_that_takes_no_more_is_left(self):
        asked = []
        assert broken("alone", shares, x([1, 2]), expects=({"x": "float32[batch<=1, 2]"}, None), asked=asked) == []
        assert asked == []

    def test_no_rows(self):
        assert broken("alone", shares, {"x": np.zeros((0, 2), "f4")}) == []

    def test_rows_that_are_answered_in_another_shape(self):
        def width(x):  # as a model that cuts what no row of the batch needs
            return {"y": x[:, : int(x.max())]}

        [found] = broken("alone", width, x([1, 2], [1, 1]))
        assert found.variant == "row 1"
        assert found.comparison.differences[0].kind == "shape"

    def test_of_many_rows_some_are_sent(self):
        asked = []
        rows = {"x": np.arange(2000, dtype="f4").reshape(1000, 2)}
        assert broken("alone", row_sums, rows, asked=asked) == []
        sent = [int(request["x"][0, 0]) for request in asked]
        assert (len(sent), sent[0], sent[-1]) == (MOST_ROWS_ALONE, 0, 1998)

    def test_inputs_without_the_batch_are_sent_with_every_row(self):
        def scaled(x, by):
            return {"y": x.sum(axis=1) * by}

        inputs = {**THREE, "by": np.array(2, "f4")}
        expects = {"x": "float32[batch, 2]", "by": "float32[]"}, {"y": "float32[batch]"}
        asked = []
        assert broken("alone", scaled, inputs, expects=expects, asked=asked) == []
        assert all(request["by"] == 2 for request in asked)

    def test_an_output_without_a_batch_dimension_cannot_promise_it(self):
        [found] = broken("alone", total, THREE)
        assert "output total [] has no batch dimension" in found.problem

    def test_a_row_that_is_refused(self):
        def picky(x):
            if len(x) == 1:
                raise RequestError(Code.INVALID_ARGUMENT, "a batch of 2", transport="grpc", model="m")
            return row_sums(x)

        [found] = broken("alone", picky, THREE)
        assert "a batch of 2" in found.problem
        assert found.variant == "row 0"

    def test_how_close_is_close_enough(self):
        def rounding(x):
            return {"y": x.sum(axis=1) * np.float32(1 + 1e-4 / len(x))}

        assert broken("alone", rounding, THREE)
        assert broken("alone", rounding, THREE, tolerance=Tolerance(rtol=1e-3)) == []

    @pytest.mark.parametrize(
        ("tolerance", "holds"),
        [
            (None, True),
            (Tolerance(rtol=1e-5), True),
            (Tolerance(atol=1e-8), False),
            (Tolerance(rtol=1e-9), False),
        ],
    )
    def test_what_rounds_off_large_terms_is_much_of_a_value_near_zero(self, tolerance, holds):
        def cancelling(x):  # as a sum of terms of 100 that is added in another order for one row
            return {"y": x.sum(axis=1) + np.float32(1e-5 if len(x) == 1 else 0)}

        assert (broken("alone", cancelling, x([100, 1], [1, -1]), tolerance=tolerance) == []) is holds


class TestOrder:
    def test_the_orders_that_are_sent(self):
        asked = []
        assert broken("order", row_sums, THREE, asked=asked) == []
        assert [request["x"][:, 0].tolist() for request in asked] == [[5, 3, 1], [1, 5, 3]]

    def test_a_model_whose_answer_depends_on_the_order(self):
        [found] = broken("order", running, THREE)
        assert found.variant == "reversed"
        [difference] = found.comparison.differences
        assert (difference.worst, difference.expected, difference.served) == ((2,), "3.0", "21.0")

    def test_an_output_of_the_whole_batch_must_stay(self):
        assert broken("order", total, THREE) == []
        [found] = broken("order", lambda x: {"y": x.sum(axis=1), "first": x[0, 0]}, THREE)
        assert [difference.output for difference in found.comparison.differences] == ["first"]

    @pytest.mark.parametrize("rows", [[[1, 2]], np.zeros((0, 2))])
    def test_nothing_to_change(self, rows):
        asked = []
        assert broken("order", running, {"x": np.array(rows, "f4")}, asked=asked) == []
        assert asked == []

    def test_no_batch(self):
        [found] = broken("order", row_sums, THREE, expects=({"x": "float32[3, 2]"}, None))
        assert "no request is a batch of rows" in found.problem


class TestPadding:
    EXPECTS = ({"x": "float32[batch, length]"}, {"y": "float32[batch]"})

    def broken(self, model, inputs=THREE, value=0, expects=EXPECTS, dimension="length", **given):
        return broken("padding", model, inputs, expects=expects, padding=Padding(dimension, value), **given)

    def test_what_is_sent(self):
        asked = []
        assert self.broken(row_sums, asked=asked) == []
        assert [request["x"].tolist()[0] for request in asked] == [[1, 2, 0], [1, 2, 0, 0]]

    def test_a_model_that_padding_moves(self):
        [found] = self.broken(lambda x: {"y": x.mean(axis=1)})
        assert found.variant == "length 2 grown by 1"
        assert found.comparison.differences[0].differing == 3
        [found] = self.broken(row_sums, value=-1)
        assert found.request["x"].tolist()[0] == [1, 2, -1]

    def test_outputs_that_have_the_dimension_are_cropped(self):
        expects = {"x": "float32[batch, length]"}, {"y": "float32[batch]", "z": "float32[batch, length]"}
        assert self.broken(lambda x: {"y": x.sum(axis=1), "z": x}, expects=expects) == []
        [found] = self.broken(lambda x: {"y": x.sum(axis=1), "z": x})
        assert found.comparison.differences[0].kind == "shape"

    def test_every_input_that_has_the_dimension_grows_wherever_it_stands(self):
        def pairs(x, mask, by):
            return {"y": (x * mask.T).sum(axis=1) * by}

        inputs = {**THREE, "mask": np.ones((2, 3), bool), "by": np.array(2, "f4")}
        expects = {"x": "float32[batch, length]", "mask": "bool[length, batch]", "by": "float32[]"}, {}
        asked = []
        assert self.broken(pairs, inputs, expects=expects, asked=asked) == []
        assert [request["mask"].shape for request in asked] == [(3, 3), (4, 3)]
        assert not asked[0]["mask"][2].any()

    def test_text_is_padded_by_text_and_0_is_the_empty_string(self):
        def lengths(x):
            return {"y": np.array([sum(map(len, row)) for row in x])}

        words = {"x": np.array([[b"a", b"bc"]], object)}
        assert self.broken(lengths, words) == []
        [found] = self.broken(lengths, words, value="pad")
        assert found.request["x"].tolist() == [[b"a", b"bc", b"pad"]]

    @pytest.mark.parametrize(("limit", "sizes"), [("length", [3, 4]), ("length<=3", [3]), ("length<=2", [])])
    def test_it_grows_within_the_limits_of_the_signature(self, limit, sizes):
        asked = []
        assert self.broken(row_sums, expects=({"x": f"float32[batch, {limit}]"}, None), asked=asked) == []
        assert [request["x"].shape[1] for request in asked] == sizes

    def test_the_batch_may_be_what_grows(self):
        expects = {"x": "float32[batch, length]"}, {"y": "float32[batch]"}
        assert self.broken(row_sums, dimension="batch", expects=expects) == []
        assert self.broken(lambda x: {"y": x.sum(axis=1) / len(x)}, dimension="batch", expects=expects)

    def test_what_cannot_be_padded(self):
        [found] = self.broken(row_sums, dimension="width")
        assert "no input of the expected signature has a dimension named 'width'" in found.problem
        [found] = self.broken(row_sums, value="pad")
        assert "received str" in found.problem


class TestOtherWays:
    def test_a_way_that_agrees_and_one_that_does_not(self):
        asked = []
        ways = {"grpc": lambda request: row_sums(**request), "rest-rows": lambda request: total(**request)}
        assert broken("grpc", row_sums, THREE, ways=ways, asked=asked) == []
        assert asked == []
        [found] = broken("rest-rows", row_sums, THREE, ways=ways)
        assert found.comparison.differences[0].kind == "unexpected"

    @pytest.mark.parametrize(
        "error",
        [
            RequestError(Code.INVALID_ARGUMENT, "no rows", transport="rest", model="m"),
            TensorError("REST cannot carry complex64"),
        ],
    )
    def test_a_way_that_is_refused(self, error):
        def refuse(request):
            raise error

        [found] = broken("rest-rows", row_sums, THREE, ways={"rest-rows": refuse})
        assert found.problem == str(error)

    @pytest.mark.parametrize(("factors", "wrong"), [((1, 1, 1), None), ((1, 1 + 1e-7, 9), 3), ((9, 1, 1), 1)])
    def test_each_of_several_answers_counts(self, factors, wrong):
        way = AtOnce(lambda request: [{"y": row_sums(**request)["y"] * np.float32(by)} for by in factors])
        found = broken("batching", row_sums, THREE, ways={"batching": way})
        assert [one.variant for one in found] == ([f"answer {wrong} of 3 at once"] if wrong else [])

    def test_several_at_once_that_are_refused(self):
        def refuse(request):
            raise TensorError("no")

        [found] = broken("batching", row_sums, THREE, ways={"batching": AtOnce(refuse)})
        assert found.problem == "no"

    def test_a_way_that_is_not_to_be_had_is_no_success(self):
        [found] = broken("in-process", row_sums, THREE, ways={"in-process": "the export is not on this machine"})
        assert found.problem == "the export is not on this machine"
        [found] = broken("batching", row_sums, THREE)
        assert found.problem == "there is no such way to ask here"


def test_each_relation_is_reported_once_in_the_order_of_the_promise():
    promises = Promises("s", same=("order", "repeated", "alone", "grpc"))
    served = Signature("s", specs({"x": "float32[?, ?]"}), specs({"y": "float32[?]"}))
    counter = Counter()
    found = find_broken_relations(
        promises, served, None, THREE, counter(**THREE), lambda request: counter(**request), {"grpc": "none"}
    )
    assert [one.relation for one in found] == ["order", "repeated", "alone", "grpc"]
