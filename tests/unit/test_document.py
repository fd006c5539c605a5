"""The report document: what a run's evidence comes to, by numbers worked out by hand"""

import json
import math
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from pytest_tfserving.errors import SpecError
from pytest_tfserving.golden.check import Outcome
from pytest_tfserving.golden.compare import compare
from pytest_tfserving.golden.output_rule import OutputRule
from pytest_tfserving.golden.store import Case
from pytest_tfserving.golden.tolerance import Tolerance
from pytest_tfserving.report.document import build_document, write_json
from pytest_tfserving.report.evidence import evidence_of
from pytest_tfserving.report.junit import properties_of_suite, properties_of_test
from pytest_tfserving.report.moved import MovedOutputs
from pytest_tfserving.report.results import CheckResult, ItemResult
from pytest_tfserving.report.run_report import Line, RunReport, Targets
from pytest_tfserving.schema import Signature, TensorSpec

RUN = {
    "started": "2026-01-02T03:04:05+00:00",
    "seconds": 1.5,
    "command": "pytest",
    "exit_status": 1,
    "plugin": "0",
    "backends": {"embedded": "tensorflow 2.21.0"},
    "environment": {"backend": "embedded"},
}


def evidence(case, expected, served, transport="grpc", *, rules=None, baseline=None, made_by=None, inputs=None):
    expected, served = ({"y": np.asarray(value)} for value in (expected, served))
    tolerance = Tolerance(outputs=rules or {})
    outcome = Outcome(
        Case(case, Path("g.json"), case, None, {}, {}, made_by or {}),
        transport,
        Signature("s", {"x": TensorSpec("float32", (None,))}, {"y": TensorSpec("float32", (None,))}),
        {"x": np.asarray(inputs)} if inputs is not None else {},
        expected,
        served,
        compare(expected, served, tolerance),
        False,
    )
    return evidence_of(outcome, tolerance, {"backend": "embedded"} if made_by else {}, baseline)


def moved_of(*found, model="m"):
    moved = MovedOutputs()
    for number, (test, *evidences) in enumerate(found):
        moved.add(test, number, model, evidences)
    return moved.to_plain()


def test_numbers_of_several_cases_and_transports_are_put_together():
    cases = [
        ("a", [1.0, 2.0, 4.0], [1.0, 2.5, 4.0]),  # off by 0.5, a quarter
        ("b", [10.0, 20.0], [10.002, 20.0]),  # off by 0.002, 1 of 5,000
        ("c", [3.0], [3.0]),
    ]
    found = [
        (f"t[{case}-{transport}]", evidence(case, golden, answer, transport))
        for case, golden, answer in cases
        for transport in ("rest", "grpc")
    ]
    [entry] = moved_of(*found)
    scatter = entry.pop("scatter")
    assert sorted(zip(scatter["expected"], scatter["served"], strict=True)) == sorted(
        [(1, 1), (2, 2.5), (4, 4), (10, 10.002), (20, 20)]
    )
    worst = entry.pop("worst")
    assert entry == {
        "model": "m",
        "signature": "s",
        "output": "y",
        "dtype": "float64",
        "baseline": None,
        "transports": ["grpc", "rest"],
        "tests": ["t[a-rest]", "t[a-grpc]", "t[b-rest]", "t[b-grpc]"],
        "cases": 3,
        "moved_cases": 2,
        "rules": ["rtol=1e-05 atol=1e-08"],
        "would_pass": ["rtol=0.3", "atol=0.5"],  # what a needs: 0.25, and 0.5 less 2e-5
        "differing": 2,  # over each transport
        "total": 6,
        "unit": "values",
        "max_absolute": 0.5,
        "max_relative": 0.25,
        "mean_absolute": 0.0836667,  # (0.5 + 0.002) / 6
        "errors": {"lowest": -3, "counts": [1, 0, 1]},
        "confusion": None,
        "specs": [],
        "environment": [],
    }
    # Over both transports it is the same value; it is listed once.
    assert [(value["case"], value["at"], value["transport"]) for value in worst] == [
        ("g.json [a]", [1], "grpc"),
        ("g.json [b]", [0], "grpc"),
    ]


