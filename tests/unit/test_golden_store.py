"""Golden files: which ones a path means, what they hold, what is wrong with them, and how answers get in."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from pytest_tfserving.errors import Code, GoldenError
from pytest_tfserving.golden.exact import write_tensor
from pytest_tfserving.golden.refusal import ExpectedError
from pytest_tfserving.golden.store import Case, case_of, find_files, read_answer, read_cases, write_answers

Y = {"y": write_tensor(np.array([2.5, 3.0], "f4"))}
NEW = {"y": write_tensor(np.array([7.5], "f4"))}
PROVENANCE = {"backend": "embedded", "tensorflow": "2.21.0"}


@pytest.fixture
def write(tmp_path):
    """Writes a file: text as it is, anything else as JSON."""

    def to_file(name, content):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return file

    return to_file


def message_of(function, *arguments):
    with pytest.raises(GoldenError) as caught:
        function(*arguments)
    return str(caught.value)


class TestFindFiles:
    @pytest.fixture(autouse=True)
    def _files(self, write):
        for name in ("b.json", "a.json", "deep/c.json", "deep/er/d.json", "curl.request.json", "curl.response.json",
                     "notes.txt"):  # fmt: skip
            write(f"goldens/{name}", "{}")

    @pytest.mark.parametrize(
        ("pattern", "found"),
        [
            ("goldens/a.json", ["a.json"]),
            ("goldens/a", ["a.json"]),
            ("goldens/curl", ["curl.request.json"]),
            ("goldens/curl.request.json", ["curl.request.json"]),
            ("goldens", ["a.json", "b.json", "curl.request.json"]),
            ("goldens/", ["a.json", "b.json", "curl.request.json"]),
            ("goldens/deep", ["deep/c.json"]),
            ("goldens/[ab].json", ["a.json", "b.json"]),
            ("goldens/curl*", ["curl.request.json"]),
            ("goldens/*/*.json", ["deep/c.json"]),
            ("goldens/deep/**/*.json", ["deep/c.json", "deep/er/d.json"]),
        ],
    )
    def test_a_path_is_a_file_a_directory_or_a_glob(self, tmp_path, pattern, found):
        assert find_files(pattern, tmp_path) == [tmp_path / "goldens" / name for name in found]

    @pytest.mark.parametrize("pattern", ["goldens/a.json", "goldens", "goldens/[a].json"])
    def test_an_absolute_path_goes_without_the_base(self, tmp_path, pattern):
        assert tmp_path / "goldens" / "a.json" in find_files(str(tmp_path / pattern), Path("/elsewhere"))

    def test_brackets_in_the_name_of_the_base_are_no_pattern(self, tmp_path, write):
        file = write("tests[new]/goldens/a.json", "{}")
        assert find_files("goldens/*.json", tmp_path / "tests[new]") == [file]

    @pytest.mark.parametrize(
        ("pattern", "problem", "write_into"),
        [
            ("goldens/z", "no golden {base}/goldens/z.", "{base}/goldens/z/first.json"),
            ("goldens/z.json", "no golden {base}/goldens/z.json.", "{base}/goldens/z.json"),
            ("empty", "no golden (*.json) in the directory {base}/empty.", "{base}/empty/first.json"),
            ("goldens/z*.json", "no golden matches {base}/goldens/z*.json.", "{base}/goldens/z*.json"),
            ("goldens/curl.response.json", "no golden {base}/goldens/curl.response.json.", None),
        ],
    )
    def test_where_there_is_none_it_is_said_how_to_make_one(self, tmp_path, pattern, problem, write_into):
        (tmp_path / "empty").mkdir()
        message = message_of(find_files, pattern, tmp_path)
        assert message.startswith(problem.format(base=tmp_path))
        assert 'Write a request such as {"inputs": {"x": [1.0, 2.0]}} into ' in message
        if write_into:
            assert f"into {write_into.format(base=tmp_path)}, then record its answer with" in message
        assert message.endswith("record its answer with `pytest --tfserving-update`")


class TestReadCases:
    def test_one_case_at_the_top_level(self, write):
        file = write("one.json", {"signature_name": "s", "inputs": {"x": [1]}, "outputs": Y, "provenance": PROVENANCE})
        assert read_cases(file) == [
            Case("one", file, None, "s", {"inputs": {"x": [1]}}, {"outputs": Y}, PROVENANCE, None)
        ]
        assert read_cases(file)[0].where == str(file)

    def test_several_by_name(self, write):
        file = write(
            "many.json",
            {
                "signature_name": "s",
                "cases": {
                    "first": {"instances": [1], "predictions": [2]},
                    "second": {"inputs": [1], "signature_name": "other", "transport": "grpc", "description": "why"},
                },
                "provenance": PROVENANCE,
            },
        )
        assert read_cases(file) == [
            Case("many-first", file, "first", "s", {"instances": [1]}, {"predictions": [2]}, PROVENANCE, None),
            Case("many-second", file, "second", "other", {"inputs": [1]}, None, PROVENANCE, "grpc"),
        ]
        assert read_cases(file)[1].where == f"{file} [second]"

    def test_a_pair_made_with_curl(self, write):
        file = write("curl.request.json", {"signature_name": "s", "instances": [1.0]})
        assert read_cases(file) == [Case("curl", file, None, "s", {"instances": [1.0]}, None, {}, None)]
        write("curl.response.json", {"predictions": [2.5]})
        assert read_cases(file) == [
            Case("curl", file, None, "s", {"instances": [1.0]}, {"predictions": [2.5]}, {}, None)
        ]

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("[1]", "{file}: a golden is a JSON object, this is list"),
            ("{", "{file}:1:2: not JSON: Expecting property name enclosed in double quotes"),
            ('{"inputs": 1, "inputs": 2}', "{file}: key 'inputs' stands twice in one object; rename or remove one of them"),
            ({"input": [1]},
             "{file}: unknown key 'input'; a golden has cases, description, expect_error, inputs, instances, outputs, "
             "predictions, provenance, signature_name, transport"),
            ({}, "{file}: a case has either `inputs` or `instances`; this has none"),
            ({"inputs": 1, "instances": 1},
             "{file}: a case has either `inputs` or `instances`; this has inputs and instances"),
            ({"inputs": 1, "outputs": 1, "predictions": 1},
             "{file}: a case has either `outputs` or `predictions`, not both"),
            ({"inputs": 1, "signature_name": 5}, "{file}: signature_name is 5; a signature's name was expected"),
            ({"inputs": 1, "transport": "both"}, "{file}: transport is 'both'; rest or grpc was expected"),
            ({"cases": {}}, "{file}: `cases` is an object of one or more cases by name, and holds all of them"),
            ({"cases": [1]}, "{file}: `cases` is an object of one or more cases by name, and holds all of them"),
            ({"cases": {"a": {"inputs": 1}}, "inputs": 1},
             "{file}: `cases` is an object of one or more cases by name, and holds all of them"),
            ({"cases": {"a": [1]}}, "{file} [a]: a case is an object with `inputs` or `instances`"),
            ({"cases": {"a": {"inputs": 1, "cases": {}}}},
             "{file} [a]: unknown key 'cases'; a case has description, expect_error, inputs, instances, outputs, "
             "predictions, provenance, signature_name, transport"),
            ({"inputs": 1, "provenance": "here"}, "{file}: provenance is 'here'; an object of texts was expected"),
            ({"cases": {"a": {"inputs": 1, "provenance": [1]}}},
             "{file} [a]: provenance is [1]; an object of texts was expected"),
            ({"inputs": 1, "outputs": 1, "expect_error": "NOT_FOUND"},
             "{file}: a case has either an answer or `expect_error`; this has outputs and expect_error"),
            ({"cases": {"a": {"inputs": 1}, "b": {}}},
             "{file} [b]: a case has either `inputs` or `instances`; this has none"),
        ],
        ids=["a list", "no JSON", "a key twice", "unknown key", "empty", "two requests", "two answers",
             "signature_name", "transport", "no cases", "cases in a list", "cases and a case", "case in a list",
             "unknown key of a case", "provenance", "a case's provenance", "an answer and a refusal", "case without a request"],
    )  # fmt: skip
    def test_what_is_wrong_is_said_with_its_place(self, write, content, message):
        file = write("bad.json", content)
        assert message_of(read_cases, file) == message.format(file=file)

    def test_a_file_that_cannot_be_read(self, tmp_path):
        (tmp_path / "latin.json").write_bytes('{"inputs": "é"}'.encode("latin-1"))
        (tmp_path / "directory.json").mkdir()
        for name in ("latin.json", "directory.json", "missing.json"):
            assert message_of(read_cases, tmp_path / name).startswith(f"{tmp_path / name} cannot be read: ")

    @pytest.mark.parametrize(
        ("response", "message"),
        [
            (
                {"error": "no such model"},
                "{file}: an error was recorded, not an answer: no such model; if the server is right, "
                'write "expect_error" into curl.request.json and remove the response',
            ),
            ({"model": 1}, "{file}: a response has `predictions` or `outputs`"),
            ([2.5], "{file}: a response has `predictions` or `outputs`"),
            ("", "{file}:1:1: not JSON: Expecting value"),
        ],
        ids=["an error", "something else", "a list", "empty"],
    )
    def test_a_response_that_is_no_answer(self, write, response, message):
        request = write("curl.request.json", {"instances": [1.0]})
        file = write("curl.response.json", response)
        assert message_of(read_cases, request) == message.format(file=file)


class TestCaseOf:
    """A case that stands elsewhere, such as in a contract file."""

    def test_it_is_read_as_that_of_a_golden_file(self):
        read = case_of(Path("m.tfserving.toml"), "three", {"inputs": {"x": [1]}, "outputs": Y}, "s", case_id="three")
        assert read == Case("three", Path("m.tfserving.toml"), "three", "s", {"inputs": {"x": [1]}}, {"outputs": Y}, {})

    def test_its_id_is_made_of_the_files_name_and_the_key_where_it_has_none(self):
        assert case_of(Path("m.toml"), "three", {"inputs": 1}).id == "m-three"

    def test_what_is_wrong_is_said_with_its_place(self):
        assert message_of(case_of, Path("m.toml"), "three", {"inputs": 1, "instances": 1}) == (
            "m.toml [three]: a case has either `inputs` or `instances`; this has inputs and instances"
        )


class TestExpectError:
    @pytest.mark.parametrize(
        ("written", "expected"),
        [
            ("INVALID_ARGUMENT", ExpectedError(Code.INVALID_ARGUMENT)),
            ({"code": "NOT_FOUND"}, ExpectedError(Code.NOT_FOUND)),
            ({"code": "NOT_FOUND", "text": "no such"}, ExpectedError(Code.NOT_FOUND, "no such")),
        ],
        ids=str,
    )
    def test_a_code_or_a_code_and_a_part_of_the_message(self, written, expected):
        (file, key) = (Path("g.json"), "a")
        case = case_of(file, key, {"inputs": 1, "expect_error": written})
        assert (case.expected_error, case.answer) == (expected, None)

    @pytest.mark.parametrize(
        ("written", "message"),
        [
            ("INVALID_ARGUMENTS", "expect_error has no code 'INVALID_ARGUMENTS'; did you mean 'INVALID_ARGUMENT'?; codes: CANCELLED "),
            ("invalid argument", "expect_error has no code 'invalid argument'; did you mean 'INVALID_ARGUMENT'?; codes: CANCELLED "),
            ("OK", "expect_error has no code 'OK'; codes: CANCELLED "),
            (400, 'expect_error is 400; a code such as "INVALID_ARGUMENT", or {"code": ..., "text": "a part of the message"}, was expected'),
            (None, 'expect_error is None; a code such as "INVALID_ARGUMENT", or'),
            ({}, 'expect_error lacks its `code`, such as "INVALID_ARGUMENT"'),
            ({"code": 3}, "expect_error is {'code': 3}; a code such as"),
            ({"code": "NOT_FOUND", "texts": "a"}, "expect_error has `code` and `text`, not 'texts'; did you mean 'text'?"),
            ({"code": "NOT_FOUND", "text": 5}, "the text of expect_error is 5; a part of the message was expected"),
            ({"code": "NOT_FOUND", "text": ""}, "the text of expect_error is ''; a part of the message was expected"),
        ],
        ids=str,
    )  # fmt: skip
    def test_anything_else_is_refused(self, written, message):
        said = message_of(case_of, Path("g.json"), "a", {"inputs": 1, "expect_error": written})
        assert said.startswith(f"g.json [a]: {message}")

    def test_recording_other_cases_leaves_it_as_it_was_written(self, write):
        refusal = '{"code":   "NOT_FOUND"}'
        file = write(
            "g.json", f'{{"cases": {{"a": {{"inputs": 1, "expect_error": {refusal}}}, "b": {{"inputs": 2}}}}}}'
        )
        write_answers(file, {"b": Y}, PROVENANCE)
        assert refusal in file.read_text()
        assert [case.answer for case in read_cases(file)] == [None, {"outputs": Y}]


class TestReadAnswer:
    def test_an_answer_alone(self, write):
        file = write("body.json", {"outputs": Y, "provenance": PROVENANCE})
        assert read_answer(file) == Case("body", file, None, None, {}, {"outputs": Y}, PROVENANCE)

    def test_no_file_is_no_case(self, tmp_path):
        assert read_answer(tmp_path / "body.json") is None

    @pytest.mark.parametrize("content", [{"inputs": 1, "outputs": Y}, {}, {"outputs": Y, "predictions": [1]}], ids=str)
    def test_anything_else_is_refused(self, write, content):
        file = write("body.json", content)
        assert message_of(read_answer, file) == (
            f"{file}: a golden of a test's body has `outputs` (and `provenance`), nothing else"
        )


class TestWriteAnswers:
    def test_a_first_answer_leaves_the_request_as_it_was_written(self, write):
        file = write("one.json", '{"inputs":   {"x": [1.0,\n   2.00]}, "description": "why"}')
        write_answers(file, {None: Y}, PROVENANCE)
        assert file.read_text() == (
            """\
{
  "inputs": {"x": [1.0,
   2.00]},
  "description": "why",
  "outputs": {
    "y": {"dtype": "float32", "shape": [2], "values": [2.5, 3.0]}
  },
  "provenance": {"backend": "embedded", "tensorflow": "2.21.0"}
}
"""
        )

    def test_writing_the_same_again_changes_nothing(self, write):
        file = write("one.json", {"cases": {"a": {"inputs": [1]}, "b": {"inputs": [2]}}})
        write_answers(file, {"a": Y, "b": NEW}, PROVENANCE)
        first = file.read_text()
        write_answers(file, {"b": NEW}, PROVENANCE)
        assert file.read_text() == first

    @pytest.mark.parametrize(
        "written",
        [
            '{"dtype":"float32","shape":[2],\n "values":[2.5,3.0]}',
            '{"dtype": "float32", "shape": [2], "values": [2.50, 3]}',
        ],
        ids=["another layout", "other decimals"],
    )
    def test_an_answer_that_is_there_to_the_last_bit_is_not_touched(self, write, written):
        file = write(
            "one.json", f'{{"inputs": [1], "outputs": {{"y": {written}}}, "provenance": {{"made": "by hand"}}}}'
        )
        before, stamp = file.read_bytes(), (file.stat().st_mtime_ns, file.stat().st_ino)
        assert write_answers(file, {None: Y}, PROVENANCE) == (file, 0, 0)
        assert (file.read_bytes(), (file.stat().st_mtime_ns, file.stat().st_ino)) == (before, stamp)

    @pytest.mark.parametrize(
        "outputs",
        [
            {"y": write_tensor(np.array([2.5, -0.0], "f4"))},
            {"y": write_tensor(np.array([2.5, 0.0], "f8"))},
            {"y": write_tensor(np.array([[2.5, 0.0]], "f4"))},
            {"z": write_tensor(np.array([2.5, 0.0], "f4"))},
        ],
        ids=["a bit", "dtype", "shape", "name"],
    )
    def test_one_that_is_not_is_written(self, write, outputs):
        file = write("one.json", {"inputs": [1], "outputs": {"y": write_tensor(np.array([2.5, 0.0], "f4"))}})
        assert write_answers(file, {None: outputs}, PROVENANCE) == (file, 0, 1)
        assert read_cases(file)[0].answer == {"outputs": outputs}

    def test_only_the_cases_that_were_recorded_change(self, write):
        file = write("many.json", {"cases": {"a": {"inputs": [1], "outputs": Y}, "b": {"inputs": [2]}}})
        write_answers(file, {"b": NEW}, PROVENANCE)
        assert [(case.request, case.answer) for case in read_cases(file)] == [
            ({"inputs": [1]}, {"outputs": Y}),
            ({"inputs": [2]}, {"outputs": NEW}),
        ]
        assert [case.provenance for case in read_cases(file)] == [{}, PROVENANCE]  # nobody knows where `a` was made

    def test_an_answer_takes_the_place_of_predictions(self, write):
        file = write("rows.json", {"instances": [1], "predictions": [2]})
        write_answers(file, {None: Y}, PROVENANCE)
        assert read_cases(file)[0].answer == {"outputs": Y}

    @pytest.mark.parametrize("name", ["inputs", "outputs", "description", "cases", "provenance", "y"])
    def test_a_case_and_its_tensors_may_have_any_name(self, write, name):
        file = write("many.json", {"cases": {name: {"inputs": {name: [1]}, "outputs": {name: Y["y"]}}}})
        write_answers(file, {name: {name: NEW["y"]}}, PROVENANCE)
        (case,) = read_cases(file)
        assert (case.key, case.request, case.answer) == (
            name,
            {"inputs": {name: [1]}},
            {"outputs": {name: NEW["y"]}},
        )

    def test_the_answer_of_a_request_of_its_own_gets_a_file_of_its_own(self, write, tmp_path):
        request = write("curl.request.json", '{"instances":[ 1.0 ]}')
        write_answers(request, {None: Y}, PROVENANCE)
        assert request.read_text() == '{"instances":[ 1.0 ]}'
        assert json.loads((tmp_path / "curl.response.json").read_text()) == {"outputs": Y, "provenance": PROVENANCE}
        assert read_cases(request)[0].answer == {"outputs": Y}
        assert read_cases(request)[0].provenance == PROVENANCE

    def test_a_golden_of_a_tests_body_is_made_with_its_directory(self, tmp_path):
        file = tmp_path / "goldens" / "new" / "body.json"
        write_answers(file, {None: Y}, PROVENANCE)
        assert read_answer(file).answer == {"outputs": Y}

    def test_text_stays_readable(self, write):
        file = write("é.json", '{"inputs": {"s": ["naïve"]}}')
        write_answers(file, {None: {"t": write_tensor(np.array(["日本"]))}}, {})
        assert "naïve" in file.read_text(encoding="utf-8")
        assert "日本" in file.read_text(encoding="utf-8")


class TestAtomicWrite:
    """A crash finds the old file or the new one, never half of one."""

    @pytest.fixture
    def golden(self, write):
        return write("one.json", '{"inputs": [1]}')

    @staticmethod
    def fail(*_, **__):
        raise OSError("disk full")

    @pytest.mark.parametrize("step", ["os.fdopen", "pathlib.Path.chmod", "pathlib.Path.replace"])
    def test_a_failure_leaves_the_old_file_and_no_draft(self, golden, monkeypatch, step):
        monkeypatch.setattr(step, self.fail)
        with pytest.raises(OSError, match="disk full"):
            write_answers(golden, {None: Y}, PROVENANCE)
        monkeypatch.undo()
        assert golden.read_text() == '{"inputs": [1]}'
        assert list(golden.parent.iterdir()) == [golden]

    def test_the_draft_lies_beside_the_file_and_is_no_golden(self, golden, monkeypatch):
        drafts = []
        monkeypatch.setattr("pathlib.Path.replace", lambda draft, target: drafts.append((draft, target)))
        write_answers(golden, {None: Y}, PROVENANCE)
        ((draft, target),) = drafts
        assert target == golden
        assert draft.parent == golden.parent
        assert re.fullmatch(r"\.one\.json\.\w+", draft.name)
        assert draft not in find_files(".", golden.parent)

    @pytest.mark.parametrize("mode", [0o600, 0o664])
    def test_the_files_mode_stays(self, golden, mode):
        golden.chmod(mode)
        write_answers(golden, {None: Y}, PROVENANCE)
        assert golden.stat().st_mode & 0o777 == mode

    def test_a_new_file_can_be_read_by_others(self, tmp_path):
        write_answers(tmp_path / "body.json", {None: Y}, PROVENANCE)
        assert (tmp_path / "body.json").stat().st_mode & 0o777 == 0o644
