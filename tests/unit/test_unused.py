"""Which files are goldens that no test uses, and which are none of ours."""

import json
import os

import numpy as np
import pytest

from pytest_tfserving.golden.exact import write_tensor
from pytest_tfserving.golden.formats.npz import plain_tensor
from pytest_tfserving.golden.formats.prediction_log import write_log
from pytest_tfserving.golden.store import write_answers
from pytest_tfserving.golden.unused import Unused, find_unused, remove, used_files
from pytest_tfserving.golden.uses import Uses
from pytest_tfserving.tfrecord import write_records

X = np.array([1, 2], "f4")
Y = {"y": write_tensor(X)}
LARGE = {"y": plain_tensor(np.arange(5000, dtype="f4"))}
CASE = {"inputs": {"x": [1.0]}, "outputs": {"y": [2.5]}}


@pytest.fixture
def write(tmp_path):
    def to_file(name, content):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            file.write_bytes(content)
        else:
            file.write_text(content if isinstance(content, str) else json.dumps(content))
        return file

    return to_file


@pytest.fixture
def used(write):
    """goldens/used.json, which a test uses."""
    return write("goldens/used.json", CASE)


@pytest.fixture
def names(tmp_path, used):
    """The names of the unused goldens, from goldens/, with those beside."""

    def find(**given):
        found = find_unused([used], tmp_path, **given)
        shown = [[os.path.relpath(path, used.parent) for path in (one.file, *one.beside)] for one in found]
        return [names[0] if len(names) == 1 else tuple(names) for names in shown]

    return find


@pytest.mark.parametrize(
    "golden",
    [
        CASE,
        {"instances": [1.0], "predictions": [2.5]},
        {"cases": {"a": CASE, "b": {"inputs": [1.0]}}},
        {"inputs": [1.0], "expect_error": "NOT_FOUND"},
        {"outputs": Y, "provenance": {"backend": "embedded"}},
    ],
    ids=["a case", "bodies from curl", "several cases", "an expected error", "of a test's body"],
)
def test_a_golden_that_no_test_uses(write, names, golden):
    write("goldens/old.json", golden)
    assert names() == ["old.json"]


@pytest.mark.parametrize(
    "content",
    [
        {"inputs": {"x": [1.0]}},
        {"cases": {"a": {"inputs": [1.0]}}},
        {"outputs": {"y": [2.5]}},
        {"outputs": ["y"], "inputs": ["x"], "epochs": 3},
        {"outputs": {}},
        {"learning_rate": 0.1},
        {"cells": [{"outputs": []}], "nbformat": 4},
        [CASE],
        json.dumps(CASE) + "}",
        json.dumps(CASE)[:-1],
        "",
        b"\xff\xfe\x00",
    ],
    ids=["a request without an answer", "requests without answers", "plain outputs alone", "a model's configuration",
         "no outputs", "a configuration", "a notebook", "a list", "no JSON", "cut off", "empty", "bytes"],
)  # fmt: skip
def test_json_that_is_no_golden_is_none_of_ours(write, names, content):
    write("goldens/other.json", content)
    assert names() == []


def test_goldens_of_tests_bodies_are_left_out_where_a_test_did_not_come_to_them(write, names):
    write("goldens/body.json", {"outputs": Y})
    write("goldens/old.json", CASE)
    assert names(bodies=False) == ["old.json"]


def test_what_lies_beside_a_golden_goes_with_it(write, names, used):
    write_answers(write("goldens/large.json", {"inputs": [1]}), {None: LARGE}, {})
    write_answers(write("goldens/pair.request.json", {"inputs": [1]}), {None: LARGE}, {})
    write_answers(write("goldens/lines.jsonl", '{"inputs": [1]}\n'), {"000001": Y}, {})
    assert names() == [
        ("large.json", "large.npz"),
        ("lines.jsonl", "lines.jsonl.response.json"),
        ("pair.request.json", "pair.response.json", "pair.response.npz"),
    ]


