"""The run in Markdown, for GitHub's page of a job"""

import re

import pytest

from pytest_tfserving.report.document import build_document
from pytest_tfserving.report.results import CheckResult, ItemResult
from pytest_tfserving.report.step_summary import MOST_BYTES, append_step_summary, escaped, step_summary
from tests.unit.documents import latency, unanswered

RUN = {"started": "", "seconds": 1.0, "command": "pytest", "exit_status": 1, "plugin": "0", "environment": {}}
BACKENDS = {"embedded": "tensorflow 2.21.0"}


def document(items, moved=(), exit_status=1, backends=BACKENDS):
    return build_document(items, list(moved), {**RUN, "exit_status": exit_status, "backends": backends}, {})


def passed(name="t", model="m"):
    return ItemResult(name, "passed", 0.0, "", (CheckResult("golden", model, "g", "grpc", "held"),))


def failed(name="t", text="differs", outcome="failed"):
    return ItemResult(name, outcome, 0.0, text, (CheckResult("golden", "m", "g", "grpc", "failed", text),))


def moved(**changes):
    return {
        "model": "m", "signature": "s", "output": "y", "baseline": None, "differing": 4, "total": 12, "unit": "values",
        "cases": 3, "moved_cases": 2, "max_absolute": 0.5, "max_relative": 0.25, "would_pass": ["rtol=0.3"],
        "rules": ["rtol=1e-05 atol=1e-08"], "specs": [], "worst": [], **changes,
    }  # fmt: skip


def shown(markdown):
    """What a reader sees of the entities."""
    return re.sub(r"&#(\d+);", lambda match: chr(int(match[1])), markdown)


def test_a_run_that_failed():
    text = step_summary(document([passed("a"), failed("b.py::t[x]")], [moved()]))
    assert shown(text).strip() == (
        """\
### ❌ Served models: 1 of 2 tests failed

Served by embedded: tensorflow 2.21.0.

| model | check | held | failed | recorded |
| --- | --- | ---: | ---: | ---: |
| m | golden | 1 | **1** | 0 |

#### What moved

| model | output | differing | max abs error | max rel error | would have passed with |
| --- | --- | --- | ---: | ---: | --- |
| m | y (s) | 4 of 12 values in 2 of 3 cases | 0.5 | 0.25 | rtol=0.3 |

<details><summary>b.py::t[x]</summary>

```text
differs
```

</details>"""
    )


@pytest.mark.parametrize(
    ("rules", "ways", "words"),
    [
        (1, ["rtol=0.3", "atol=0.1"], "rtol=0.3 or atol=0.1"),
        (2, ["differing=0.6", "rtol=0.3"], "differing=0.6, rtol=0.3, each for its rule"),
        (2, [], "-"),
    ],
)
def test_what_would_have_passed_is_said_by_rule(rules, ways, words):
    entry = moved(rules=["a", "b"][:rules], would_pass=ways)
    assert f"| 0.25 | {words} |" in shown(step_summary(document([failed()], [entry])))


@pytest.mark.parametrize(
    ("items", "exit_status", "head"),
    [
        ([passed("a"), passed("b")], 0, "### ✅ Served models: 2 tests passed"),
        ([passed("a"), ItemResult("b", "skipped", 0, "", ())], 0, "### ✅ Served models: 1 test passed, 1 skipped"),
        ([passed("a"), failed("b", outcome="error")], 1, "### ❌ Served models: 1 of 2 tests failed"),
        ([passed("a")], 2, "### ❌ Served models: 1 test passed"),
        ([], 5, "### ✅ Served models: 0 tests passed"),
    ],
)
def test_the_verdict(items, exit_status, head):
    text = step_summary(document(items, exit_status=exit_status))
    assert text.strip().splitlines()[0] == head
    assert ("interrupted" in text) is (exit_status == 2)


HOSTILE = "a|b\n# c `d` <img src=x> *e* [f](http://g) &amp; $h$ @i \u202e \x1b[31m </details> www.x.y"


