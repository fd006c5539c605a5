"""What a golden that differs says, word for word."""

from pathlib import Path

import numpy as np
import pytest

from pytest_tfserving.golden.check import Outcome
from pytest_tfserving.golden.compare import compare
from pytest_tfserving.golden.difference import Decades
from pytest_tfserving.golden.output_rule import OutputRule
from pytest_tfserving.golden.store import Case
from pytest_tfserving.golden.tolerance import Tolerance
from pytest_tfserving.report.goldens import (
    View,
    baseline_failure,
    changed_environment,
    difference_table,
    golden_failure,
)
from pytest_tfserving.report.sparkline import sparkline
from pytest_tfserving.schema import Signature

HEAD = "golden goldens/mnist.json [ones] differs from what mnist answers over grpc (signature 'serving_default')"
RECORD = "if the new answer is right: pytest --tfserving-update 'test_mnist.py::test_goldens[ones-grpc]'"
EMBEDDED = {"backend": "embedded", "tensorflow": "2.21.0", "cpu": "x86_64 avx2 fma"}


def failure(expected, served, *, provenance=None, run=None, verbosity=0, encoding="utf-8", **tolerance):
    outcome = Outcome(
        case=Case("ones", Path("goldens/mnist.json"), "ones", None, {}, {}, provenance or {}),
        transport="grpc",
        signature=Signature("serving_default", {}, {}),
        inputs={},
        expected=expected,
        outputs=served,
        comparison=compare(expected, served, Tolerance(**tolerance)),
        to_record=False,
    )
    how = "pytest --tfserving-update 'test_mnist.py::test_goldens[ones-grpc]'"
    return golden_failure(outcome, "mnist", how, run=run, view=View(verbosity, "test_mnist.py::test[ones]", encoding))


def test_values():
    expected = {"scores": np.array([[0.5, 0.25], [0.125, 1]], "f4"), "classes": np.array([7, 1])}
    served = {"scores": np.array([[0.5, 0.5], [0.125, 1.001]], "f4"), "classes": np.array([7, 3])}
    assert failure(expected, served) == (
        f"""\
{HEAD}

  output   differing  worst at  expected  served  max abs error  max rel error
  scores   2 of 4     [0, 1]    0.25      0.5     0.25           1
  classes  1 of 2     [1]       1         3       2              2

all of scores that differ
  at      expected  served  error
  [0, 1]  0.25      0.5     0.25
  [1, 1]  1.0       1.001   0.001
  errors by powers of ten: 0.001 █ █ 1

compared with rtol=1e-05 atol=1e-08 (float32)
would have passed with rtol=1 or atol=0.3 (scores)

{RECORD}"""
    )


def test_names_shapes_and_strings():
    expected = {"gone": np.zeros(1, "f4"), "y": np.zeros((2, 3), "f4"), "s": np.array([b"a"], object)}
    served = {"s": np.array([b"\xff"], object), "y": np.zeros((3, 2), "f4"), "new": np.zeros((), "i8")}
    assert failure(expected, served) == (
        f"""\
{HEAD}

  output  expected       served
  gone    float32[1]     -              <- missing
  y       float32[2, 3]  float32[3, 2]  <- shape
  new     -              int64[]        <- unexpected

  output  differing  worst at  expected  served   max abs error  max rel error
  s       1 of 1     [0]       b'a'      b'\\xff'  -              -

{RECORD}"""
    )


def test_rules_of_single_outputs():
    rules = {
        "vectors": OutputRule(cosine=0.9, mean_absolute=1e-3),
        "best": OutputRule(argmax=True, differing=0.25),
        "labels": OutputRule(unordered=True),
        "counts": OutputRule(ulps=4),
    }
    expected = {
        "vectors": np.array([[3, 4], [1, 0]], "f4"),
        "best": np.array([[1, 0], [1, 0]], "f4"),
        "labels": np.array([b"a", b"b"], object),
        "counts": np.array([1, 1, 1], "f4"),
    }
    served = {
        "vectors": np.array([[4, 3], [0, 1]], "f4"),
        "best": np.array([[1, 0], [0, 1]], "f4"),
        "labels": np.array([b"c", b"a"], object),
        "counts": np.array([1, 1, 1 + 2**-20], "f4"),
    }
    assert failure(expected, served, outputs=rules) == (
        f"""\
{HEAD}

  output   differing                  worst at  expected             served    max abs error  max rel error
  vectors  1 of 2 rows                [1]       >= 0.9               0         -              -
  vectors  as a whole                 -         mean error <= 0.001  1         -              -
  best     1 of 2 rows, 25 % allowed  [1]       0 (1.0)              1 (1.0)   -              -
  labels   1 of 1 rows                []        lacks b'b'           has b'c'  -              -
  counts   1 of 3                     [2]       1.0                  1.000001  9.54e-07       9.54e-07

compared with cosine=0.9 (vectors), mean_absolute=0.001 (vectors), argmax (best), unordered (labels), ulps=4 (counts)
would have passed with cosine=0 (vectors), mean_absolute=1 (vectors), differing=0.5 (best), ulps=8 (counts)

{RECORD}"""
    )


