"""@pytest.mark.tfserving_golden(..., against=...): answers compared with a baseline's in place of recorded ones."""

import json
import shutil

import numpy as np
import pytest

from pytest_tfserving.golden.formats.prediction_log import write_log
from pytest_tfserving.serve_request import ModelRequest, ServeRequest
from tests.edited_exports import half_plus_two

INPUTS = {"inputs": {"x": [1.0, 2.0, 5.0]}}  # no answer was ever recorded


def golden_test(against, **keywords):
    given = "".join(f", {key}={value!r}" for key, value in {"against": against, **keywords}.items())
    return f'@pytest.mark.tfserving_golden("goldens"{given})\ndef test_it(): ...\n'


@pytest.fixture
def old(repository, examples):
    """exports/old, y = a * x + b; the model under test is y = 0.5 * x + 2."""

    def export(a=0.5, b=2.0, edit=lambda signatures: None, name="old"):
        return half_plus_two(repository.path / "exports" / name, examples, a, b, edit)

    return export


def test_requests_without_answers_are_compared_with_another_export(repository, old):
    old()
    repository.golden("one", INPUTS)
    (repository.path / "goldens" / "more.jsonl").write_text('{"inputs": {"x": [7.0]}}\n{"inputs": {"x": [8.0]}}\n')
    with (repository.path / "goldens" / "log.tfrecord").open("wb") as stream:
        write_log(stream, [("any", "serving_default", {"x": np.array([3], "f4")}, None)])
    repository.test_file(golden_test("exports/old"))
    result = repository.run_here("-v")
    result.assert_outcomes(passed=8)
    result.stdout.fnmatch_lines(["*test_it[[]one-against-rest[]] PASSED*"])


def test_what_a_baseline_answers_counts_not_what_was_recorded(repository, old):
    old()
    repository.golden("one", {**INPUTS, "outputs": {"y": [0.0, 0.0, 0.0]}})
    repository.test_file(golden_test("exports/old") + golden_test("exports/old").replace(', against="exports/old"', ""))
    repository.run_here().assert_outcomes(passed=2)


def test_a_failure_says_what_differs_from_what(repository, old):
    old(b=2.25)
    repository.golden("one", INPUTS)
    repository.test_file(golden_test("exports/old"))
    result = repository.run_here("--tfserving-transport=rest")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "golden *goldens/one.json: half_plus_two answers otherwise than exports/old over rest "
            "(signature 'serving_default')",
            "*y*3 of 3*[[]0[]]*2.75*2.5*0.25*0.0909",
            "would have passed with rtol=0.1 or atol=0.3 (y)",
            "if it is meant to: *`pytest-tfserving drift OLD NEW --inputs GOLDENS`*",
        ]
    )
    for line in ("*--tfserving-update*", "*made elsewhere*"):
        result.stdout.no_fnmatch_line(line)
    repository.test_file(golden_test("exports/old", atol=0.3))
    repository.run_here().assert_outcomes(passed=2)


def test_both_are_servables_of_one_server(repository, old):
    old()
    repository.golden("one", INPUTS)
    repository.test_file(
        golden_test("exports/old", atol=0.5) + '@pytest.fixture(scope="module", autouse=True)\ndef after(request):\n'
        "    yield\n"
        "    import json\n"
        "    from pytest_tfserving.fixtures import SESSION\n"
        "    served = request.config.stash[SESSION].serving.everything_served()\n"
        "    print('SERVED', json.dumps([(s.endpoint.rest_url, s.name) for s in served]))\n"
    )
    result = repository.run_here("-s")
    result.assert_outcomes(passed=2)
    [line] = [line for line in result.outlines if "SERVED" in line]
    served = json.loads(line.partition("SERVED")[2])
    [where] = [url for url, name in served if name == "half_plus_two-baseline"]
    assert [where, "half_plus_two"] in served
    result.stdout.fnmatch_lines(["  half_plus_two: 1 golden case over grpc, 1 golden case over rest"])


