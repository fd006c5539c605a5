"""Goldens that no test uses: listed at the end of a run that was whole, and removed when that is asked for."""

import json

import numpy as np
import pytest

GOOD = {"inputs": {"x": [1.0, 2.0]}, "outputs": {"y": [2.5, 3.0]}}
BODY = {"outputs": {"y": {"dtype": "float32", "shape": [1], "values": [2.5]}}}
MARKED = '@pytest.mark.tfserving_golden("goldens/used*.json")\ndef test_goldens(): ...\n'
CHECKED = """
def test_body(tfserving, tfserving_golden):
    {before}
    tfserving_golden.check({{"y": np.array([2.5], "f4")}}, "goldens/body")
"""
HEAD = "1 golden that no test uses (--tfserving-remove-unused removes it):"


@pytest.fixture
def old(repository):
    """goldens/used.json, which a test uses, and beside it the golden that is none's.

    The test is skipped, which needs no server: what it uses is known when it is collected.
    """
    repository.golden("used", GOOD)
    repository.test_file(f"@pytest.mark.skip\n{MARKED}")
    return repository.golden("old", GOOD)


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["one process", "xdist"])
def test_a_golden_that_was_renamed_is_listed_and_removed_when_that_is_asked_for(repository, old, workers):
    config = repository.golden("config", {"inputs": ["x"], "epochs": 3})
    repository.test_file(MARKED)
    result = repository.run_here(*workers)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines([HEAD, "  goldens/old.json"])
    assert old.exists()
    result = repository.run_here("--tfserving-remove-unused", *workers)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["removed goldens/old.json"])
    result.stdout.no_fnmatch_line("*that no test uses*")
    assert sorted(file.name for file in old.parent.iterdir()) == [config.name, "used.json"]
    result = repository.run_here("--tfserving-remove-unused", *workers)
    result.assert_outcomes(passed=2)
    result.stdout.no_fnmatch_line("removed *")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["-k", "grpc"], "tests were deselected"),
        (["-k", "grpc", "-n", "1"], "tests were deselected"),
        (["test_model.py"], "the run was of some of the tests"),
        (["test_model.py::test_goldens"], "the run was of some of the tests"),
        (["-n", "1", "test_model.py"], "the run was of some of the tests"),
        (["--ignore", "elsewhere"], "--ignore may leave out tests"),
        (["--collect-only"], None),
        (["--setup-only"], "--setup-only may leave out tests"),
    ],
    ids=str,
)
def test_a_run_of_some_tests_says_nothing_of_others_goldens(repository, old, arguments, reason):
    """Nor of those of tests' bodies, which have not run."""
    result = repository.run_here("--tfserving-remove-unused", *arguments)
    assert old.exists()
    result.stdout.no_fnmatch_line("*that no test uses*")
    if reason:
        result.stdout.fnmatch_lines([f"no unused golden was removed: {reason}"])
    repository.run_here(*arguments).stdout.no_fnmatch_line("*unused golden*")


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["test_other.py"], "test_other.py was ignored"),
        (["other.tfserving.toml"], "other.tfserving.toml was ignored"),
        (["tests"], "tests was ignored"),
        (["setup.py", "build", "venv"], None),
    ],
    ids=str,
)
def test_nor_does_a_conftest_that_leaves_tests_out(repository, old, names, reason):
    """As where there is no GPU; what never holds tests is left out as ever."""
    for name in ("test_other.py", "setup.py", "other.tfserving.toml", "tests/a", "build/a", "venv/pyvenv.cfg"):
        (repository.path / name).parent.mkdir(exist_ok=True)
        (repository.path / name).touch()
    (repository.path / "other.tfserving.toml").write_text('[model]\npath = "exports/half_plus_two"\n[lint]\n')
    (repository.path / "conftest.py").write_text(f"collect_ignore = {names}\n")
    result = repository.run_here("--tfserving-remove-unused")
    said = f"no unused golden was removed: {reason}" if reason else "removed goldens/old.json"
    result.stdout.fnmatch_lines([said])
    assert old.exists() == bool(reason)


