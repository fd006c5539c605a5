"""Promises of values beside an answer, and of how an output moves when an input grows."""

import math

import ml_dtypes
import numpy as np
import pytest

from pytest_tfserving.contracts.batch import Batch
from pytest_tfserving.contracts.monotone import MOST_ELEMENTS, find_broken_trends
from pytest_tfserving.contracts.promises import PromiseError, Promises, Values
from pytest_tfserving.contracts.properties import BrokenPromise, find_broken_values
from pytest_tfserving.errors import Code, RequestError
from pytest_tfserving.golden.tolerance import Tolerance

pytestmark = pytest.mark.filterwarnings("error")  # numpy's, of NaN and infinities, would be a user's

BF16 = ml_dtypes.bfloat16
NAN, INF = math.nan, math.inf


def broken(values, array, **tolerance):
    found = find_broken_values(Promises("s", outputs={"y": values}), {"y": array}, Tolerance(**tolerance))
    return [(one.promise, one.index, one.value, one.broken, one.total) for one in found]


def array(values, dtype):
    return np.array(values, dtype)


@pytest.mark.parametrize(
    ("values", "answer"),
    [
        (Values(), array([NAN], "f4")),
        (Values(finite=True), array([1.5, -2], "f4")),
        (Values(finite=True), array([1, 2], "i4")),
        (Values(finite=True), array([1, 2], BF16)),
        (Values(finite=True), array([1 + 2j], "c8")),
        (Values(finite=True), array(3, "f8")),
        (Values(finite=True, min=0, sums_to=1, one_of=(1,)), np.zeros((0, 3), "f4")),
        (Values(min=0, max=1), array([0, 1], "f4")),
        (Values(max=0.1), array([0.1], "f4")),  # float32's 0.1 is above 0.1
        (Values(min=0.1), array([0.1], "f2")),  # float16's 0.1 is below it
        (Values(max=0.1), array([0.1], BF16)),
        (Values(max=2**70, min=-(2**70)), array([1], BF16)),
        (Values(one_of=(2**70, 1)), array([1], BF16)),
        (Values(max=1e6), array([65504], "f2")),  # float16 ends below it
        (Values(min=-1, max=300), array([0, 255], "u1")),
        (Values(min=-(2**70), max=2**70), array([-(2**63), 2**63 - 1], "i8")),
        (Values(min=2**53 + 1), array([2**53 + 1], "i8")),
        (Values(max=2**64 - 1), array([2**64 - 1], "u8")),
        (Values(sums_to=1), array([[0.1, 0.2, 0.7], [1 / 3] * 3], "f4")),
        (Values(sums_to=1), array([[1 / 3] * 3], BF16)),
        (Values(sums_to=1), array([0.5, 0.5], "f4")),
        (Values(sums_to=1), array(1, "f4")),
        (Values(sums_to=0), array([[1e6, -1e6, 0.5]], "f4")),  # what rounding leaves of terms of a million
        (Values(sums_to=6), array([[1, 2, 3]], "u1")),
        (Values(sums_to=510), array([[255, 255]], "u1")),
        (Values(sums_to=2**64 - 2), array([[2**63 - 1, 2**63 - 1]], "i8")),
        (Values(sums_to=2), array([[1 + 1j, 1 - 1j]], "c8")),
        (Values(one_of=(0.1, 2)), array([0.1, 2], "f4")),
        (Values(one_of=(0.1, 2)), array([0.1, 2], BF16)),
        (Values(one_of=(NAN, 2)), array([NAN, 2], "f4")),
        (Values(one_of=(1, 2.0)), array([1, 2], "i8")),
        (Values(one_of=(2**53 + 1,)), array([2**53 + 1], "i8")),
        (Values(one_of=(True,)), array([True], bool)),
        (Values(one_of=(1,)), array([1], "c8")),
        (Values(one_of=("cat", b"\xff")), array([b"cat", b"\xff"], object)),
    ],
)
def test_values_that_keep_a_promise(values, answer):
    assert broken(values, answer) == []