def test_of_transports_that_carry_the_same_cases_the_one_with_more_differences_is_counted():
    found = [
        ("t.py::t[1]", evidence("a", [1.0, 2.0], [1.0, 2.0], "grpc")),
        ("t.py::t[2]", evidence("a", [1.0, 2.0], [1.0, 3.0], "rest")),
        ("t.py::t[3]", evidence("b", [1.0], [1.0], "rest")),
    ]
    [entry] = moved_of(*found)
    assert (entry["differing"], entry["total"], entry["cases"], entry["transports"]) == (1, 3, 2, ["rest"])
    # Cases that one transport alone can carry are counted too, if not once each.
    [entry] = moved_of(*found, ("t.py::t[4]", evidence("c", [1.0], [2.0], "grpc")))
    assert (entry["differing"], entry["total"], entry["cases"], entry["moved_cases"]) == (2, 6, 3, 2)


def test_a_case_that_several_tests_compare_is_counted_once():
    golden, answer = [1.0, 2.0, 4.0, 8.0], [1.0, 2.5, 4.25, 8.0]
    strict, lax = (evidence("a", golden, answer, rules={"y": OutputRule(atol=atol)}) for atol in (0.1, 0.3))
    [entry] = moved_of(("t.py::lax[a-grpc]", lax), ("t.py::strict[a-grpc]", strict))
    assert (entry["differing"], entry["total"], entry["errors"]["counts"]) == (2, 4, [2])
    assert [(value["error"], value["test"]) for value in entry["worst"]] == [
        (0.5, "t.py::strict[a-grpc]"),
        (0.25, "t.py::strict[a-grpc]"),
    ]
    other = evidence("b", golden, golden)
    [entry] = moved_of(("t.py::lax[a-grpc]", lax), ("t.py::other[b-grpc]", other))
    assert (entry["differing"], entry["total"]) == (1, 8)


def test_the_order_in_which_workers_report_does_not_show():
    found = [
        (
            f"t[{n}]",
            evidence(f"c{n}", [1.0, 2.0], [1.0 + n / 8, np.nan if n == 3 else 2.0], made_by={"backend": "docker"}),
        )
        for n in range(6)
    ]
    moved = MovedOutputs()
    for number in (5, 0, 3, 2, 4, 1):
        moved.add(found[number][0], number, "m", [found[number][1]])
    assert json.dumps(moved.to_plain()) == json.dumps(moved_of(*found))


def test_outputs_models_and_baselines_are_kept_apart_the_worst_first():
    moved = MovedOutputs()
    moved.add("t1", 0, "small", [evidence("a", [1.0, 2.0, 3.0], [1.5, 2.0, 3.0])])
    moved.add("t2", 1, "large", [evidence("a", [1.0, 2.0, 3.0], [1.5, 2.5, 3.0])])
    moved.add("t3", 2, "large", [evidence("a", [1.0, 2.0], [1.5, 2.5], baseline="exports/1")])
    moved.add("t4", 3, "shape", [evidence("a", [1.0, 2.0], [1.0])])
    moved.add("t5", 4, "held", [evidence("a", [1.0], [1.0])])
    assert [(entry["model"], entry["baseline"], entry["differing"], entry["total"]) for entry in moved.to_plain()] == [
        ("shape", None, 0, 0),
        ("large", "exports/1", 2, 2),
        ("large", None, 2, 3),
        ("small", None, 1, 3),
    ]


def test_another_shape_is_said_with_the_first_test_that_shows_it():
    found = [(f"t{n}", evidence("a", np.zeros((2, 3), "f4"), np.zeros((3, 2), "f4"))) for n in range(2)]
    [entry] = moved_of(*found)
    assert entry["specs"] == [{"kind": "shape", "expected": "float32[2, 3]", "served": "float32[3, 2]", "test": "t0"}]
    assert (entry["max_absolute"], entry["errors"], entry["scatter"], entry["worst"]) == (None, None, None, [])


