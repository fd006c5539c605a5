"""What is kept of a golden outcome for reports: plain values, few of an outcome that holds, bounded of one that does not"""

import base64
import io
import json
import math
from pathlib import Path

import numpy as np
import pytest

from pytest_tfserving.golden.check import Outcome
from pytest_tfserving.golden.compare import compare
from pytest_tfserving.golden.output_rule import OutputRule
from pytest_tfserving.golden.refusal import ExpectedError, Refusal
from pytest_tfserving.golden.store import Case
from pytest_tfserving.golden.tolerance import Tolerance
from pytest_tfserving.report.evidence import evidence_of
from pytest_tfserving.report.tensor_pictures import pictures_of
from pytest_tfserving.report.totals import MOST_DETAILS, Totals
from pytest_tfserving.schema import Signature, TensorSpec

BATCH = TensorSpec("float32", (None, None))
RUN = {"backend": "embedded", "tensorflow": "2.21.0"}


def outcome_of(
    expected,
    served,
    inputs=None,
    *,
    tolerance=None,
    provenance=None,
    case="a",
    transport="grpc",
    overall=(),
    signature=None,
):
    return Outcome(
        case=Case(case, Path("goldens/g.json"), case, None, {}, {}, provenance or {}),
        transport=transport,
        signature=signature or Signature("serving_default", dict.fromkeys(inputs or {}, BATCH), {"y": BATCH}),
        inputs=inputs or {},
        expected=expected,
        outputs=served,
        comparison=None
        if expected is None
        else compare(expected, served, tolerance or Tolerance(), specs_alone=overall),
        to_record=False,
    )


def evidence(expected, served, inputs=None, *, rules=None, baseline=None, pictures=False, overall=None, **kwargs):
    tolerance = Tolerance(outputs=rules or {})
    outcome = outcome_of(expected, served, inputs, tolerance=tolerance, overall=overall or (), **kwargs)
    return evidence_of(outcome, tolerance, RUN, baseline, overall=overall or {}, pictures=pictures)


def output(*args, **kwargs):
    [found] = evidence(*args, **kwargs)["outputs"]
    return found


def y(*values, dtype="f4"):
    return {"y": np.array(values, object if dtype == "O" else dtype)}


def is_plain(value):
    if isinstance(value, dict):
        return type(value) is dict and all(is_plain(item) for item in (*value, *value.values()))
    if isinstance(value, list | tuple):
        return type(value) in (list, tuple) and all(map(is_plain, value))
    return type(value) in (str, bytes, int, float, bool, type(None))


MIXED = {
    "floats": (np.array([[1, 2], [np.nan, 4]], "f4"), np.array([[1, 3], [5, np.inf]], "f4")),
    "halves": (np.array([1, 2], "f2"), np.array([1, 3], "f2")),
    "integers": (np.array([1, -(2**62)]), np.array([1, 2**62])),
    "flags": (np.array([True, False]), np.array([True, True])),
    "strings": (np.array([b"cat", b"\xff"], object), np.array([b"dog", b"\xff"], object)),
    "complex": (np.array([1 + 2j, 3]), np.array([1 + 2j, 4])),
    "empty": (np.zeros((0, 3), "f4"), np.zeros((0, 3), "f4")),
    "scalar": (np.array(1.5, "f4"), np.array(2.5, "f4")),
    "shape": (np.zeros((2, 3), "f4"), np.zeros((3, 2), "f4")),
    "gone": (np.zeros(2, "f4"), None),
    "new": (None, np.zeros(2, "f4")),
}


@pytest.mark.parametrize("pictures", [False, True])
def test_evidence_is_plain_values_whatever_the_dtype(pictures):
    expected = {name: pair[0] for name, pair in MIXED.items() if pair[0] is not None}
    served = {name: pair[1] for name, pair in MIXED.items() if pair[1] is not None}
    inputs = {"x": np.array([[1, 2]], "f4"), "s": np.array([b"\xff\x00"], object)}
    found = evidence(expected, served, inputs, pictures=pictures)
    assert is_plain(found)
    assert {total["output"]: bool(total["moved"]) for total in found["outputs"]} == {
        name: name != "empty" for name in MIXED
    }


def test_an_outcome_that_holds_is_kept_in_few_words():
    expected = {"y": np.zeros((1000, 100), "f4")}
    assert len(json.dumps(evidence(expected, {"y": expected["y"] + 1e-9}))) < 500