def test_a_baseline_answers_otherwise():
    expected, served = {"y": np.array([1, 2], "f4")}, {"y": np.array([1, 2.5], "f4")}
    case = Case("ones", Path("goldens/mnist.json"), "ones", None, {}, {}, {"backend": "elsewhere"})
    comparison = compare(expected, served, Tolerance())
    outcome = Outcome(
        case, "rest", Signature("serving_default", {}, {}), {}, expected, served, comparison, to_record=False
    )
    assert baseline_failure(outcome, "mnist", "exports/1", view=View(0, "test_mnist.py::test[ones]", "utf-8")) == (
        """\
golden goldens/mnist.json [ones]: mnist answers otherwise than exports/1 over rest (signature 'serving_default')

  output  differing  worst at  expected  served  max abs error  max rel error
  y       1 of 2     [1]       2.0       2.5     0.5            0.25

compared with rtol=1e-05 atol=1e-08 (float32)
would have passed with rtol=0.3 or atol=0.5 (y)

if it is meant to: give a tolerance that allows it, or what shall be the baseline from now on (against=); \
`pytest-tfserving drift OLD NEW --inputs GOLDENS` shows how far all answers are off"""
    )


def many(count):
    """Values of which `count` are off, the later ones more."""
    expected, served = np.ones(1000, "f8"), np.ones(1000, "f8")
    served[:count] += np.arange(1, count + 1) / 1024
    return {"y": expected}, {"y": served}


@pytest.mark.parametrize(
    ("verbosity", "count", "listed", "more"),
    [
        (0, 200, 5, "-v"),
        (1, 200, 50, "-vv"),
        (2, 200, 200, None),
        (3, 200, 200, None),
        (-1, 200, 5, "-v"),
        (0, 5, 5, None),
    ],
)
def test_more_with_verbosity(verbosity, count, listed, more):
    text = failure(*many(count), verbosity=verbosity)
    rows = [line.split()[0] for line in text.splitlines() if line.startswith("  [")]
    assert rows == [f"[{count - 1 - n}]" for n in range(listed)]
    assert (f"the worst {listed} of {count} values of y" in text) is (listed < count)
    assert ("shows more of them: " in text) is (more is not None)
    if more:
        assert f"shows more of them: pytest {more} 'test_mnist.py::test[ones]'" in text


def test_many_outputs_that_differ_fit_a_screen():
    expected = {f"output_{n}": np.zeros(100, "f4") for n in range(30)}
    served = {f"output_{n}": np.linspace(1, 2, 100, dtype="f4") for n in range(30)}
    text = failure(expected, served)
    assert len(text.splitlines()) < 65  # 30 of them are one line an output
    assert "shows more of them: pytest -v" in text
    assert text.count("the worst") == 3
    assert ", and 26 more" in text


def test_what_is_kept_of_very_many_is_bounded():
    expected = {"y": np.zeros(100_000, "f4")}
    text = failure(expected, {"y": np.ones(100_000, "f4")}, verbosity=2)
    assert "the worst 1000 of 100000 values of y that differ" in text


NAN_HINT = "NaN equals NaN only where that is asked for: equal_nan=True in the marker"


@pytest.mark.parametrize(
    ("expected", "served", "equal_nan", "is_hinted"),
    [
        ([np.nan], [np.nan], False, True),
        ([np.nan, 1], [np.nan, 2], False, False),
        ([np.nan, 1], [np.nan, 2], True, False),
    ],
    ids=["NaN alone", "more than NaN", "asked for"],
)
def test_where_only_nan_beside_nan_differs_it_is_said_how_to_allow_it(expected, served, equal_nan, is_hinted):
    text = failure({"y": np.array(expected)}, {"y": np.array(served)}, equal_nan=equal_nan)
    assert (NAN_HINT in text) is is_hinted


