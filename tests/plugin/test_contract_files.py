"""`*.tfserving.toml` as tests: their ids, how they are chosen, what they say when they fail."""

import json
import shutil
import xml.etree.ElementTree as ElementTree

import pytest

from tests.conftest import ROOT

MODEL = '[model]\npath = "exports/half_plus_two"\n\n'
SIGNATURE = """\
[signatures.serving_default]
method = "predict"
inputs.x = "float32[batch<=4]"
outputs.y = "float32[batch]"

"""
THREE = {"cases": {"three": {"inputs": {"x": [1.0, 2.0, 5.0]}, "outputs": {"y": [2.5, 3.0, 4.5]}}}}


@pytest.fixture
def contract(repository):
    """Writes a contract file, of half_plus_two where the text names no model."""

    def write(text, name="half_plus_two.tfserving.toml"):
        text = text if "[model" in text else MODEL + text
        (repository.path / name).write_text(text)

    return write


def collected(result):
    return [line.partition("::")[2] for line in result.outlines if ".tfserving.toml::" in line and " " not in line]


def test_each_check_is_a_test_with_a_readable_id(repository, contract):
    repository.golden("values", THREE)
    contract(
        SIGNATURE + '[goldens]\npath = "goldens"\n'
        '[requests.text]\ninputs.x = ["one"]\nexpect_error = "INVALID_ARGUMENT"\n'
        '[requests.over-grpc]\ninputs.x = [1.0]\noutputs.y = [2.5]\ntransport = "grpc"\n'
    )
    assert collected(repository.run_here("--collect-only", "-q")) == [
        "signature[serving_default]",
        "golden[values-three-rest]",
        "golden[values-three-grpc]",
        "request[text-rest]",
        "request[text-grpc]",
        "request[over-grpc-grpc]",
    ]
    result = repository.run_here("-v")
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(
        [
            "half_plus_two.tfserving.toml::signature[[]serving_default] PASSED*",
            "  half_plus_two: 3 golden cases over grpc, 2 golden cases over rest, 1 signature",
        ]
    )


def test_collecting_starts_no_server(repository, contract):
    contract(SIGNATURE)
    result = repository.run_here("--collect-only", "-q", "--tfserving-server-arg=--no-such-flag")
    assert result.ret == 0


@pytest.mark.parametrize(
    ("selection", "passed"),
    [
        (["-k", "signature"], 1),
        (["-k", "golden and rest"], 1),
        (["-m", "tfserving_golden"], 2),
        (["-m", "tfserving_signature"], 1),
        (["half_plus_two.tfserving.toml"], 5),
        (["half_plus_two.tfserving.toml::golden[values-three-grpc]"], 1),
        (["--tfserving-transport", "rest"], 3),
        (["-n", "2", "-p", "xdist"], 5),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_tests_are_chosen_as_ever(repository, contract, selection, passed):
    repository.golden("values", THREE)
    contract(SIGNATURE + '[goldens]\npath = "goldens"\n[requests.one]\ninputs.x = [1.0]\noutputs.y = [2.5]\n')
    repository.run_here(*selection).assert_outcomes(
        passed=passed, deselected=5 - passed if selection[0] in "-k-m" else 0
    )


def test_the_last_failed_run_again_alone(repository, contract):
    contract(
        SIGNATURE + "[requests.good]\ninputs.x = [1.0]\noutputs.y = [2.5]\n"
        "[requests.bad]\ninputs.x = [1.0]\noutputs.y = [2.6]\n"
    )
    repository.run_here("-p", "cacheprovider").assert_outcomes(passed=3, failed=2)
    repository.run_here("-p", "cacheprovider", "--lf").assert_outcomes(failed=2)


def test_junit_has_a_case_for_each(repository, contract):
    contract(SIGNATURE + "[requests.bad]\ninputs.x = [1.0]\noutputs.y = [2.6]\n")
    repository.run_here("--junitxml=report.xml")
    cases = {case.attrib["name"]: case for case in ElementTree.parse(repository.path / "report.xml").iter("testcase")}
    assert set(cases) == {"signature[serving_default]", "request[bad-rest]", "request[bad-grpc]"}
    [failure] = cases["request[bad-rest]"]
    assert failure.tag == "failure"
    assert "half_plus_two.tfserving.toml:9" in failure.text


def test_a_failure_names_the_line_that_asked_for_the_check(repository, contract):
    contract(
        '[signatures.nosuch]\nmethod = "predict"\n\n'
        '[signatures.serving_default]\nmethod = "classify"\ninputs.x = "int32[batch]"\n'
    )
    result = repository.run_here()
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "*the export has no such signature; it has 'serving_default'",
            "half_plus_two.tfserving.toml:4",
            "the export has method predict; classify was expected",
            "*inputs  x * int32[[]batch]  float32[[]?]  float32[[]?]  <- differs",
            "half_plus_two.tfserving.toml:7",
        ]
    )