def test_an_outcome_that_moved_is_bounded():
    rng = np.random.default_rng(0)
    expected = {"y": rng.normal(size=(3000, 100)).astype("f4")}
    found = output(expected, {"y": expected["y"] + 1}, {"x": expected["y"]})
    [detail] = found["details"]
    assert len(detail["points"]) == 400
    assert len(detail["worst"]) == 10
    assert len(json.dumps(found)) < 30_000


def test_what_was_compared_with_nothing_has_no_outputs():
    assert evidence(None, y(1.0))["outputs"] == []
    refused = outcome_of(None, {})
    refused = Outcome(**{**vars(refused), "refusal": Refusal(ExpectedError(None, None), None, {})})
    assert evidence_of(refused, Tolerance(), RUN, None)["outputs"] == []


def test_errors_of_all_values_are_summed_and_counted_by_powers_of_ten():
    found = output(y(1, 2, 3, 4, np.nan, np.inf, dtype="f8"), y(1, 2.5, 3.25, 4.0625, 1, np.inf, dtype="f8"))
    # NaN beside 1 is no error that could be added; infinity beside infinity is none at all.
    assert found["errors"] == {
        "sum": 0.8125, "count": 5, "decades": {-2: 1, -1: 2}, "max_absolute": 0.5, "max_relative": 0.25,
    }  # fmt: skip
    assert found["sizes"] == [6, 1, 1]


BIG = 2**53
LARGEST = {
    "none differs": (y(1, 0), y(1, 0), (0.0, 0.0)),
    "all NaN": (y(1, 2), y(np.nan, np.nan), (None, None)),
    "one NaN": (y(1, 2), y(np.nan, 3), (1.0, 0.5)),
    "infinite": (y(1, 2), y(np.inf, 3), (np.inf, np.inf)),
    "recorded 0": (y(0), y(3), (3.0, None)),
    "integers beyond a float's digits": (y(BIG, dtype="i8"), y(BIG + 1, dtype="i8"), (1.0, 2.0**-53)),
    "the largest integers": (y(2**64 - 1, 5, dtype="u8"), y(2**64 - 2, 6, dtype="u8"), (1.0, 0.2)),
    "empty": (y(), y(), (None, None)),
}


@pytest.mark.parametrize(("expected", "served", "largest"), LARGEST.values(), ids=LARGEST)
def test_the_largest_errors_are_those_that_there_are(expected, served, largest):
    errors = output(expected, served)["errors"]
    assert (errors["max_absolute"], errors["max_relative"]) == largest


SIZES = {
    "scalar": ((), [1, 1, 1]),
    "vector": ((5,), [5, 1, 1]),
    "rows": ((2, 5), [10, 2, 2]),
    "pictures": ((3, 4, 5, 1), [60, 60, 3]),
}


@pytest.mark.parametrize(("shape", "sizes"), SIZES.values(), ids=SIZES)
def test_sizes_are_those_that_rules_count(shape, sizes):
    assert output({"y": np.zeros(shape)}, {"y": np.zeros(shape)})["sizes"] == sizes


CLASSES = {
    "best classes": (
        {"y": np.array([[0, 1, 0], [1, 0, 0], [1, 0, 0]], "f4")},
        {"y": np.array([[0, 1, 0], [0, 0, 1], [0.9, 0, 0]], "f4")},
        OutputRule(argmax=True),
        [["0", "0", 1], ["0", "2", 1], ["1", "1", 1]],
    ),
    "of the k best the first": (
        {"y": np.array([[0.1, 0.7, 0.2]], "f4")},
        {"y": np.array([[0.1, 0.2, 0.7]], "f4")},
        OutputRule(top_k=2),
        [["1", "2", 1]],
    ),
    "NaN is no score": ({"y": np.array([[np.nan, 1.0]])}, {"y": np.array([[2.0, 1.0]])}, OutputRule(argmax=True), [["1", "0", 1]]),
    "strings": (y(b"cat", b"dog", b"cat", dtype="O"), y(b"cat", b"cat", b"\xff", dtype="O"), None, [["cat", "b'\\xff'", 1], ["cat", "cat", 1], ["dog", "cat", 1]]),
    "integers": (y(1, 2, dtype="i8"), y(1, 3, dtype="i8"), None, [["1", "1", 1], ["2", "3", 1]]),
}  # fmt: skip