def test_classes_of_all_cases_make_a_matrix():
    rules = {"y": OutputRule(argmax=True)}
    held = evidence("a", [[1.0, 0, 0], [0, 0, 1]], [[1.0, 0, 0], [0, 0, 1]], rules=rules)
    wrong = evidence("b", [[1.0, 0, 0], [0, 0, 1]], [[0, 1.0, 0], [0, 0, 1]], rules=rules)
    [entry] = moved_of(("t", held), ("u", wrong))
    assert entry["confusion"] == {"labels": ["0", "1", "2"], "counts": [[1, 1, 0], [0, 0, 0], [0, 0, 2]], "left_out": 0}
    assert (entry["differing"], entry["total"], entry["unit"]) == (1, 4, "rows")


def test_labels_that_are_numbers_are_in_the_order_of_numbers():
    strings = np.array([b"--5", b"10", b"-2", b"a"], object)
    [entry] = moved_of(("t", evidence("a", strings, strings[::-1])))
    assert entry["confusion"]["labels"] == ["-2", "--5", "a", "10"]


def test_of_many_classes_the_most_confused_are_shown():
    rules = {"y": OutputRule(argmax=True)}
    eye = np.eye(30)
    served = eye.copy()
    served[[3, 7]] = eye[[7, 3]]
    [entry] = moved_of(("t", evidence("a", eye, served, rules=rules)))
    confusion = entry["confusion"]
    assert len(confusion["labels"]) == 20 and {"3", "7"} <= set(confusion["labels"])
    assert confusion["labels"] == sorted(confusion["labels"], key=int)
    assert sum(map(sum, confusion["counts"])) == 20 and confusion["left_out"] == 10


def test_strings_of_many_values_make_no_matrix():
    def words(first, last=b"end"):
        return np.array([f"word{first + n}".encode() for n in range(30)] + [last], object)

    [entry] = moved_of(("t", evidence("a", words(0), words(0, b"other"))), ("u", evidence("b", words(30), words(30))))
    assert entry["confusion"] is None  # 62 words of two cases, each of which has few


def test_what_would_pass_lets_every_case_pass():
    rules = {"y": OutputRule(atol=0.01, rtol=0.0)}
    found = [("t", evidence("a", [1.0], [1.25], rules=rules)), ("u", evidence("b", [0.0], [0.125], rules=rules))]
    [entry] = moved_of(*found)
    assert entry["would_pass"] == ["atol=0.3"]  # no relative limit lets 0.125 be near 0


def test_nothing_would_pass_where_a_rule_or_a_shape_lets_nothing_pass():
    near = evidence("a", [1.0], [1.5])
    lost = evidence("b", [1.0], [np.nan], rules={"y": OutputRule(rtol=0.5)})
    assert moved_of(("t", near))[0]["would_pass"]
    assert moved_of(("t", near), ("u", lost))[0]["would_pass"] == []
    assert moved_of(("t", near), ("u", evidence("b", [1.0], [1.0, 2.0])))[0]["would_pass"] == []


def test_the_worst_values_are_of_several_cases_before_they_are_all_of_one():
    found = [
        ("t", evidence("all", np.zeros(20), np.full(20, 9.0))),
        *((f"t{n}", evidence(f"c{n}", [0.0], [1.0 + n])) for n in range(5)),
    ]
    [entry] = moved_of(*found)
    assert [value["case"] for value in entry["worst"]] == ["g.json [all]"] * 5 + [
        f"g.json [c{n}]" for n in range(4, -1, -1)
    ]
    assert [value["error"] for value in entry["worst"]] == [9.0] * 5 + [5.0, 4.0, 3.0, 2.0, 1.0]


def test_points_of_many_cases_are_bounded():
    rng = np.random.default_rng(0)
    found = [(f"t{n}", evidence(f"c{n}", rng.normal(size=500), rng.normal(size=500))) for n in range(20)]
    [entry] = moved_of(*found)
    assert len(entry["scatter"]["expected"]) == len(entry["scatter"]["served"]) == 400


def check(kind, model, status, text="", found=()):
    return CheckResult(kind, model, "about", "grpc", status, text, found)


