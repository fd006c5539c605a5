"""How far answers are apart: statistics worked out by hand."""

import json
import math
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from pytest_tfserving.golden.case import Case
from pytest_tfserving.golden.drift import Drift
from pytest_tfserving.golden.output_drift import MOST_WORST
from pytest_tfserving.golden.output_rule import OutputRule
from pytest_tfserving.golden.overall import Pooled
from pytest_tfserving.golden.spread import Spread
from pytest_tfserving.golden.tolerance import Tolerance
from pytest_tfserving.grammar import parse_tensor_spec as spec
from pytest_tfserving.report.drift import DriftReport, drift_json, drift_text
from pytest_tfserving.schema import Signature

SIGNATURE = Signature("serving_default", {"x": spec("float32[?]")}, {"y": spec("float32[?, 2]")})
NAN, INF = math.nan, math.inf


def case(name):
    return Case(name, Path("/goldens.json"), name, None, {"inputs": {"x": [1.0]}}, None, {})


def drift_of(*pairs, signature=SIGNATURE, **tolerance):
    """The drift of (old, new) answers of output y."""
    drift = Drift(Tolerance(**tolerance))
    for number, (old, new) in enumerate(pairs):
        drift.add(case(f"c{number}"), signature, {"y": np.asarray(old)}, {"y": np.asarray(new)})
    return drift


def of_y(drift):
    return drift.outputs["serving_default", "y"]


def f4(*values):
    return np.array(values, "f4")


def test_statistics_over_all_values_of_all_requests():
    one = of_y(drift_of((f4(1, 2, 4), f4(1, 2.5, 4)), (f4(0, 8), f4(0, 6)), rtol=0, atol=0.5))
    # errors 0, 0.5, 0, 0, 2: of five, of which one is beyond the tolerance
    assert (one.cases, one.values, one.differing) == (2, 5, 1)
    assert one.mean_absolute == 2.5 / 5
    assert one.root_mean_square == math.sqrt((0.25 + 4) / 5)
    assert (one.max_absolute, one.max_relative) == (2.0, 0.25)
    assert one.spread.percentile(0.5) == 0
    assert one.spread.percentile(0.8) == pytest.approx(0.5, rel=0.005)
    assert one.spread.percentile(0.99) == pytest.approx(2, rel=0.005)
    assert (one.spread.decades.lowest, one.spread.decades.counts) == (-1, (1, 1))


@pytest.mark.parametrize(
    ("old", "new", "cosine", "reclassed"),
    [
        ([[1, 0], [3, 4]], [[1, 0], [4, 3]], 24 / 25, 1),
        ([[1, 0], [3, 4]], [[1, 0], [3, 4]], 1, 0),
        ([[1, 0]], [[0, 1]], 0, 1),
        ([[1, 0]], [[-1, 0]], -1, 1),
        ([[1, 1]], [[2, 2]], 1, 0),  # a tie stays one
        ([[1, 0.5]], [[NAN, 0.5]], NAN, 1),
    ],
)
def test_rows(old, new, cosine, reclassed):
    one = of_y(drift_of((f4(*old), f4(*new)), (f4([2, 1]), f4([2, 1]))))
    assert one.rows == len(old) + 1
    assert one.reclassed == reclassed
    assert one.cosine == pytest.approx(cosine, abs=1e-7, nan_ok=True)


def test_a_tie_within_the_tolerance_is_no_other_class():
    pair = f4([0.5, 0.5001]), f4([0.5001, 0.5])
    assert of_y(drift_of(pair)).reclassed == 1
    assert of_y(drift_of(pair, atol=0.001)).reclassed == 0


def test_a_batch_of_numbers_is_no_vector():
    batch = Signature("serving_default", {}, {"y": spec("float32[?]")})
    vector = Signature("serving_default", {}, {"y": spec("float32[2]")})
    assert of_y(drift_of((f4(1, 2), f4(2, 1)), signature=batch)).rows == 0
    assert of_y(drift_of((f4(1, 2), f4(2, 1)), signature=vector)).rows == 1


@pytest.mark.parametrize(
    ("old", "new", "tolerance", "differing", "mean", "not_finite"),
    [
        (f4(NAN, 1), f4(NAN, 2), {}, 2, 1, {"old": (1, 0), "new": (1, 0)}),
        (f4(NAN, 1), f4(NAN, 2), {"equal_nan": True}, 1, 0.5, {"old": (1, 0), "new": (1, 0)}),
        (f4(INF, -INF, 1), f4(INF, 3, 1), {}, 1, 0, {"old": (0, 2), "new": (0, 1)}),
        (f4(1, 1), f4(1, NAN), {}, 1, 0, {"old": (0, 0), "new": (1, 0)}),
        (f4(INF, INF), f4(INF, INF), {}, 0, 0, {"old": (0, 2), "new": (0, 2)}),
    ],
)
def test_what_is_not_finite_is_counted_and_has_no_error(old, new, tolerance, differing, mean, not_finite):
    one = of_y(drift_of((old, new), **tolerance))
    assert (one.differing, one.mean_absolute, one.not_finite) == (differing, mean, not_finite)