@pytest.mark.parametrize("path", ["several", "several/3"])
def test_a_number_is_another_version_of_the_export(repository, old, path):
    for version in (1, 2, 3):
        old(a=version, name=f"several/{version}")
    repository.golden("one", INPUTS)
    repository.test_file(golden_test(2) + golden_test(9).replace("test_it", "test_none"), model=f"exports/{path}")
    result = repository.run_here("--tfserving-transport=grpc")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "*several answers otherwise than version 2 over grpc*",
            "*y*3 of 3*[[]2[]]*12.0*17.0*",
            "*ExportError: against=9: no version 9 of several in exports/several; there is 1, 2, 3*",
        ]
    )


@pytest.mark.parametrize("asked", ["version=1", "label='stable', labels={'stable': 1}"])
def test_the_version_under_test_is_the_one_that_the_marker_asks_for(repository, old, asked):
    for version in (1, 3):
        old(a=version, name=f"several/{version}")
    repository.golden("one", INPUTS)
    repository.test_file(
        f"pytestmark = pytest.mark.tfserving('exports/several', {asked})\n"
        + golden_test("exports/several")
        + golden_test(1).replace("test_it", "test_same"),
        model=None,
    )
    result = repository.run_here("--tfserving-transport=rest")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "*several answers otherwise than exports/several over rest*",
            "*y*3 of 3*[[]2[]]*17.0*7.0*",
            "*SpecError: against=1 is what is tested: several is served from *several/1 itself*",
        ]
    )


def test_the_model_itself_is_no_baseline(repository, old):
    old()
    (repository.path / "exports" / "link").symlink_to("half_plus_two")
    repository.golden("one", INPUTS)
    asked = {"base": "exports/half_plus_two", "one": "exports/half_plus_two/1", "link": "exports/link", "number": 1}
    tests = (golden_test(against).replace("test_it", f"test_{name}") for name, against in asked.items())
    repository.test_file("".join(tests) + golden_test("exports/old").replace("test_it", "test_old"))
    result = repository.run_here("--tfserving-transport=rest")
    result.assert_outcomes(failed=4, passed=1)
    says = "SpecError: against=* is what is tested: half_plus_two is served from *"
    result.stdout.fnmatch_lines([says] * 4)
    result = repository.run_here("--tfserving-model=exports/old", "-k", "test_old")
    result.assert_outcomes(failed=2, deselected=8)
    result.stdout.fnmatch_lines([says])


def test_a_candidate_takes_the_models_place_and_not_the_baselines(repository, old):
    old(b=3.0, name="candidate")
    old()
    repository.golden("one", INPUTS)
    repository.test_file(golden_test("exports/old"))
    result = repository.run_here("--tfserving-model=exports/candidate")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*y*3 of 3*[[]0[]]*2.5*3.5*"])
    repository.run_here("--tfserving-model", "half_plus_two=exports/candidate", "-k", "rest").assert_outcomes(
        failed=1, deselected=1
    )


def test_a_baseline_that_is_not_there(repository):
    repository.golden("one", INPUTS)
    repository.test_file(golden_test("exports/gone"))
    result = repository.run_here("--tfserving-transport=rest")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*ExportError: the baseline of against=: no such directory: *exports/gone;*"])


def rename(side, old, new):
    def edit(signatures):
        tensors = getattr(signatures["serving_default"], side)
        tensors[new].CopyFrom(tensors[old])
        del tensors[old]

    return edit


def test_a_baseline_of_other_names(repository, old):
    old(edit=rename("inputs", "x", "z"), name="inputs")
    old(edit=rename("outputs", "y", "z"), name="outputs")
    repository.golden("one", INPUTS)
    repository.test_file(golden_test("exports/inputs") + golden_test("exports/outputs").replace("it", "outputs"))
    result = repository.run_here()
    result.assert_outcomes(failed=4)
    refused = "goldens/one.json: the baseline refuses it, so there is nothing to compare with: *"
    gone, new = "*z*float32[[]3[]]*-*<- missing", "*y*-*float32[[]3[]]*<- unexpected"
    result.stdout.fnmatch_lines([refused, refused, gone, new, gone, new])