@pytest.mark.parametrize(
    ("values", "answer", "found"),
    [
        (Values(finite=True), array([1, NAN, -INF], "f4"), ("finite", (1,), "nan", 2, 3)),
        (Values(finite=True), array([[1, 2], [INF, 4]], BF16), ("finite", (1, 0), INF, 1, 4)),
        (Values(finite=True), array([1, complex(0, INF)], "c8"), ("finite", (1,), complex(0, INF), 1, 2)),
        (Values(finite=True), array(NAN, "f2"), ("finite", (), "nan", 1, 1)),
        # the farthest is shown, NaN only where all are
        (Values(min=0), array([1, -1, -3, -2], "f4"), ("min", (2,), -3.0, 3, 4)),
        (Values(min=0), array([NAN, -1, 5], "f4"), ("min", (1,), -1.0, 2, 3)),
        (Values(min=0), array([1, NAN], "f4"), ("min", (1,), "nan", 1, 2)),
        (Values(max=1), array([[1, 2], [5, 3]], "f8"), ("max", (1, 0), 5.0, 3, 4)),
        (Values(max=1), array([INF, 2], "f4"), ("max", (0,), INF, 2, 2)),
        (Values(max=0.1), array([NAN, 0.1], BF16), ("max", (0,), "nan", 1, 2)),
        (Values(max=0.1), array([0.1, 0.25], BF16), ("max", (1,), 0.25, 1, 2)),
        (Values(max=1e6), array([INF, 1], "f2"), ("max", (0,), INF, 1, 2)),
        (Values(min=-1e6), array([-INF], "f2"), ("min", (0,), -INF, 1, 1)),
        (Values(min=0.1), array([0, 1], "i4"), ("min", (0,), 0, 1, 2)),
        (Values(max=0.9), array([0, 1], "i4"), ("max", (1,), 1, 1, 2)),
        (Values(min=300), array([255], "u1"), ("min", (0,), 255, 1, 1)),
        (Values(max=-1), array([0], "u1"), ("max", (0,), 0, 1, 1)),
        (Values(min=2**53 + 1), array([2**53], "i8"), ("min", (0,), 2**53, 1, 1)),
        (Values(max=2**53), array([2**53 + 1], "u8"), ("max", (0,), 2**53 + 1, 1, 1)),
        (Values(sums_to=1), array([[0.5, 0.5], [0.5, 0.25]], "f4"), ("sums_to", (1,), 0.75, 1, 2)),
        (Values(sums_to=1), array([[[0.5, 0.5], [1, 0.5]]], "f4"), ("sums_to", (0, 1), 1.5, 1, 2)),
        (Values(sums_to=1), array([[0.5, NAN]], "f4"), ("sums_to", (0,), "nan", 1, 1)),
        (Values(sums_to=1), array([[INF, 1]], "f4"), ("sums_to", (0,), INF, 1, 1)),
        (Values(sums_to=1), np.zeros((2, 0), "f4"), ("sums_to", (0,), 0.0, 2, 2)),
        (Values(sums_to=0.5), array([[0, 1]], "i4"), ("sums_to", (0,), 1, 1, 1)),
        (Values(sums_to=2**64 - 1), array([[2**63 - 1, 2**63 - 1]], "i8"), ("sums_to", (0,), 2**64 - 2, 1, 1)),
        (Values(one_of=(0, 1)), array([0, 2, 3], "i4"), ("one_of", (1,), 2, 2, 3)),
        (Values(one_of=(0.5,)), array([0], "i4"), ("one_of", (0,), 0, 1, 1)),
        (Values(one_of=(300,)), array([44], "u1"), ("one_of", (0,), 44, 1, 1)),  # 300 wrapped around
        (Values(one_of=(2**53,)), array([2**53 + 1], "i8"), ("one_of", (0,), 2**53 + 1, 1, 1)),
        (Values(one_of=(0.5,)), array([NAN], "f4"), ("one_of", (0,), "nan", 1, 1)),
        (Values(one_of=(True,)), array([True, False], bool), ("one_of", (1,), False, 1, 2)),
        (Values(one_of=("cat",)), array([[b"cat", b"dog"]], object), ("one_of", (0, 1), b"dog", 1, 2)),
        (Values(one_of=("a",)), array([b"a\0"], object), ("one_of", (0,), b"a\0", 1, 1)),
    ],
)
def test_values_that_break_a_promise(values, answer, found):
    [(promise, index, value, *counts)] = broken(values, answer)
    value = "nan" if isinstance(value, float) and math.isnan(value) else value
    assert (promise, index, value, *counts) == found


def test_every_promise_that_is_broken_is_listed():
    promises = Promises("s", outputs={"y": Values(finite=True, min=0, max=1), "z": Values(min=0)})
    assert find_broken_values(promises, {"y": array([INF, -1], "f4")}) == [
        BrokenPromise("y", "finite", True, (0,), INF, 1, 2),
        BrokenPromise("y", "min", 0, (1,), -1.0, 1, 2),
        BrokenPromise("y", "max", 1, (0,), INF, 1, 2),
        BrokenPromise("z", "missing", None),
    ]


