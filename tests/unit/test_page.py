"""The page of --tfserving-report: whole HTML, whatever the document says; test_report_in_chromium.py looks at it."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from pytest_tfserving.report.page import words
from pytest_tfserving.report.page.html import render
from pytest_tfserving.report.page.moved import MOST_FIGURES, MOST_PICTURES
from tests.conftest import ROOT
from tests.unit.documents import NASTY, TEST, everything, huge, item, latency, tiny, unanswered

VOID = {"meta", "link", "img", "input", "br", "col", "hr"}


class Page(HTMLParser):
    """What a parser finds: elements that were not closed in order, ids, links, loads, text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.ids: Counter[str] = Counter()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self.pieces: list[str] = []
        self.feed(html)
        self.close()
        self.text = "".join(self.pieces)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags[tag] += 1
        self.attributes |= set(given)
        if tag not in VOID:
            self.open.append(tag)
        if "id" in given:
            self.ids[given["id"]] += 1
        if tag == "a":
            self.links.append(given["href"])
        self.loads += [given[name] for name in ("src", "href", "data", "action") if name in given and tag != "a"]

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        self.pieces += [" "] if tag in ("td", "th", "dt", "dd", "div") else []
        if not self.open or self.open[-1] != tag:
            self.wrong.append(f"</{tag}> in {self.open[-3:]}")
        else:
            self.open.pop()

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("style", "script"):
            self.pieces.append(data)

    @property
    def words(self) -> str:
        return " ".join(self.text.split())


@pytest.fixture(scope="module")
def full() -> Page:
    return Page(render(everything()))


@pytest.mark.parametrize("document", [everything, tiny, huge])
def test_structure(document):
    page = Page(render(document()))
    assert page.wrong == [] and page.open == []
    assert [anchor for anchor, times in page.ids.items() if times > 1] == []
    assert [link for link in page.links if unquote(link.removeprefix("#")) not in page.ids] == []
    assert all(load.startswith(("data:", "#")) for load in page.loads)
    assert page.tags["script"] == 1 and page.tags["h1"] == 1 and page.tags["svg"] <= MOST_FIGURES
    assert not any(name.startswith("on") for name in page.attributes)


@pytest.mark.parametrize("document", [everything, tiny])
def test_equal_documents_give_equal_pages(document):
    assert render(document()) == render(document())


def test_what_is_in_it(full):
    for text in (
        "4 of 42 tests failed",
        "4 outputs are not what was recorded or what another version answers: scores of mnist, thumbnail_bytes of image_bytes,",
        "Would have passed with rtol=0.3 or atol=0.04.",
        "380 of 396 stay what they were, on the diagonal. Most often: 12 times 4 became 9, 3 times 9 became 4",
        "3,820 values not equal; most of them, 2,400, are off by 1e-5 to 0.0001.",
        "dtype float64[2] float32[2]",
        "embedding of keras_export, against exports/1",
        "tensorflow 2.19.1 2.21.0",
        "mnist 2 2 of 11 failed",
        "the server ended with status 1 log: no such file",
        "goldens/mnist/new.json 1 2",
        "8 answers are as they were",
        "goldens/old.json",
        "pytest example_models --tfserving-report report.html",
        "22 November 2025, 22:10 UTC, took 12.3 s",
        "mnist gRPC, 4 clients 0.667 ms 1.3 ms 1.94 ms 2.49 ms 18.6 ms no warm-up 1,256 /s p50 1.62 (1.58 to 1.71) p99 1.4 (0.9 to 2.1)",
        "p99 ≤ 5 ms p50 ratio ≤ 1.5: too long p99 ratio ≤ 1.5: cannot be told against exports/1 0.412 ms",
        f"half_plus_two REST, 50 a second {4 * (words.NOTHING + ' ')}18.6 ms 12 warm-up requests 0 /s 3 failed {words.NOTHING} ≤ 0 failing",
        "500 answers, 0.162 ms to 2.57 ms. The line is exports/1.",
    ):
        assert text in full.words
    assert full.tags["img"] == 8  # an input once a case, and three pictures of one output
    assert full.tags["svg"] == 4 + 2  # of latencies, those of which anything was answered


def test_what_is_not_in_a_page_of_nothing_much():
    page = Page(render(tiny()))
    assert "The test passed" in page.text and "1 model answers as it should" in page.words
    assert not {"moved", "latency", "goldens"} & set(page.ids) and page.tags["svg"] == 0


def test_models_of_which_nothing_held_are_not_said_to_answer_as_they_should():
    document = tiny()
    document["models"][0]["checks"] = [{"kind": "golden", "held": 0, "failed": 0, "recorded": 2}]
    assert "as it should" not in Page(render(document)).words