def test_a_value_that_is_finite_on_one_side_alone_is_the_worst():
    one = of_y(drift_of((f4(1, 2), f4(1, 900)), (f4(1, 2), f4(1, NAN))))
    assert [(worst.case.key, worst.at, worst.old, worst.new, worst.error) for worst in one.worst] == [
        ("c1", (1,), "2.0", "nan", None),
        ("c0", (1,), "2.0", "900.0", 898.0),
    ]


@pytest.mark.parametrize(
    ("old", "new", "differing", "largest"),
    [
        (np.array([2**63 - 1, 5], "i8"), np.array([-(2**63), 5], "i8"), 1, 2.0**64),
        (np.array([0, 7], "u8"), np.array([2**64 - 1, 7], "u8"), 1, 2.0**64),
        (np.array([250], "u1"), np.array([5], "u1"), 1, 245),
        (np.array([-128], "i1"), np.array([127], "i1"), 1, 255),
        (np.array([1, 2], "f2"), np.array([1, 3], "f2"), 1, 1),
        (np.array([1, 2], ml_dtypes.bfloat16), np.array([1, 3], ml_dtypes.bfloat16), 1, 1),
        (np.array([3 + 4j]), np.array([0]) * 0j, 1, 5),
        (np.array([b"a", b"b"], object), np.array([b"a", b"c"], object), 1, None),
        (np.array([True, True]), np.array([True, False]), 1, None),
        (np.zeros((0, 3), "f4"), np.zeros((0, 3), "f4"), 0, None),
    ],
    ids=lambda value: str(value.dtype) if isinstance(value, np.ndarray) else "",
)
def test_every_dtype(old, new, differing, largest):
    one = of_y(drift_of((old, new)))
    assert (one.differing, one.max_absolute) == (differing, largest)
    assert bool(one.worst) == bool(differing)


def test_of_many_cases_the_worst_are_kept():
    one = of_y(drift_of(*((f4(0), f4(number)) for number in range(20))))
    assert [worst.error for worst in one.worst] == [19, 18, 17, 16, 15]
    assert len(one.worst) == MOST_WORST


def test_values_in_many_blocks_are_measured_as_one():
    rng = np.random.default_rng(0)
    old = rng.normal(size=300_000).astype("f4")
    new = (old + rng.normal(size=old.size) * 10.0 ** rng.integers(-6, 2, old.size)).astype("f4")
    errors = np.abs(new.astype("f8") - old.astype("f8"))
    one = of_y(drift_of((old, new)))
    assert one.mean_absolute == pytest.approx(errors.mean(), rel=1e-12)
    assert one.root_mean_square == pytest.approx(math.sqrt((errors**2).mean()), rel=1e-12)
    assert one.max_absolute == errors.max()
    assert one.worst[0].at == (int(errors.argmax()),)
    for share in (0.01, 0.5, 0.9, 0.99, 0.999, 1):
        exact = np.sort(errors)[math.ceil(share * errors.size) - 1]
        assert one.spread.percentile(share) == pytest.approx(exact, rel=0.005)
    assert sum(one.spread.decades.counts) == (errors > 0).sum()


@pytest.mark.parametrize("extreme", [5e-324, 1e-300, 1.7e308])
def test_the_smallest_and_the_largest_errors(extreme):
    spread = Spread()
    for error in (1.0, extreme):
        spread.add(np.array([error]))
    assert spread.percentile(0.5) == pytest.approx(min(1.0, extreme), rel=0.005, abs=5e-324)
    assert spread.percentile(1) == pytest.approx(max(1.0, extreme), rel=0.005)
    assert Spread().percentile(0.5) is None


def test_names_dtypes_and_shapes_are_changes_counted_with_an_example():
    drift = Drift(Tolerance())
    for name in ("a", "b"):
        old = {"gone": f4(1), "y": f4(1), "shape": f4(1), "same": f4(1)}
        new = {"new": f4(1), "y": np.ones(1), "shape": f4(1, 1), "same": f4(1)}
        drift.add(case(name), SIGNATURE, old, new)
    assert {(c.output, c.kind): (n.times, n.case[-3:], n.text) for c, n in drift.changes.items()} == {
        ("gone", "missing"): (2, "[a]", "float32[1] -> -"),
        ("y", "dtype"): (2, "[a]", "float32[1] -> float64[1]"),
        ("shape", "shape"): (2, "[a]", "float32[1] -> float32[2]"),
        ("new", "unexpected"): (2, "[a]", "- -> float32[1]"),
    }
    assert list(drift.outputs) == [("serving_default", "same")]
    assert not drift.holds()