def test_nor_does_a_plugin_that_takes_tests_away_without_a_word(repository, old):
    (repository.path / "conftest.py").write_text("def pytest_collection_modifyitems(items):\n    del items[-1]\n")
    result = repository.run_here("--tfserving-remove-unused")
    result.stdout.fnmatch_lines(["no unused golden was removed: tests were deselected"])
    assert old.exists()


@pytest.mark.parametrize(
    ("text", "arguments", "reason"),
    [
        ("import no_such_module\n", ["--continue-on-collection-errors"], "test_other.py was not collected"),
        ("import no_such_module\n", [], "test_other.py was not collected"),
        ("import pytest\npytest.importorskip('no_such_module')\n", [], "test_other.py was not collected"),
        ("import pytest\npytest.importorskip('no_such_module')\n", ["-n", "1"], "test_other.py was not collected"),
        ("def test_a():\n    assert 0\ndef test_b(): ...\n", ["-x"], "the run did not come to its end*"),
        ("def test_a():\n    assert 0\ndef test_b(): ...\n", ["-x", "-n", "1"], "the run did not come to its end*"),
        ("import os\ndef test_a():\n    os._exit(1)\n", ["-n", "1"], "a worker crashed"),
    ],
    ids=["collection, continued", "collection", "a module skipped", "a module skipped, xdist", "-x", "-x, xdist",
         "crash"],
)  # fmt: skip
def test_a_run_that_was_not_whole_says_nothing_either(repository, old, text, arguments, reason):
    (repository.path / "test_other.py").write_text(text)
    result = repository.run_here("--tfserving-remove-unused", *arguments)
    result.stdout.fnmatch_lines([f"no unused golden was removed: {reason}"])
    result.stdout.no_fnmatch_line("*that no test uses*")
    assert old.exists()


def test_failing_tests_hide_none_but_where_one_was_not_prepared_nothing_is_removed(repository, old):
    (repository.path / "test_other.py").write_text("def test_a():\n    assert 0\n")
    repository.run_here().stdout.fnmatch_lines([HEAD, "  goldens/old.json"])
    (repository.path / "test_other.py").write_text("def test_a(no_such_fixture): ...\n")
    result = repository.run_here("--tfserving-remove-unused")
    result.stdout.fnmatch_lines(["no unused golden was removed: a test's setup failed", HEAD, "  goldens/old.json"])
    assert old.exists()


def test_the_projects_testpaths_are_the_whole_and_its_parts_are_not(repository, old):
    """A path below which all of the tests lie is no restriction."""
    tests = repository.path / "tests"
    tests.mkdir()
    for name in ("test_model.py", "goldens", "exports"):
        (repository.path / name).rename(tests / name)
    (tests / "part").mkdir()
    (tests / "part" / "test_part.py").write_text("def test_part(): ...\n")
    (repository.path / "pytest.ini").write_text("[pytest]\ntestpaths = tests\n")
    for arguments, listed in {(): True, ("tests",): True, (".",): True, ("tests/part",): False}.items():
        result = repository.run_here(*arguments)
        assert ("tests/goldens/old.json" in result.stdout.str()) == listed, arguments


def test_used_is_what_markers_and_contracts_name_run_or_skipped_over_whatever_transport(repository):
    names = ["used-once", "used-skipped", "by-properties", "by-contract", "by-promise", "over-rest", "old"]
    for name in names:
        repository.golden(name, {**GOOD, "transport": "rest"} if name == "over-rest" else GOOD)
    repository.test_file(
        '@pytest.mark.tfserving_golden("goldens/used-once")\ndef test_a(): ...\n'
        '@pytest.mark.skip\n@pytest.mark.tfserving_golden("goldens/used-skipped")\ndef test_b(): ...\n'
        '@pytest.mark.tfserving_golden("goldens/over-rest")\ndef test_c(): ...\n'
        '@pytest.mark.tfserving_properties(outputs={"y": {"finite": True}}, requests=["goldens/by-properties"])\n'
        "def test_d(): ...\n"
    )
    (repository.path / "half_plus_two.tfserving.toml").write_text(
        '[model]\npath = "exports/half_plus_two"\n[goldens]\npath = "goldens/by-contract.json"\n'
        '[properties.serving_default]\nrequests = "goldens/by-promise.json"\noutputs.y.finite = true\n'
    )
    result = repository.run_here("--tfserving-transport", "grpc")
    assert result.ret == 0
    result.stdout.fnmatch_lines([HEAD, "  goldens/old.json"])