def test_every_test_has_an_anchor(full):
    for test in everything()["tests"]:
        assert full.ids[words.one_line(test["id"])] == 1


@pytest.mark.parametrize(
    ("ids", "anchors"),
    [
        (["a.py::t", "a.py::t"], ["a.py::t", "a.py::t~2"]),  # run again by another plugin
        (["moved", "latency"], ["moved~2", "latency~2"]),  # as the page's own
        (["a.py::t[a\nb]", "a.py::t[\u202e]"], ["a.py::t[a\\nb]", "a.py::t[\\u202e]"]),
    ],
)
def test_anchors(ids, anchors):
    document = everything() | {"tests": [item(node) for node in ids]}
    page = Page(render(document))
    assert all(page.ids[anchor] == 1 for anchor in anchors)


def test_text_of_others_stays_text():
    html = render(poisoned(everything()))
    page = Page(html)
    assert page.wrong == [] and page.open == []
    assert page.tags["script"] == 1 and "alert(1)" not in re.search("<script>(.*?)</script>", html, re.DOTALL)[1]
    assert not any(name.startswith("on") for name in page.attributes)
    assert all(load.startswith(("data:", "#")) for load in page.loads)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", html)
    assert "{{ 7 * 7 }}" in page.text and "\\u202egnp.exe\\x00\\ud800" in page.text
    html.encode()