def test_a_signature_that_the_baseline_lacks(repository, old):
    old(edit=lambda signatures: signatures["again"].CopyFrom(signatures["serving_default"]), name="new")
    repository.golden("one", {"signature_name": "again", **INPUTS})
    repository.test_file(golden_test("exports/half_plus_two"), model="exports/new")
    result = repository.run_here()
    result.assert_outcomes(failed=2)
    says = "goldens/one.json: the baseline refuses it, so there is nothing to compare with: *signature again*"
    result.stdout.fnmatch_lines([says, says])


def test_expected_errors_are_the_models_own(repository, old):
    old()
    repository.golden("one", {"inputs": {"x": ["one"]}, "expect_error": "INVALID_ARGUMENT"})
    repository.test_file(golden_test("exports/old"))
    repository.run_here().assert_outcomes(passed=2)


def test_nothing_is_recorded(repository, old):
    old(b=3.0)
    file = repository.golden("one", INPUTS)
    before = file.read_bytes()
    repository.test_file(golden_test("exports/old"))
    for mode in ("new", "changed", "all"):
        result = repository.run_here(f"--tfserving-update={mode}")
        result.assert_outcomes(failed=2)
        result.stdout.no_fnmatch_line("*recorded *")
    assert file.read_bytes() == before


def test_in_parallel_and_in_a_contract(repository, old):
    old(b=2.25)
    repository.golden("one", INPUTS)
    (repository.path / "half_plus_two.tfserving.toml").write_text(
        '[model]\npath = "exports/half_plus_two"\n[goldens]\npath = "goldens"\nagainst = "exports/old"\natol = 0.3\n'
    )
    repository.test_file(golden_test("exports/old"))
    repository.run("-n", "2").assert_outcomes(passed=2, failed=2)


@pytest.fixture(scope="module")
def several(tmp_path_factory, examples):
    """An export with versions 1, 2 and 3, y = version * x + 2."""
    path = tmp_path_factory.mktemp("exports") / "several"
    for version in (1, 2, 3):
        half_plus_two(path / str(version), examples, a=version)
    return path


@pytest.fixture
def remote(repository, several, serving):
    """Arguments of a run on a server that is there already, and serves versions 1 and 3 of `several`, not 2."""
    shutil.copytree(several, repository.path / "exports" / "several")
    [served] = serving.serve(ServeRequest((ModelRequest(several, labels=(("old", 1), ("new", 3))),))).values()
    return f"--tfserving-rest-url={served.endpoint.rest_url}", f"--tfserving-grpc-target={served.endpoint.grpc_target}"


@pytest.mark.parametrize("files", ["here", "elsewhere"])
def test_the_baseline_of_a_remote_server_is_a_version_on_it(repository, remote, files):
    if files == "elsewhere":
        shutil.rmtree(repository.path / "exports")
    repository.golden("one", INPUTS)
    asked = {"one": 1, "path": "exports/several/1", "same": 3, "gone": 2, "base": "exports/several"}
    tests = (golden_test(against).replace("test_it", f"test_{name}") for name, against in asked.items())
    repository.test_file("".join(tests), model="exports/several")
    result = repository.run_here(*remote, backend="remote")
    result.assert_outcomes(failed=10)
    for line in (
        "golden *: several answers otherwise than version 1 over rest *",
        "golden *: several answers otherwise than version 1 over grpc *",
        "golden *: several answers otherwise than exports/several/1 over rest *",
        "*y*3 of 3*[[]2[]]*7.0*17.0*",
        "SpecError: against=3 is what is tested: several is served from version 3 on *",
        "BackendError: against: * does not serve version 2 of several; it serves 1, 3",
        "SpecError: against='exports/several': the baseline of a remote server is another version*",
    ):
        result.stdout.fnmatch_lines([line])


def test_a_label_of_a_remote_server_names_the_model_under_test(repository, remote):
    repository.golden("one", INPUTS)
    marker = "pytestmark = pytest.mark.tfserving('exports/several', label='old')\n"
    repository.test_file(marker + golden_test(1) + golden_test(3).replace("test_it", "test_new"), model=None)
    result = repository.run_here(*remote, "--tfserving-transport=rest", backend="remote")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*against=1 is what is tested*", "*answers otherwise than version 3*"])