@pytest.mark.parametrize(
    ("change", "holds"),
    [
        (lambda drift: None, True),
        (lambda drift: drift.add(case("a"), SIGNATURE, {"y": f4(1)}, {"y": f4(1)}), True),
        (lambda drift: drift.add(case("a"), SIGNATURE, {"y": f4(1)}, {"y": f4(2)}), False),
        (lambda drift: drift.add(case("a"), SIGNATURE, {"z": f4(1)}, {"z": f4(2)}), True),
        (lambda drift: drift.add_refused(case("a"), {"new": "INVALID_ARGUMENT"}), False),
        (lambda drift: drift.add_refused(case("a"), {"old": "INVALID_ARGUMENT"}), False),
        (lambda drift: drift.add_refused(case("a"), {"old": "NOT_FOUND", "new": "NOT_FOUND"}), True),
        (lambda drift: drift.lacking.update([("other", "new")]), False),
        (lambda drift: drift.left_out.update(["they expect an error"]), True),
    ],
)
def test_what_holds(change, holds):
    drift = drift_of((f4(1), f4(1)))
    change(drift)
    assert drift.holds(elsewhere={"z"}) is holds


def report_of(drift, rules=None):
    pooled = Pooled(rules or {}, drift.tolerance)
    for old, new in [({"y": f4([3, 4], [1, 0])}, {"y": f4([4, 3], [1, 0])})]:
        pooled.add("c0", old, new)
    return DriftReport(
        drift,
        {"old": "exports/1", "new": "exports/2"},
        {"old": "grpc", "new": "grpc"},
        {"old": "embedded: tensorflow 2.21.0", "new": "embedded: tensorflow 2.21.0"},
        pooled.standings(),
        pooled.comparison().differences,
    )


def test_the_text():
    drift = drift_of((f4([3, 4], [1, 0]), f4([4, 3], [1, 0])), (f4([1, 0]), f4([1.001, 0])))
    drift.add_refused(case("bad"), {"new": "INVALID_ARGUMENT over grpc: no"})
    drift.add(case("form"), SIGNATURE, {"y": f4([1, 1])}, {"y": f4(1)})
    drift.lacking["other", "new"] += 2
    drift.left_out["they expect an error"] += 1
    assert (
        drift_text(report_of(drift), "utf-8")
        == """\
exports/1 -> exports/2: 3 requests answered by both, over grpc
served by embedded: tensorflow 2.21.0

new has no signature 'other': 2 requests not sent
new alone refuses 1 request, such as /goldens.json [bad]: INVALID_ARGUMENT over grpc: no
  signature        output         old -> new                   requests  such as
  serving_default  y       shape  float32[1, 2] -> float32[1]  1         /goldens.json [form]
left out 1 case: they expect an error

y of serving_default, float32: 6 values in 2 requests, 3 (50 %) beyond rtol=1e-05 atol=1e-08  <- differs
  absolute error  mean 0.334  RMSE 0.577  p50 0  p99 1  max 1
  relative error  max 0.333
  cosine          least 0.96 of 3 rows
  best class      changed in 1 of 3 rows (33.3 %)
  errors by powers of ten: 0.001 ▄  █ 10
  worst               at      old  new    error  inputs
  /goldens.json [c0]  [0, 0]  3.0  4.0    1      x [1.0]
  /goldens.json [c1]  [0, 0]  1.0  1.001  0.001  x [1.0]

the answers have drifted"""
    )


def test_rules_over_all_answers_take_the_place_of_the_tolerance():
    drift = drift_of((f4([3, 4], [1, 0]), f4([4, 3], [1, 0])))
    report = report_of(drift, {"y": OutputRule(argmax=True, differing=0.5)})
    assert report.holds
    text = drift_text(report, "ascii")
    assert "beyond rtol=1e-05 atol=1e-08  <- judged over all answers" in text
    assert "  y       argmax  1 of 2 rows (50 %)  50 %" in text
    assert text.endswith("the answers are close enough")
    report = report_of(drift, {"y": OutputRule(argmax=True, differing=0.25)})
    assert not report.holds
    assert "<- too many" in drift_text(report, "ascii")
    assert "y would have passed with differing=0.5" in drift_text(report, "ascii")


def test_what_names_hold_does_nothing_to_a_terminal():
    drift = Drift(Tolerance())
    drift.add(case("\x1b[2J"), SIGNATURE, {"y\n": f4(1)}, {"y\n": f4(2)})
    assert "\x1b" not in drift_text(report_of(drift), "utf-8")
    assert "y\\n of serving_default" in drift_text(report_of(drift), "utf-8")


def test_the_json_is_ascii():
    """What a terminal cannot show is written as backslashes and digits, which in JSON are something else."""
    drift = Drift(Tolerance())
    drift.add(case("größe"), SIGNATURE, {"y": f4(1)}, {"y": f4(2)})
    text = drift_json(report_of(drift))
    assert text.isascii()
    assert "größe" in json.loads(text)["outputs"][0]["worst"][0]["case"]


def test_the_json_has_no_numbers_that_json_has_not():
    drift = drift_of((f4([1, INF]), f4([NAN, 1])))
    document = json.loads(drift_json(report_of(drift)), parse_constant=pytest.fail)
    [output] = document["outputs"]
    assert document["holds"] is False
    assert (output["least_cosine"], output["max_absolute"], output["mean_absolute"]) == (None, None, None)
    assert output["not_finite"] == {"old": {"nan": 0, "infinite": 1}, "new": {"nan": 1, "infinite": 0}}