def test_the_tolerance_of_each_dtype_that_differs_is_said():
    zeros, ones = ({dtype: np.full(1, value, dtype) for dtype in ("float16", "float32")} for value in (0, 1))
    assert "compared with rtol=0.001 atol=1e-08 (float16), rtol=1e-05 atol=1e-08 (float32)" in failure(zeros, ones)
    text = failure(zeros, ones, rtol=0.5, atol=0.0)
    assert "compared with rtol=0.5 atol=0 (float16), rtol=0.5 atol=0 (float32)" in text


def test_a_scalar_is_worst_at_no_index():
    (difference,) = compare({"y": np.array(1)}, {"y": np.array(2)}, Tolerance()).differences
    assert difference_table([difference])[1].split() == ["y", "1", "of", "1", "[]", "1", "2", "1", "1"]


class TestEnvironment:
    def test_what_made_the_golden_and_is_not_so_here_is_said_first(self):
        golden = {"backend": "docker", "tensorflow": "2.21.0", "cpu": "aarch64 asimd", "image": "tfs:2.19"}
        text = failure({"y": np.zeros(1)}, {"y": np.ones(1)}, provenance=golden, run=EMBEDDED)
        assert text.startswith(
            f"""\
{HEAD}

the golden was made elsewhere; kernels are chosen by version and CPU, and oneDNN promises no equal bits across them:
           golden         this run
  backend  docker         embedded
  cpu      aarch64 asimd  x86_64 avx2 fma
  image    tfs:2.19       -

  output  differing"""
        )

    @pytest.mark.parametrize(
        ("golden", "run"),
        [(EMBEDDED, EMBEDDED), ({}, EMBEDDED), (EMBEDDED, {}), ({**EMBEDDED, "date": "2026-01-01"}, EMBEDDED)],
        ids=["the same", "unknown of the golden", "unknown of the run", "another day"],
    )
    def test_nothing_is_said_where_nothing_has_changed(self, golden, run):
        assert changed_environment(golden, run) == []


class TestSparkline:
    @pytest.mark.parametrize(
        ("lowest", "counts", "line"),
        [
            (-7, (1, 4, 8), "1e-07 ▁▄█ 0.0001"),
            (-2, (1, 0, 1000), "0.01 ▁ █ 10"),
            (3, (5,), "1000 █ 10000"),
            (-10, (0,) * 40 + (1, 2), f"0 {' ' * 38}▄█ 1e+32"),
        ],
    )
    def test_a_column_a_power_of_ten(self, lowest, counts, line):
        assert sparkline(Decades(lowest, counts), "utf-8") == line

    @pytest.mark.parametrize("encoding", ["ascii", "latin-1", "no-such-encoding"])
    def test_a_terminal_without_blocks_gets_ascii(self, encoding):
        assert sparkline(Decades(-7, (1, 4, 8)), encoding) == "1e-07 .=@ 0.0001"
        assert sparkline(Decades(-7, (1, 4, 8)), encoding).isascii()

    @pytest.mark.parametrize(
        ("errors", "decades"),
        [
            ([0.5, 0.05, 0.02, 0.001], Decades(-3, (1, 2, 1))),
            ([1.0, 10.0, 100.0], Decades(0, (1, 1, 1))),
            ([9.5, 0.0], Decades(0, (1,))),
            ([np.nan, 2.0], Decades(0, (1,))),
            ([np.inf, 2.0], Decades(0, (1,))),
        ],
    )
    def test_errors_are_counted_by_decade(self, errors, decades):
        (found,) = compare({"y": np.zeros(len(errors))}, {"y": np.array(errors)}, Tolerance()).differences
        assert found.decades == decades

    def test_what_is_within_the_tolerance_is_counted_too(self):
        (found,) = compare({"y": np.ones(3)}, {"y": np.array([1 + 2**-20, 2, 1])}, Tolerance()).differences
        assert (found.differing, found.decades) == (1, Decades(-7, (1, 0, 0, 0, 0, 0, 0, 1)))