@pytest.mark.parametrize(("expected", "served", "rule", "pairs"), CLASSES.values(), ids=CLASSES)
def test_classes_are_counted_together(expected, served, rule, pairs):
    assert output(expected, served, rules={"y": rule} if rule else None)["classes"]["pairs"] == pairs


def test_floats_without_a_rule_about_classes_have_none():
    assert output(y(1.0, 2.0), y(1.0, 3.0))["classes"] is None


def test_many_different_values_are_no_classes():
    classes = output({"y": np.arange(60)}, {"y": np.arange(60)})["classes"]
    assert classes["too_many"] and classes["pairs"] == []


def test_the_worst_value_comes_with_what_was_sent_for_it():
    inputs = {"x": np.arange(40, dtype="f4").reshape(4, 10), "temperature": np.array(0.5, "f4")}
    expected = {"y": np.zeros((4, 2), "f4")}
    served = {"y": np.array([[0, 0], [0, 0], [0, 3], [0, 0]], "f4")}
    [worst] = output(expected, served, inputs)["details"][0]["worst"]
    assert (worst["at"], worst["expected"], worst["served"], worst["error"]) == ([2, 1], "0.0", "3.0", 3.0)
    assert worst["inputs"] == [
        {
            "name": "x[2]",
            "spec": "float32[10]",
            "text": "[20.0, 21.0, 22.0, 23.0, 24.0, 25.0, 26.0, 27.0, ...]",
            "picture": None,
        },
        {"name": "temperature", "spec": "float32[]", "text": "0.5", "picture": None},
    ]


def test_an_input_of_few_values_is_shown_whole():
    [worst] = output(y(1, 2, 3), y(1, 2, 4), {"x": np.array([1, 2, 5], "f4")})["details"][0]["worst"]
    assert worst["inputs"] == [{"name": "x", "spec": "float32[3]", "text": "[1.0, 2.0, 5.0]", "picture": None}]


def test_points_are_the_worst_and_others_evenly_spread():
    expected = np.arange(10_000, dtype="f8")
    served = expected.copy()
    served[:50] += 1000
    points = output({"y": expected}, {"y": served})["details"][0]["points"]
    assert len(points) == 400
    assert sum(served - golden == 1000 for golden, served in points) == 50
    held = [golden for golden, answer in points if golden == answer]
    assert max(np.diff(sorted(held))) < 100  # no gap in what is shown of the rest


def test_points_have_the_digits_of_their_dtype_and_are_finite():
    points = output(y(0.1, np.nan, np.inf, 2), y(0.3, 1, 1, -np.inf))["details"][0]["points"]
    assert points == [[0.1, 0.3]]


def test_a_changed_environment_is_said_of_a_golden_and_not_of_a_baseline():
    made = {"backend": "embedded", "tensorflow": "2.19.1", "date": "2025-01-01"}
    assert output(y(1), y(2), provenance=made)["environment"] == [["tensorflow", "2.19.1", "2.21.0"]]
    assert output(y(1), y(2), provenance=made, baseline="exports/1")["environment"] == []
    assert output(y(1), y(1), provenance=made)["environment"] == []


def test_what_broke_which_rule_and_what_would_have_passed():
    found = output(y(1, 2), y(1, 2.5), rules={"y": OutputRule(atol=0.1, rtol=0.0)})
    assert found["rules"] == {
        "rtol=0 atol=0.1": {
            "unit": "values",
            "differing": 1,
            "ways": {"rtol": "0.3", "atol": "0.6"},
        }
    }


def test_another_form_is_said_in_specs():
    found = evidence({"y": np.zeros(2, "f4"), "gone": np.zeros(1)}, {"y": np.zeros(2, "f8")})["outputs"]
    assert [total["specs"] for total in found] == [
        [["dtype", "float32[2]", "float64[2]"]],
        [["missing", "float64[1]", "-"]],
    ]


def size_of(url):
    image = pytest.importorskip("PIL.Image")
    assert url.startswith("data:image/")
    with image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))) as picture:
        return picture.size


def png(width, height):
    image = pytest.importorskip("PIL.Image")
    stream = io.BytesIO()
    image.new("RGB", (width, height), "red").save(stream, "PNG")
    return stream.getvalue()