def poisoned(value):
    """The document with all text of others made nasty."""
    kept = {"kind", "outcome", "status", "unit", "picture", "pictures"}
    if isinstance(value, dict):
        return {key: inner if key in kept else poisoned(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [poisoned(inner) for inner in value]
    return value + NASTY if isinstance(value, str) else value


def test_only_our_script_may_run_and_nothing_is_loaded():
    html = render(tiny())
    policy = re.search('http-equiv="Content-Security-Policy" content="([^"]*)"', html)[1]
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert re.search("script-src 'sha256-[^']+';", policy)


def test_figures_do_not_share_ids_or_colours():
    html = render(huge(tests=10, outputs=60, failed=2))
    svgs = re.findall("<svg.*?</svg>", html, re.DOTALL)
    assert 20 <= len(svgs) <= MOST_FIGURES
    for number, svg in enumerate(svgs, 1):
        assert set(re.findall(r'id="(figure-\d+)', svg)) <= {f"figure-{number}"}
        assert re.findall(r'href="#(figure-\d+)', svg).count(f"figure-{number}") == svg.count('href="#')
        assert "#0000" not in svg and "<style" not in svg and "metadata" not in svg
        assert re.search('role="img" aria-label="[^"]+"', svg)
    assert "drawn, in at most 30 figures; the others have tables" in Page(html).words


def test_values_that_are_all_equal_are_no_figure():
    document = everything()
    document["moved"] = [
        document["moved"][0] | {"errors": None, "scatter": {"expected": [1, 2, 3], "served": [1, 2, 3]}}
    ]
    assert "over expected" not in Page(render(document)).words


def test_values_stand_by_what_was_sent():
    document = everything()
    first, _, third = document["moved"][0]["worst"]
    third |= {"case": first["case"], "at": [7, 7], "inputs": [{**first["inputs"][0], "name": "images[7]"}]}
    groups = re.findall(
        "<tbody>.*?</tbody>", re.search('class="worst".*?</table>', render(document), re.DOTALL)[0], re.DOTALL
    )
    assert [group.count("<tr>") for group in groups] == [2, 1]
    assert "images[7]" in groups[1] and "[7, 7]" in groups[1]


def test_latencies_share_the_room_for_figures():
    """What moved comes first; of latencies, those that failed."""
    failed = latency("late", against="exports/1", status="failed")
    many = everything() | {"latencies": [*(latency(f"m{i}") for i in range(40)), failed]}
    html = render(many)
    assert html.count("<svg") == MOST_FIGURES
    section = re.search('<section id="latency">.*?</section>', html, re.DOTALL)[0]
    assert "late over gRPC" in re.search("<figure>.*?</figure>", section, re.DOTALL)[0]
    assert "26 distributions are drawn; a page has at most 30 figures" in Page(section).words
    alone = render(tiny() | {"latencies": [unanswered()]})
    assert "<svg" not in alone and "drawn" not in Page(alone).words


@pytest.mark.parametrize(
    ("edges", "ticks"),
    [
        ([1e-3, 1.26e-3], ["1 ms"]),
        ([3.98e-4, 2.51e-2], ["0.5 ms", "1 ms", "2 ms", "5 ms", "10 ms", "20 ms"]),
        ([1e-5, 1e-3], ["10 us", "30 us", "0.1 ms", "0.3 ms", "1 ms"]),
        ([1e-9, 100.0], ["1 ns", "100 ns", "10 us", "1 ms", "100 ms", "10 s"]),
    ],
)
def test_ticks_of_latencies(edges, ticks):
    document = tiny() | {"latencies": [latency()]}
    document["latencies"][0]["measured"]["histogram"] = {"edges": edges, "counts": [1]}
    figure = re.search("<svg.*?</svg>", render(document), re.DOTALL)[0]
    assert re.findall("<text[^>]*>([^<]* [mnu]?s)</text>", figure) == ticks


def test_sizes():
    assert all(len(render(huge(failed=failed)).encode()) < 3_000_000 for failed in (0, 300, 3000))


def test_a_long_failure_is_cut():
    page = Page(render(tiny() | {"tests": [item(TEST, "failed", text="long " * 100_000)]}))
    assert len(page.text) < 30_000 and "Cut here." in page.text


def test_pictures_are_left_out_where_they_are_too_many():
    document = everything()
    large = "data:image/png;base64," + "A" * (MOST_PICTURES // 3)
    for worst in document["moved"][0]["worst"]:
        worst["inputs"][0]["picture"] = large + worst["case"][:1]
    document["moved"][1]["worst"][0]["pictures"] = {"expected": large, "served": large, "difference": None}
    page = Page(render(document))
    assert "2 pictures are left out" in page.words


def test_what_is_no_picture_is_not_loaded():
    document = everything()
    document["moved"][0]["worst"][0]["inputs"][0]["picture"] = "https://example.com/spy.png"
    assert "example.com" not in render(document)


@pytest.mark.parametrize(
    ("counts", "status", "text"),
    [
        ({"passed": 42}, 0, "All 42 tests passed"),
        ({"passed": 1}, 0, "The test passed"),
        ({"failed": 1}, 1, "The test failed"),
        ({"passed": 1, "failed": 1}, 1, "1 of 2 tests failed"),
        ({"passed": 1200, "failed": 1, "error": 1, "skipped": 7}, 1, "2 of 1,202 tests failed"),
        ({"skipped": 3}, 0, "No test ran"),
        ({}, 5, "No test ran"),
        ({"passed": 3}, 2, "Ended early, after 3 tests"),
        ({"passed": 3}, 1, "The run failed, though no test of a model did"),
    ],
)
def test_verdicts(counts, status, text):
    assert words.verdict({"counts": counts, "exit_status": status}) == text


@pytest.mark.parametrize(
    ("function", "arguments", "text"),
    [
        (words.number, (0.000031,), "3.1e-5"),
        (words.number, (1e300,), "1e300"),
        (words.number, (0.1234567,), "0.123"),
        (words.number, (None,), words.NOTHING),
        (words.share, (1, 4000), "< 0.1 %"),
        (words.share, (3999, 4000), "> 99.9 %"),
        (words.share, (128, 4000), "3.2 %"),
        (words.share, (3985, 4000), "99.6 %"),
        (words.share, (0, 0), "0 %"),
        (words.share, (4, 4), "100 %"),
        (words.seconds, (0.0123,), "12 ms"),
        (words.seconds, (61.25,), "61.2 s"),
        (words.seconds, (200.0,), "3 min 20 s"),
        (words.seconds, (119.7,), "2 min 0 s"),
        (words.over, (["grpc", "rest"],), "over gRPC and REST"),
        (words.over, (["body"],), "in a test's body"),
        (words.listed, (["a"],), "a"),
        (words.listed, (["a", "b", "c"],), "a, b and c"),
        (words.listed, (list("abcdef"),), "a, b, c and 3 more"),
        (words.plain, ("\x1b[31mred\x1b[0m\u202e\ud800\x00 é\n",), "red\\u202e\\ud800\\x00 é\n"),
        (words.fragment, ("t.py::t[a b%é]",), "#t.py::t[a%20b%25%C3%A9]"),
    ],
)
def test_words(function, arguments, text):
    assert function(*arguments) == text


def test_nothing_is_said_where_there_is_no_home(tmp_path: Path):
    """matplotlib complains of a home that it cannot write to, and would use a display where there is one."""
    code = (
        "import sys; from tests.unit.documents import everything; from pytest_tfserving.report.page.html import render;"
        "assert 'matplotlib' not in sys.modules and 'jinja2' not in sys.modules; render(everything());"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    environment = {**os.environ, "HOME": "/dev/null", "MPLCONFIGDIR": "/dev/null/x", "PYTHONPATH": str(ROOT)}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_settings_of_matplotlib_stay_and_have_no_say():
    import matplotlib

    before = render(everything())
    with matplotlib.rc_context({"lines.linewidth": 9, "axes.facecolor": "red", "text.usetex": True}):
        assert render(everything()) == before
        assert matplotlib.rcParams["lines.linewidth"] == 9
    assert logging.getLogger("matplotlib").level == logging.NOTSET