def test_an_npz_that_a_golden_does_not_mention_is_a_persons(write, names, used):
    write("goldens/old.json", CASE)
    np.savez(used.parent / "old.npz", dataset=X)
    assert names() == ["old.json"]


@pytest.mark.parametrize("name", ["large.json", "large.golden", "large"])
def test_what_belongs_to_a_used_golden_is_used(write, tmp_path, name):
    large = write(f"goldens/{name}", {"inputs": [1]})
    pair = write("goldens/pair.request.json", {"inputs": [1]})
    lines = write("goldens/lines.jsonl", '{"inputs": [1]}\n')
    write_answers(large, {None: LARGE}, {})
    write_answers(pair, {None: LARGE}, {})
    write_answers(lines, {"000001": LARGE}, {})
    assert find_unused([large, pair, lines], tmp_path) == []


def test_lines(write, names):
    write("goldens/answered.jsonl", f'{{"inputs": [1]}}\n{json.dumps(CASE)}\n')
    write("goldens/requests.jsonl", '{"inputs": [1]}\n')
    write("goldens/events.jsonl", '{"time": 1}\n' + json.dumps(CASE))
    write("goldens/half.jsonl", json.dumps(CASE) + '\n{"time": 1}\n')
    assert names() == ["answered.jsonl"]


def test_logs(tmp_path, used, names):
    request = ("m", "s", {"x": X})
    for name, log in {
        "answered.tfrecord": [(*request, {"y": X})],
        "requests.tfrecord": [(*request, None)],
        "recorded.tfrecord": [(*request, None)],
    }.items():
        with (used.parent / name).open("wb") as stream:
            write_log(stream, log)
    write_answers(used.parent / "recorded.tfrecord", {"000001": Y}, {})
    with (used.parent / "training.tfrecord").open("wb") as stream:
        write_records(stream, [b"\x0a\x0a\x0a\x08\x0a\x01a\x12\x03\x1a\x01\x01"])  # a tf.Example: a = [1]
    (used.parent / "empty.tfrecord").touch()
    (used.parent / "damaged.tfrecord").write_bytes(b"\x00" * 40)
    assert names() == ["answered.tfrecord", ("recorded.tfrecord", "recorded.tfrecord.response.json")]


class TestLeftOver:
    """The golden was renamed or removed, and what lay beside it was forgotten."""

    def test_an_npz(self, write, names, used):
        write_answers(write("goldens/gone.json", {"inputs": [1]}), {None: LARGE}, {})
        (used.parent / "gone.json").unlink()
        assert names() == ["gone.npz"]

    def test_an_npz_of_a_persons_own_is_none(self, names, used):
        np.savez(used.parent / "mine.npz", x=X)
        (used.parent / "other.npz").write_bytes(b"PK")
        assert names() == []

    @pytest.mark.parametrize("request_name", ["gone.request.json", "gone.jsonl"])
    def test_a_response(self, write, names, request_name):
        request = write(f"goldens/{request_name}", '{"inputs": [1]}')
        write_answers(request, {"000001" if request.suffix == ".jsonl" else None: LARGE}, {})
        request.unlink()
        stem = request_name.replace(".request.json", "")
        assert names() == [(f"{stem}.response.json", f"{stem}.response.npz")]

    @pytest.mark.parametrize(
        "content", [{"error": "no"}, {"status": 200}, {"predictions": [1], "status": 200}, "x"], ids=str
    )
    def test_another_response_is_none(self, write, names, content):
        write("goldens/gone.response.json", content)
        assert names() == []