ITEMS = [
    ItemResult("t.py::a", "passed", 0.5, "", (check("signature", "m", "held"), check("golden", "m", "held"))),
    ItemResult("t.py::b", "failed", 0.25, "differs", (check("golden", "m", "failed", "differs"),)),
    ItemResult("t.py::c", "passed", 0.25, "", (check("golden", "k", "recorded"), check("golden", "", "held"))),
    ItemResult("t.py::d", "error", 0.25, "no server", ()),
    ItemResult("t.py::e", "skipped", 0.0, "why", ()),
]


def test_tests_and_checks_are_counted():
    document = build_document(ITEMS, [], RUN, {"unused": ["g.json"]})
    assert document["run"]["counts"] == {"passed": 2, "failed": 1, "skipped": 1, "error": 1}
    assert document["run"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert document["models"] == [
        {"name": "k", "checks": [{"kind": "golden", "held": 0, "failed": 0, "recorded": 1}]},
        {
            "name": "m",
            "checks": [
                {"kind": "golden", "held": 1, "failed": 1, "recorded": 0},
                {"kind": "signature", "held": 1, "failed": 0, "recorded": 0},
            ],
        },
    ]
    assert [test["id"] for test in document["tests"]] == ["t.py::a", "t.py::b", "t.py::c", "t.py::d", "t.py::e"]
    assert document["tests"][1] == {
        "id": "t.py::b",
        "outcome": "failed",
        "seconds": 0.25,
        "text": "differs",
        "checks": [
            {
                "kind": "golden", "model": "m", "about": "about", "transport": "grpc", "status": "failed",
                "text": "differs",
            }
        ],
    }  # fmt: skip
    assert document["goldens"] == {"recorded": {}, "unchanged": {}, "refused": [], "unused": ["g.json"]}


def test_json_has_no_pictures_and_no_number_that_is_none(tmp_path):
    picture = "data:image/png;base64,AAAA"
    worst = {"inputs": [{"name": "x", "picture": picture}], "pictures": {"expected": picture}, "error": math.nan}
    moved = [{"worst": [worst], "max_absolute": math.inf, "scatter": {"expected": [1.0], "served": [2.0]}}]
    document = build_document(ITEMS, moved, RUN, {})
    assert document["moved"][0]["max_absolute"] is None
    assert document["moved"][0]["worst"][0]["pictures"] == {"expected": picture}
    write_json(document, tmp_path / "new" / "folder" / "out.json")
    text = (tmp_path / "new" / "folder" / "out.json").read_text(encoding="utf-8")
    assert picture not in text
    written = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert written["moved"][0]["worst"][0] == {
        "inputs": [{"name": "x", "picture": None}], "pictures": None, "error": None,
    }  # fmt: skip


def test_json_holds_whatever_a_file_was_called(tmp_path):
    item = ItemResult("t\udcff\x00.py::a", "failed", 0.0, "\u2028 \ud800", ())
    write_json(build_document([item], [], RUN, {}), tmp_path / "out.json")
    [test] = json.loads((tmp_path / "out.json").read_bytes())["tests"]
    assert (test["id"], test["text"]) == (item.id, item.text)


MEASURED = {
    "first": 12_000_000,
    "answered": 3,
    "sent": 4,
    "seconds": 1.5,
    "percentiles": {"p50": 2_000_000, "p90": 3_000_000, "p99": 3_000_000, "max": 3_000_000},
    "histogram": {"edges": (1000.0, 1260.0, 3980.0), "counts": (1, 2), "unit": "us"},
    "errors": {"UNAVAILABLE": 1},
    "before": {"warmups": 3, "asked": None},
}
PLAIN = {
    "first_call": 0.012,
    "warmup_requests": 3,
    "asked_before": None,
    "percentiles": {"p50": 0.002, "p90": 0.003, "p99": 0.003, "max": 0.003},
    "sent": 4,
    "answered": 3,
    "errors": {"UNAVAILABLE": 1},
    "throughput": 2.0,
    "histogram": {"edges": [0.001, 0.00126, 0.00398], "counts": [1, 2]},
}
LATENCY = {
    "transport": "rest",
    "signature": "s",
    "requests": "3 golden cases",
    "concurrency": 2,
    "rate": None,
    "against": "",
    "budget": [
        {"what": "p50", "limit": 5_000_000, "measured": 2_000_000, "standing": "held"},
        {"what": "throughput", "limit": 1.5, "measured": 2.0, "standing": "held"},
    ],
    "measured": MEASURED,
    "baseline": None,
    "ratios": {},
}


def test_latencies_are_in_seconds():
    held = check("latency", "m", "held")._replace(latency=LATENCY)
    none = {**MEASURED, "answered": 0, "percentiles": {}, "histogram": None}
    ratio = {"value": 1.2, "low": 1.1, "high": math.inf}
    row = {"what": "p50 ratio", "limit": 1.1, "measured": 1.2, "standing": "failed"}
    compared = {**LATENCY, "measured": none, "against": "exports/1", "baseline": MEASURED}
    compared |= {"ratios": {"p50": ratio}, "budget": [row]}
    failed = check("latency", "m", "failed")._replace(latency=compared)
    items = [ItemResult("a", "passed", 0.5, "", (held, check("golden", "m", "held")))]
    items += [ItemResult("b", "failed", 0.5, "", (failed,))]
    first, second = build_document(items, [], RUN, {})["latencies"]
    assert first == {
        "test": "a",
        "model": "m",
        "signature": "s",
        "transport": "rest",
        "status": "held",
        "requests": "3 golden cases",
        "concurrency": 2,
        "rate": None,
        "measured": PLAIN,
        "against": None,
        "baseline": None,
        "ratios": {},
        "budget": [
            {"what": "p50", "limit": 0.005, "measured": 0.002, "standing": "held"},
            {"what": "throughput", "limit": 1.5, "measured": 2.0, "standing": "held"},
        ],
    }
    assert second["measured"] == {**PLAIN, "answered": 0, "percentiles": {}, "throughput": 0.0, "histogram": None}
    assert (second["test"], second["status"], second["against"]) == ("b", "failed", "exports/1")
    assert (second["baseline"], second["ratios"], second["budget"]) == (PLAIN, {"p50": {**ratio, "high": None}}, [row])


def run_report(tmp_path, **targets):
    return RunReport(
        Targets(**{"page": None, "json": tmp_path / "out.json", "step_summary": None, **targets}), "pytest"
    )


def written(report, tmp_path, **goldens):
    lines = report.write(1, {}, {}, goldens)
    return lines, json.loads((tmp_path / "out.json").read_text())


def test_tests_are_in_the_order_of_their_collection(tmp_path):
    report = run_report(tmp_path)
    for number in (2, 0, 1):
        report.add(ItemResult(f"t{number}", "passed", 0.0, "", ()), number)
    report.add_error("broken.py", "ImportError")
    assert [test["id"] for test in written(report, tmp_path)[1]["tests"]] == ["broken.py", "t0", "t1", "t2"]


def test_a_failure_at_the_end_of_a_test_is_added_to_it(tmp_path):
    report = run_report(tmp_path)
    report.add(ItemResult("t", "passed", 0.5, "", (check("golden", "m", "held"),)), None)
    report.add(ItemResult("t", "error", 0.1, "teardown", ()), None)
    [test] = written(report, tmp_path)[1]["tests"]
    assert (test["outcome"], test["seconds"], test["text"], len(test["checks"])) == ("error", 0.5, "teardown", 1)
    report.add(ItemResult("f", "failed", 0.5, "call", ()), None)
    report.add(ItemResult("f", "error", 0.1, "teardown", ()), None)
    _, test = written(report, tmp_path)[1]["tests"]
    assert (test["outcome"], test["text"]) == ("failed", "call\n\nteardown")


def test_one_report_that_cannot_be_written_takes_no_other_with_it(tmp_path):
    (tmp_path / "blocked").write_text("a file")
    summary = tmp_path / "summary.md"
    report = run_report(tmp_path, page=tmp_path / "blocked" / "out.html", step_summary=summary)
    report.add(ITEMS[0], None)
    lines, document = written(report, tmp_path)
    assert [line.colour for line in lines] == ["", "red"]
    assert lines[0].text.startswith("wrote ") and "could not write" in lines[1].text
    assert document["tests"] and summary.read_text()


def test_a_fault_in_a_report_does_not_take_the_run_with_it(tmp_path):
    report = run_report(tmp_path, step_summary=tmp_path / "summary.md")
    evidence = {"signature": "s", "transport": "grpc", "baseline": None, "outputs": [{"output": "y", "moved": ["a"]}]}
    evidence["outputs"][0] |= {"details": [], "specs": []}  # what else an output has is not there
    report.add(ItemResult("t", "failed", 0.0, "", (check("golden", "m", "failed", "", (evidence,)),)), None)
    lines = report.write(1, {}, {}, {})
    assert [line.colour for line in lines] == ["red", "yellow"]
    assert "could not make" in lines[0].text and "summary.md" in lines[1].text


def test_a_summary_of_the_step_that_cannot_be_written_is_no_failure(tmp_path):
    report = run_report(tmp_path, step_summary=tmp_path)
    report.add(ITEMS[0], None)
    lines, _ = written(report, tmp_path)
    assert [line.colour for line in lines] == ["", "yellow"]
    assert not any(line.failed for line in lines)
    assert isinstance(lines[0], Line)


TARGETS = {
    "a directory": (
        "folder",
        None,
        r"--tfserving-report: .*folder is a directory; give a file in it, such as .*\.html",
    ),
    "below a file": (
        None,
        "file/out.json",
        "--tfserving-json: .* cannot be written: .*file is a file, not a directory",
    ),
    "a pipe": ("pipe", None, "--tfserving-report: .*pipe is no regular file"),
    "a name that is too long": (None, "x" * 300, "--tfserving-json: x+ cannot be written: File name too long"),
    "an unknown home": (None, "~no-such-user/x", "--tfserving-json: ~no-such-user/x cannot be written: .*home"),
    "one for both": ("new/out", "new/../new/out", "--tfserving-report and --tfserving-json name the same file"),
    "the same": ("out", "out", "--tfserving-report and --tfserving-json name the same file"),
}


@pytest.mark.parametrize(("page", "json_file", "message"), TARGETS.values(), ids=TARGETS)
def test_a_target_that_must_fail_is_refused_before_the_run(tmp_path, monkeypatch, page, json_file, message):
    monkeypatch.setattr("pytest_tfserving.report.run_report.find_spec", lambda name: object())
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SpecError, match=message):
        Targets.of(page, json_file, None, tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_must_not_be_written_in_is_refused_before_the_run(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(SpecError, match=r"no right to write in .*locked"):
        Targets.of(None, "locked/new/out.json", None, tmp_path)


def test_a_page_needs_what_makes_it(tmp_path, monkeypatch):
    monkeypatch.setattr("pytest_tfserving.report.run_report.find_spec", lambda name: None if name == "jinja2" else 1)
    with pytest.raises(SpecError, match=r'needs jinja2: pip install "pytest-tfserving\[report\]"'):
        Targets.of("out.html", None, None, tmp_path)
    assert Targets.of(None, "out.json", "", tmp_path) == (None, tmp_path / "out.json", None)


def test_junit_properties_of_a_test_name_each_thing_once():
    results = [check("signature", "m", "held"), check("golden", "m", "held"), check("golden", "m", "failed")]
    assert properties_of_test(results, ["m", "other"], "embedded") == [
        ("tfserving_model", "m, other"),
        ("tfserving_check", "signature, golden"),
        ("tfserving_transport", "grpc"),
        ("tfserving_backend", "embedded"),
    ]
    assert properties_of_test([], ["m"], None) == [("tfserving_model", "m")]
    assert properties_of_suite({"b", "a"}, {"embedded (docker: no engine)": "tensorflow 2.21.0"}) == [
        ("tfserving_model", "a, b"),
        ("tfserving_backend", "embedded (docker: no engine)"),
        ("tfserving_software", "tensorflow 2.21.0"),
    ]