def test_limits_of_a_dimension_hold_in_every_answer(repository, contract):
    contract(
        SIGNATURE + "[requests.four]\ninputs.x = [1.0, 1.0, 1.0, 1.0]\noutputs.y = [2.5, 2.5, 2.5, 2.5]\n"
        "[requests.five]\ninputs.x = [1.0, 1.0, 1.0, 1.0, 1.0]\noutputs.y = [2.5, 2.5, 2.5, 2.5, 2.5]\n"
    )
    result = repository.run_here("--tfserving-transport", "grpc")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*a dimension of input x is 5; batch<=4 was promised*"])


def test_several_models_have_a_node_each(repository, contract):
    contract(
        '[models.half]\npath = "exports/half_plus_two"\n[models.half.signatures.serving_default]\nmethod = "predict"\n'
        '[models.other]\npath = "exports/half_plus_two"\n[models.other.signatures.nosuch]\nmethod = "predict"\n',
        "both.tfserving.toml",
    )
    result = repository.run_here("-v")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "both.tfserving.toml::half::signature[[]serving_default] PASSED*",
            "both.tfserving.toml::other::signature[[]nosuch] FAILED*",
            "*_ other::signature[[]nosuch] _*",
            "both.tfserving.toml:7",
            "  half: 1 signature",
            "  other: 1 signature (1 failed)",
        ]
    )
    repository.run_here("both.tfserving.toml::half").assert_outcomes(passed=1)


def test_a_candidate_takes_the_place_of_the_path(repository, contract):
    (repository.path / "exports" / "half_plus_two").rename(repository.path / "candidate")
    contract(SIGNATURE)
    repository.run_here("--tfserving-model", "half_plus_two=candidate").assert_outcomes(passed=1)
    result = repository.run_here()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*ExportError: no such directory: *half_plus_two; did you mean *candidate?*"])


def test_a_warning_names_the_line_that_asked_for_the_check(repository, contract):
    (repository.path / "common.toml").write_text(
        '\n\n[lint]\naccepted = [{ rule = "rows-unbatched-input", reason = "none is sent" }]\n'
    )
    contract('include = "common.toml"\n[model]\npath = "exports/half_plus_two"\n')
    result = repository.run_here()
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["  common.toml:3: ContractWarning: *rows-unbatched-input*"])


def test_the_files_of_a_remote_server_are_those_on_this_machine(repository, contract):
    remote = ("--tfserving-rest-url", "http://127.0.0.1:9")
    contract("[lint]\n")
    repository.run_here(*remote, backend="remote").assert_outcomes(passed=1)
    (repository.path / "exports" / "half_plus_two").rename(repository.path / "moved")
    result = repository.run_here(*remote, backend="remote")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*--tfserving-model half_plus_two=PATH*"])
    repository.run_here(*remote, "--tfserving-model", "half_plus_two=moved", backend="remote").assert_outcomes(passed=1)


def test_all_mistakes_of_a_file_are_told_with_their_lines(repository, contract):
    contract('[signature.serving_default]\ninputs.x = "float32[batch]"\n\n[goldens]\npath = 5\n')
    result = repository.run_here()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["half_plus_two.tfserving.toml:4: *signatures*", "half_plus_two.tfserving.toml:8: *path*"]
    )
    assert "Traceback" not in result.stdout.str()
    assert "collect.py" not in result.stdout.str()


def test_two_tests_of_one_name_are_told_apart(repository, contract):
    for directory in ("a", "b"):
        (repository.path / directory).mkdir()
        (repository.path / directory / "values.json").write_text(json.dumps(THREE))
    contract('[goldens]\npath = ["a", "b"]\n')
    result = repository.run_here()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*two tests are called golden[[]values-three-rest]*rename a file, a case or a request"]
    )