class TestWhere:
    """Only where goldens are, and nowhere that is not this project's."""

    def test_below_but_not_above_or_beside(self, write, names):
        for place in ("goldens/below/old.json", "old.json", "others/old.json"):
            write(place, CASE)
        assert names() == ["below/old.json"]

    def test_below_the_root_directory_lies_everything(self, write, tmp_path):
        used = write("used.json", CASE)
        write("old.json", CASE)
        write("others/old.json", CASE)
        assert find_unused([used], tmp_path) == [Unused(tmp_path / "old.json")]

    @pytest.mark.parametrize(
        "place",
        ["goldens/.cache/old.json", "goldens/.old.json.x1", "goldens/venv/old.json", "goldens/build-1/old.json"],
    )
    def test_not_where_pytest_does_not_look(self, write, names, place):
        write(place, CASE)
        assert names(passed_over=["venv", "build*"]) == []

    def test_not_in_exports(self, write, names):
        with write("goldens/model/1/saved_model.pb", b"").with_name("tf_serving_warmup_requests").open("wb") as stream:
            write_log(stream, [("m", "s", {"x": X}, {"y": X})])
        write("goldens/model/1/assets/old.json", CASE)
        write("goldens/assets.extra/old.json", CASE)
        assert names() == []

    def test_not_through_links(self, write, names, used, tmp_path):
        write("elsewhere/old.json", CASE)
        (used.parent / "linked").symlink_to(tmp_path / "elsewhere")
        (used.parent / "linked.json").symlink_to(tmp_path / "elsewhere" / "old.json")
        assert names() == []

    def test_not_in_a_directory_that_is_a_link(self, write, tmp_path):
        write("elsewhere/used.json", CASE)
        write("elsewhere/old.json", CASE)
        (tmp_path / "goldens").symlink_to(tmp_path / "elsewhere")
        assert find_unused([tmp_path / "goldens" / "used.json"], tmp_path) == []

    def test_in_a_root_that_is_behind_a_link(self, write, tmp_path):
        write("goldens/old.json", CASE)
        link = tmp_path.parent / f"{tmp_path.name}-link"
        link.symlink_to(tmp_path)
        assert find_unused([link / "goldens" / "used.json"], link) == [Unused(link / "goldens" / "old.json")]

    def test_not_outside_of_the_root(self, write, used, tmp_path):
        write("goldens/old.json", CASE)
        (tmp_path / "project").mkdir()
        assert find_unused([used], tmp_path / "project") == []

    def test_a_golden_is_used_under_each_of_its_names(self, write, tmp_path):
        used = write("goldens/used.json", CASE)
        os.link(used, used.with_name("again.json"))
        asked = tmp_path / "tests" / ".." / "goldens" / "used.json"
        (tmp_path / "tests").mkdir()
        assert find_unused([asked], tmp_path) == []

    def test_nothing_is_used_nothing_is_found(self, write, tmp_path):
        write("goldens/old.json", CASE)
        assert find_unused([], tmp_path) == []
        assert find_unused([tmp_path / "missing" / "gone.json"], tmp_path) == []


def test_what_is_used_is_what_markers_and_contracts_name_and_what_bodies_have_checked(write, tmp_path):
    files = {name: write(f"goldens/{name}.json", CASE) for name in ("a", "b", "c", "d")}
    uses, other = Uses(), Uses()
    uses.asked |= {("goldens/a", str(tmp_path)), ("goldens/missing", str(tmp_path))}
    other.asked.add(("b*.json", str(tmp_path / "goldens")))
    other.bodies.add(str(files["c"]))
    uses.merge(json.loads(json.dumps(other.to_plain())))
    assert used_files(uses) == {files["a"], files["b"], files["c"]}


def test_what_any_process_knows_against_the_run_holds_for_all():
    uses, other = Uses(), Uses(partial="why", bodies_uncertain=True, setup_failed=True)
    uses.merge(json.loads(json.dumps(other.to_plain())))
    uses.merge(Uses(partial="another reason").to_plain())
    assert uses == other


def test_removing_takes_what_lies_beside_too_and_says_what_stayed(write, tmp_path):
    write_answers(write("goldens/large.json", {"inputs": [1]}), {None: LARGE}, {})
    [golden] = find_unused([write("goldens/used.json", CASE)], tmp_path)
    gone = Unused(tmp_path / "goldens" / "gone.json")
    removed, problems = remove([golden, gone])
    assert removed == [golden.file, *golden.beside]
    assert problems == [f"{gone.file} cannot be removed: No such file or directory"]
    assert [file.name for file in (tmp_path / "goldens").iterdir()] == ["used.json"]