PICTURES = {
    "colour": ("x", np.zeros((4, 16, 12, 3), "u1"), (12, 16)),
    "shades from 0 to 1": ("x", np.full((4, 16, 12, 1), 0.5, "f4"), (12, 16)),
    "shades from 0 to 255": ("x", np.full((4, 16, 12, 1), 200, "f4"), (12, 16)),
    "a flat row that is called so": ("images", np.zeros((4, 784), "f4"), (28, 28)),
    "a large one": ("x", np.zeros((4, 1024, 512, 3), "u1"), (128, 256)),
    "a file": ("x", np.array([b"", b"", b"", png(20, 10)], object), (20, 10)),
    "another flat row": ("embedding", np.zeros((4, 784), "f4"), None),
    "negative numbers": ("x", np.full((4, 16, 12, 1), -0.5, "f4"), None),
    "too narrow": ("x", np.zeros((4, 16, 4, 3), "u1"), None),
    "a damaged file": ("x", np.array([b"", b"", b"", png(20, 10)[:40]], object), None),
    "text": ("x", np.array([b"", b"", b"", b"GIF? no"], object), None),
}


@pytest.mark.parametrize(("name", "array", "size"), PICTURES.values(), ids=PICTURES)
def test_inputs_that_are_pictures_are_shown_as_such(name, array, size):
    pytest.importorskip("PIL")
    signature = Signature("s", {name: TensorSpec("float32", (None,) * array.ndim)}, {"y": BATCH})
    [worst] = output(
        {"y": np.zeros((4, 1))},
        {"y": np.array([[0], [0], [0], [1.0]])},
        {name: array},
        signature=signature,
        pictures=True,
    )["details"][0]["worst"]
    picture = worst["inputs"][0]["picture"]
    assert picture is None if size is None else size_of(picture) == size


def test_outputs_that_are_pictures_are_shown_beside_each_other():
    pytest.importorskip("PIL")
    expected, served = np.zeros((2, 8, 9, 1), "f4"), np.zeros((2, 8, 9, 1), "f4")
    served[1, 3, 4] = 1
    signature = Signature("s", {}, {"y": TensorSpec("float32", (None, 8, 9, 1))})
    [worst] = output({"y": expected}, {"y": served}, signature=signature, pictures=True)["details"][0]["worst"]
    assert {name: size_of(url) for name, url in worst["pictures"].items()} == dict.fromkeys(
        ("expected", "served", "difference"), (9, 8)
    )


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 1e-310, 1e308])
def test_pictures_of_values_that_are_no_shades_are_shown_without_a_warning(wrong):
    pytest.importorskip("PIL")
    expected, served = np.zeros((8, 9, 1)), np.zeros((8, 9, 1))
    served[3, 4] = wrong
    assert set(pictures_of(expected, served, grey=False)) == {"expected", "served", "difference"}


def test_encoded_pictures_in_outputs_are_shown_too():
    image = pytest.importorskip("PIL.Image")
    files = []
    for shade in (0, 255):
        stream = io.BytesIO()
        image.new("L", (9, 8), shade).save(stream, "PNG")
        files.append(np.array([stream.getvalue()], dtype=object))
    signature = Signature("s", {}, {"y": TensorSpec("string", (None,))})
    [worst] = output({"y": files[0]}, {"y": files[1]}, signature=signature, pictures=True)["details"][0]["worst"]
    assert {name: size_of(url) for name, url in worst["pictures"].items()} == {"expected": (9, 8), "served": (9, 8)}


def test_long_strings_that_differ_have_labels_that_differ():
    sides = [{"y": np.array([b"\x89PNG" + bytes(200) + end], dtype=object)} for end in (b"a", b"b")]
    [[golden, answer, count]] = output(*sides)["classes"]["pairs"]
    assert golden != answer and count == 1
    assert len(golden) < 80


def test_no_more_than_four_entries_of_a_case_are_drawn():
    pytest.importorskip("PIL")
    signature = Signature("s", {"x": TensorSpec("uint8", (None, 8, 8, 3))}, {"y": BATCH})
    inputs = {"x": np.zeros((9, 8, 8, 3), "u1")}
    worst = output({"y": np.zeros((9, 1))}, {"y": np.ones((9, 1))}, inputs, signature=signature, pictures=True)
    drawn = [value["inputs"][0]["picture"] is not None for value in worst["details"][0]["worst"]]
    assert drawn == [True] * 4 + [False] * 5