@pytest.mark.parametrize("path", ["nowhere", "n" * 300], ids=["absent", "too-long"])
def test_goldens_that_are_not_there_hide_no_other(repository, contract, path):
    repository.golden("values", THREE)
    contract(f'[goldens]\npath = ["goldens", "{path}", "other"]\n')
    result = repository.run_here("--tfserving-transport", "grpc")
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(
        ["half_plus_two.tfserving.toml:5", "*no golden *other*", "half_plus_two.tfserving.toml:5"]
    )


def test_a_name_may_be_any_text(repository, contract):
    names = ["a.b", "q\"'", "br[ac]k", "co::lon", " sp ace ", "ünï→", "", "line\nend", "t\tb\u0001"]
    requests = [f"[requests.{json.dumps(name)}]\ninputs.x = [1.0]\noutputs.y = [2.5]\n" for name in names]
    contract(SIGNATURE + '[signatures."t\\tb"]\nmethod = "predict"\n' + "".join(requests))
    result = repository.run_here("-v", "-rA", "--tfserving-transport", "grpc", "--junitxml=report.xml")
    result.assert_outcomes(passed=len(names) + 1, failed=1)
    assert len(list(ElementTree.parse(repository.path / "report.xml").iter("testcase"))) == len(names) + 2
    result.stdout.fnmatch_lines([f"  half_plus_two: {len(names)} golden cases over grpc, 2 signatures (1 failed)"])
    listed = repository.run_here("--collect-only", "-q", "--tfserving-transport", "grpc").outlines
    ids = [line for line in listed if line.startswith("half_plus_two.tfserving.toml::")]
    shown = [*names[:-2], "line\\nend", "t\\tb\\x01"]
    assert [node.partition("::")[2] for node in ids[2:]] == [f"request[{name}-grpc]" for name in shown]
    repository.run_here("--tfserving-transport", "grpc", *ids[2:]).assert_outcomes(passed=len(names))


def test_a_golden_that_cannot_be_used_hides_no_other(repository, contract):
    repository.golden("bad", "{")
    repository.golden("values", THREE)
    contract('[goldens]\npath = "goldens"\n')
    result = repository.run_here()
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*bad.json:1:2: not JSON*", "half_plus_two.tfserving.toml:5"])


def test_answers_are_recorded_into_goldens_and_not_into_contracts(repository, contract):
    file = repository.golden("values", {"inputs": {"x": [1.0]}})
    contract('[goldens]\npath = "goldens"\n[requests.bad]\ninputs.x = [1.0]\noutputs.y = [2.6]\n')
    before = (repository.path / "half_plus_two.tfserving.toml").read_bytes()
    result = repository.run_here("--tfserving-update")
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(
        [
            "request half_plus_two.tfserving.toml [[]bad] differs *",
            "*if the new answer is right: write it into the contract*",
        ]
    )
    assert json.loads(file.read_text())["outputs"]["y"]["values"] == [2.5]
    assert (repository.path / "half_plus_two.tfserving.toml").read_bytes() == before


REFUSED = '[requests.text]\ninputs.x = ["one"]\nexpect_error = {}\n'


@pytest.mark.parametrize(
    ("expected", "failures"),
    [
        ('"INVALID_ARGUMENT"', 0),
        ('{ code = "INVALID_ARGUMENT", text = "no such words" }', 2),
        ('"NOT_FOUND"', 2),
    ],
)
def test_an_expected_refusal(repository, contract, expected, failures):
    contract(REFUSED.format(expected))
    result = repository.run_here()
    result.assert_outcomes(passed=2 - failures, failed=failures)


def test_an_answer_where_a_refusal_was_expected(repository, contract):
    contract('[requests.fine]\ninputs.x = [1.0]\nexpect_error = "INVALID_ARGUMENT"\n')
    result = repository.run_here()
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "request half_plus_two.tfserving.toml [[]fine] expects half_plus_two to refuse with INVALID_ARGUMENT *",
            "*2.5*",
            "if the answer is right: take expect_error out and write it into the contract",
        ]
    )


def test_a_server_that_dies_is_named_with_its_last_words(repository, contract):
    shutil.copytree(ROOT / "tests" / "server" / "exports" / "aborting", repository.path / "aborting")
    contract(
        '[model]\npath = "aborting"\n[requests.abort]\ninputs.x = 1\noutputs.y = 1\n',
        "aborting.tfserving.toml",
    )
    result = repository.run_here("--tfserving-transport", "grpc")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*tfserving server*", "*aborting ended during the run*"])