@pytest.mark.parametrize("workers", [[], ["-n", "1"]], ids=["one process", "xdist"])
def test_goldens_of_tests_bodies_are_used_when_they_are_checked(repository, workers):
    repository.golden("body", BODY)
    repository.golden("other", BODY)
    repository.test_file(CHECKED.format(before="pass"))
    repository.run_here(*workers).stdout.fnmatch_lines([HEAD, "  goldens/other.json"])


@pytest.mark.parametrize("before", ["assert 0", "pytest.skip()", "pytest.xfail()"])
@pytest.mark.parametrize("workers", [[], ["-n", "1"]], ids=["one process", "xdist"])
def test_where_a_body_did_not_come_to_its_check_nothing_is_said_of_such_goldens(repository, old, before, workers):
    body = repository.golden("body", BODY)
    repository.test_file(f"@pytest.mark.skip\n{MARKED}" + CHECKED.format(before=before))
    result = repository.run_here("--tfserving-remove-unused", *workers)
    result.stdout.fnmatch_lines(["removed goldens/old.json"])
    assert body.exists()


def test_what_was_recorded_for_it_goes_with_it(repository):
    repository.golden("used", GOOD)
    large = repository.golden("large", {"inputs": {"x": {"dtype": "float32", "shape": [5000], "npz": "x"}}})
    np.savez(large.with_suffix(".npz"), x=np.arange(5000, dtype="f4"))
    repository.test_file('@pytest.mark.tfserving_golden("goldens")\ndef test_goldens(): ...\n')
    repository.run_here("--tfserving-update").assert_outcomes(passed=4)
    repository.test_file(MARKED)
    result = repository.run_here("--tfserving-remove-unused")
    result.stdout.fnmatch_lines(["removed goldens/large.json", "removed goldens/large.npz"])
    assert [file.name for file in large.parent.iterdir()] == ["used.json"]


def test_what_cannot_be_removed_fails_the_run(repository, old):
    """Its directory is another file system's, where nothing may be written; to root all others give way."""
    (repository.path / "conftest.py").write_text(
        "import pathlib\nunlink = pathlib.Path.unlink\n"
        "def refuse(self, *given, **more):\n"
        "    if self.name == 'old.json':\n        raise PermissionError(13, 'Permission denied')\n"
        "    unlink(self, *given, **more)\n"
        "pathlib.Path.unlink = refuse\n"
    )
    result = repository.run("--tfserving-remove-unused")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*goldens/old.json cannot be removed: Permission denied"])


def test_many_are_a_few_lines_and_all_of_them_with_v(repository, old):
    for number in range(11):
        repository.golden(f"old{number:02d}", GOOD)
    result = repository.run_here()
    result.stdout.fnmatch_lines(
        ["12 goldens that no test uses (*removes them):", "  goldens/old08.json", "  ... and 2 more (-v)"]
    )
    repository.run_here("-v").stdout.fnmatch_lines(["  goldens/old10.json"])
    assert json.loads(old.read_text()) == GOOD


def test_where_no_test_uses_a_golden_none_is_looked_for(repository):
    repository.golden("old", GOOD)
    (repository.path / "test_other.py").write_text("def test_a(): ...\n")
    repository.run_here().stdout.no_fnmatch_line("*that no test uses*")