def test_latencies():
    found = document([failed()]) | {"latencies": [latency(), latency("m|n", against="exports/1", status="failed")]}
    rows = [line for line in shown(step_summary(found)).split("#### Latency")[1].splitlines() if line.startswith("| ")]
    assert rows == [
        "| model | over | p50 | p90 | p99 | max | first call | answers | ratio | budget |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- | --- |",
        "| m|n | grpc, 4 clients | 0.667 ms | 1.3 ms | 1.94 ms | 2.49 ms | 18.6 ms (no warm-up) | 1,256 /s "
        "| p50 1.62 (1.58 to 1.71) times exports/1, p99 1.4 (0.9 to 2.1) times exports/1 "
        "| p99 ≤ 5 ms, **p50 ratio ≤ 1.5: too long**, p99 ratio ≤ 1.5: cannot be told |",
        "| half_plus_two | grpc, 4 clients | 0.412 ms | 0.8 ms | 1.2 ms | 1.54 ms | 18.6 ms (12 warm-up requests) "
        "| 2,034 /s | - | p99 ≤ 5 ms |",
    ]
    text = step_summary(found | {"latencies": [unanswered()] * 60})
    assert "... and 40 more latencies." in text and "| - | - | - | - | 18.6 ms (12 warm-up requests) | 0 /s |" in text


def test_no_text_is_markup():
    text = escaped(HOSTILE)
    assert not re.search(r"[^&#;,/ \-A-Za-z0-9\\]", text)
    assert "\n" not in text and "://" not in text and "www." not in text
    assert shown(text) == HOSTILE.replace("\n", r"\n").replace("\u202e", r"\u202e").replace("\x1b", r"\x1b")


def test_hostile_names_break_no_table():
    items = [ItemResult(HOSTILE, "failed", 0, HOSTILE, (CheckResult("golden", HOSTILE, "g", None, "failed"),))]
    text = step_summary(
        document(items, [moved(model=HOSTILE, output=HOSTILE, baseline=HOSTILE)], backends={HOSTILE: HOSTILE})
    )
    rows = [line.count("|") for line in text.splitlines() if line.startswith("| ")]
    assert rows == [6, 6, 6, 7, 7, 7]


def test_a_fence_ends_where_it_should():
    text = step_summary(document([failed(text="before\n```\n````\nafter")]))
    assert "\n`````text\nbefore\n```\n````\nafter\n`````\n" in text


def test_a_long_name_is_cut():
    assert len(escaped("x" * 10_000)) < 300


def test_no_more_than_twenty_outputs_are_listed():
    text = step_summary(document([failed()], [moved(output=f"out{n}") for n in range(60)]))
    assert text.count("| m | out") == 20
    assert "... and 40 more outputs." in text


def test_another_shape_and_a_whole_answer_and_a_baseline():
    spec = {"kind": "shape", "expected": "float32[2]", "served": "float32[3]", "test": "t"}
    entries = [
        moved(specs=[spec], differing=0, total=0, would_pass=[]),
        moved(unit="answer", differing=1, total=2, baseline="exports/1", max_absolute=None),
    ]
    text = shown(step_summary(document([failed()], entries)))
    assert "| y (s) | shape: float32[2] → float32[3] in 2 of 3 cases | 0.5 | 0.25 | - |" in text
    assert "| y (s) against exports/1 | 1 of 2 answers in 2 of 3 cases | - | 0.25 | rtol=0.3 |" in text


def test_what_has_no_room_is_left_out_and_that_is_said():
    items = [failed(f"test_{n}", "é" * 9_000) for n in range(100)]
    text = step_summary(document(items))
    assert len(text.encode()) <= MOST_BYTES // 2
    kept = text.count("<details>")
    assert 20 < kept < 100
    assert f"{100 - kept} more failed tests are left out here; the log has them." in text


def test_one_long_failure_is_cut():
    text = step_summary(document([failed(text="x" * 1_000_000)]))
    assert "... (cut)" in text and len(text) < 20_000


@pytest.mark.parametrize("most", [0, 60, 200, 400])
def test_where_there_is_hardly_room_there_is_the_verdict_or_nothing(most):
    text = step_summary(document([failed(f"test_{n}") for n in range(9)], [moved()] * 9), most)
    assert len(text.encode()) <= most
    assert text == "" or "9 of 9 tests failed" in text


def test_it_is_appended(tmp_path):
    file = tmp_path / "summary.md"
    append_step_summary(document([passed()]), file)
    file.write_text("# Another tool\nhas no line end")
    append_step_summary(document([passed()], exit_status=0), file)
    append_step_summary(document([failed()]), file)
    text = file.read_text()
    assert text.startswith("# Another tool\nhas no line end\n\n### ✅")
    assert text.index("✅") < text.index("\n\n### ❌")


def test_a_summary_that_others_have_filled_stays_below_the_limit(tmp_path):
    file = tmp_path / "summary.md"
    file.write_text("x" * (MOST_BYTES - 3000))
    append_step_summary(document([failed(f"test_{n}", "y" * 9000) for n in range(50)]), file)
    size = file.stat().st_size
    assert MOST_BYTES - 3000 < size < MOST_BYTES
    assert "50 more failed tests are left out here" in file.read_text()