def test_a_sum_has_the_tolerance_that_is_asked_for():
    assert broken(Values(sums_to=1), array([[0.5, 0.51]], "f4"), rtol=0.02) == []
    assert broken(Values(sums_to=1), array([[0.5, 0.50001]], "f4"), rtol=0, atol=0)


def test_a_promise_that_says_nothing_of_the_dtype_is_the_contracts_fault():
    with pytest.raises(PromiseError, match=r"outputs\.y\.min: says nothing of string"):
        broken(Values(min=0), array([b"a"], object))


class TestTrends:
    """y = f(x): each row of the table says how f moves and what is promised."""

    @staticmethod
    def broken(function, x, direction="increasing_in", batched=True, asked=None, limits=None, **tolerance):
        def ask(inputs):
            if asked is not None:
                asked.append(inputs["x"])
            return {"y": function(inputs["x"])}

        promises = Promises("s", {"x": limits or Values()}, {"y": Values(**{direction: ("x",)})})
        batch = Batch(len(x), frozenset("x"), frozenset("y")) if batched else "there is none"
        return find_broken_trends(promises, batch, {"x": x}, {"y": function(x)}, ask, Tolerance(**tolerance))

    X = array([1, -2, 3], "f4")
    PAIRS = array([[1, 2], [3, 4]], "f4")

    @pytest.mark.parametrize(
        ("function", "direction"),
        [
            (lambda x: x, "increasing_in"),
            (lambda x: -x, "decreasing_in"),
            (lambda x: x * 0, "increasing_in"),
            (lambda x: x * 0, "decreasing_in"),
            (lambda x: x**3, "increasing_in"),
            (lambda x: x * 0 + INF, "increasing_in"),
            (lambda x: x * 0 + NAN, "increasing_in"),
            (lambda x: np.floor(x).astype("i8"), "increasing_in"),
            (lambda x: x.sum(), "increasing_in"),
            (lambda x: 1e3 - x * 1e-4, "increasing_in"),  # moves by less than float32 is compared with
            (lambda x: np.array([1e3, 0, 0], "f4") - x * 1e-4, "increasing_in"),  # which grows with the largest
        ],
    )
    def test_one_that_holds(self, function, direction):
        assert self.broken(function, self.X, direction) == []

    @pytest.mark.parametrize(
        ("function", "direction"),
        [
            (lambda x: -x, "increasing_in"),
            (lambda x: x, "decreasing_in"),
            (lambda x: x**2, "increasing_in"),
            (np.abs, "decreasing_in"),
            (lambda x: np.where(x > 2.999, NAN, x), "increasing_in"),
            (lambda x: -np.ceil(x).astype("i8"), "increasing_in"),
        ],
    )
    def test_one_that_does_not(self, function, direction):
        [found] = self.broken(function, self.X, direction)
        assert (found.output, found.direction, found.input, found.total) == ("y", direction, "x", 3)
        assert (found.higher["x"] >= found.lower["x"]).all()
        assert found.broken == 3 or direction == "decreasing_in" or found.after != found.before

    def test_the_two_requests_show_it(self):
        [found] = self.broken(lambda x: -x, self.X)
        assert found.before == -found.lower["x"][found.index]
        assert found.after == -found.higher["x"][found.index]
        assert found.before > found.after

    def test_once_it_is_broken_nothing_more_is_asked(self):
        asked = []
        self.broken(lambda x: -x.sum(axis=1), self.PAIRS, asked=asked)
        assert len(asked) == 1

    def test_each_element_moves_alone_so_that_no_other_hides_a_fall(self):
        [found] = self.broken(lambda x: x[:, 0] - x[:, 1] / 2, self.PAIRS)
        moved = found.higher["x"] != found.lower["x"]
        assert moved.tolist() == [[False, True], [False, True]]

    def test_a_row_of_many_elements_moves_in_some_of_them(self):
        asked = []
        assert self.broken(lambda x: x.sum(axis=1), np.ones((2, 1000), "f4"), asked=asked) == []
        moved = {tuple(np.flatnonzero(x[0] != 1)) for x in asked}
        assert len(moved) == MOST_ELEMENTS + 1
        assert {(0,), (999,), tuple(range(1000))} <= moved

    def test_without_a_batch_every_element_moves_alone(self):
        [found] = self.broken(lambda x: x[0] - x[1] / 2, array([1, 2], "f4"), batched=False)
        assert (found.higher["x"] != found.lower["x"]).tolist() == [False, True]

    @pytest.mark.parametrize(
        ("x", "limits"),
        [
            (array([0.25, 1], "f4"), Values(min=0, max=1)),
            (array([0.25, 1], BF16), Values(min=0, max=1)),
            (array([3, 10], "i4"), Values(min=0, max=10)),
            (array([3, 10], "u1"), Values(min=-5, max=9.5)),
            (array([0, 255], "u1"), Values()),
            (array([-(2**63), 2**63 - 1], "i8"), Values()),
            (array([2**64 - 1], "u8"), Values()),
            (array([5], "i4"), Values(min=5, max=5)),
            (array([NAN, INF, 1], "f4"), Values()),
            (array([NAN, 1], "f4"), Values(max=2**70)),
            (array([3e38], "f4"), Values()),
            (np.zeros((0, 3), "f4"), Values()),
            (array(2, "f8"), Values()),
        ],
    )
    def test_the_input_keeps_to_its_dtype_and_to_what_clients_send(self, x, limits):
        asked = []

        def function(x):
            return x.astype("f8")

        ask = lambda inputs: asked.append(inputs["x"]) or {"y": function(inputs["x"])}  # noqa: E731
        promises = Promises("s", {"x": limits}, {"y": Values(increasing_in=("x",))})
        assert find_broken_trends(promises, "none", {"x": x}, {"y": function(x)}, ask) == []
        for sent in asked:
            assert sent.dtype == x.dtype
            assert sent.shape == x.shape
            beyond = sent[(sent != x) & ~np.isnan(x.astype("f8"))].astype(object)
            assert all(limits.min is None or value >= limits.min for value in beyond)
            assert all(limits.max is None or value <= limits.max for value in beyond)
            assert not np.isinf(sent[np.isfinite(x)].astype("f8")).any()

    def test_whole_numbers_move_by_one_and_by_more(self):
        asked = []
        self.broken(lambda x: x, array([100], "i8"), asked=asked)
        assert [int(x[0]) for x in asked] == [75, 101, 110, 200]

    @pytest.mark.parametrize(
        ("x", "one_of", "sent"),
        [
            (array([2, 8], "i4"), (8, 1, 2, 4), [[1, 4], [4, 8], [8, 8]]),
            (array([2, 8], "f4"), (8, 1, 2, 4), [[1, 4], [4, 8], [8, 8]]),
            (array([2, 8], BF16), (8, 1, 2, 4), [[1, 4], [4, 8], [8, 8]]),
            (array([0.5], "f4"), (0.1, 0.5, NAN), [[np.float32(0.1)]]),
            (array([3], "i8"), (1, 5), [[1], [5]]),  # a golden's own value is sent as it is
            (array([1], "i8"), (1,), []),
        ],
    )
    def test_what_is_one_of_a_set_stays_in_it(self, x, one_of, sent):
        asked = []
        ask = lambda inputs: asked.append(inputs["x"]) or {"y": inputs["x"]}  # noqa: E731
        promises = Promises("s", {"x": Values(one_of=one_of)}, {"y": Values(increasing_in=("x",))})
        assert (
            find_broken_trends(promises, Batch(len(x), frozenset("x"), frozenset("y")), {"x": x}, {"y": x}, ask) == []
        )
        assert [point.tolist() for point in asked] == sent

    def test_a_request_that_is_refused_on_the_way(self):
        def function(x):
            if x.max() > 4:
                raise RequestError(Code.INVALID_ARGUMENT, "too much", transport="grpc", model="m")
            return x

        [found] = self.broken(function, self.X)
        assert "too much" in found.problem
        assert found.higher["x"].tolist() == [4, 1, 6]
        assert self.broken(function, self.X, limits=Values(max=4)) == []

    def test_an_answer_that_cannot_be_compared(self):
        [found] = self.broken(lambda x: x[: int(x[0])], array([1, 2, 3], "f4"))
        assert "y was float32[" in found.problem
        promises = Promises("s", outputs={"y": Values(increasing_in=("q",))})
        [found] = find_broken_trends(promises, "none", {"x": self.X}, {"y": self.X}, lambda inputs: {})
        assert found.problem == "the request has no input q"