def test_totals_of_many_cases_keep_the_worst_whatever_the_order():
    def total(order):
        totals = Totals()
        for number in order:
            totals.append(evidence(y(0.0, dtype="f8"), y(float(number), dtype="f8"), case=f"c{number}"))
        [only] = totals
        [found] = only["outputs"]
        return found

    several = 3 * MOST_DETAILS
    found, other = total(range(several)), total(reversed(range(several)))
    assert sorted(found["cases"]) == sorted(other["cases"])
    assert len(found["moved"]) == several - 1  # 0 is as recorded
    assert len(found["details"]) <= 2 * MOST_DETAILS
    worst = {f"goldens/g.json [c{number}]" for number in range(several - MOST_DETAILS, several)}
    for totals in (found, other):
        assert worst <= {detail["case"] for detail in totals["details"]}
        assert totals["errors"]["sum"] == sum(range(several))
        assert totals["rules"]["rtol=1e-05 atol=1e-08"]["ways"] == {"atol": "300"}
    assert is_plain(found)


def test_totals_keep_transports_signatures_and_baselines_apart():
    totals = Totals()
    totals.append(evidence(y(1), y(1)))
    totals.append(evidence(y(1), y(1), transport="rest"))
    totals.append(evidence(y(1), y(1), baseline="exports/1"))
    totals.append(evidence(y(1), y(1), case="b"))
    assert [only["outputs"][0]["compared"] for only in totals] == [2, 1, 1]


def test_a_way_that_would_not_let_every_case_pass_is_none():
    totals = Totals()
    totals.append(evidence(y(1.0), y(2.0)))
    totals.append(evidence(y(0.0), y(2.0)))  # of 0 every relative limit is 0
    assert totals[0]["outputs"][0]["rules"]["rtol=1e-05 atol=1e-08"]["ways"] == {"atol": "3"}
    totals = Totals()
    for case, least in (([[1, 0]], [[1, 1]]), ([[1, 0]], [[0, 1]])):
        rules = {"y": OutputRule(cosine=0.9)}
        totals.append(evidence({"y": np.array(case, "f8")}, {"y": np.array(least, "f8")}, rules=rules))
    [ways] = [rule["ways"] for rule in totals[0]["outputs"][0]["rules"].values()]
    assert float(ways["cosine"]) <= 0


def test_a_rule_over_all_cases_that_is_broken_shows_the_rows_that_changed():
    pooled = pytest.importorskip("pytest_tfserving.golden.overall")
    rules = {"y": OutputRule(argmax=True, differing=0.25)}
    totals, judge = Totals(), pooled.Pooled(rules, Tolerance())
    for case, scores in (("a", [[1, 0], [0, 1]]), ("b", [[0, 1], [0.5, 0.4]])):
        expected, served = {"y": np.array([[1, 0], [1, 0]], "f8")}, {"y": np.array(scores, "f8")}
        judge.add(case, expected, served)
        totals.append(evidence(expected, served, {"x": np.arange(2.0)}, case=case, overall=rules))
    assert totals[0]["outputs"][0]["moved"] == []
    totals.add_overall(judge.comparison().differences)
    total = totals[0]["outputs"][0]
    assert sorted(total["moved"]) == ["a", "b"]
    [(asked, rule)] = total["rules"].items()
    assert (asked, rule["differing"], rule["total"]) == ("argmax over all cases, differing=0.25", 2, 4)
    worst = [(d["case"], w["at"], w["expected"], w["served"]) for d in total["details"] for w in d["worst"]]
    assert worst == [
        ("goldens/g.json [a]", [1], "0 (1.0)", "1 (1.0)"),
        ("goldens/g.json [b]", [0], "0 (1.0)", "1 (1.0)"),
    ]
    assert is_plain(list(totals))


def test_values_without_a_distance_are_the_worst():
    worst = output(y(1, 2, 3), y(1.5, np.nan, 3))["details"][0]["worst"]
    assert [(value["at"], value["error"]) for value in worst] == [([1], None), ([0], 0.5)]
    assert all(not math.isnan(value["badness"]) for value in worst)
