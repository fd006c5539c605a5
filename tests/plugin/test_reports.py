"""--tfserving-json, --tfserving-report, GITHUB_STEP_SUMMARY and --junitxml: what a run leaves for people and machines"""

import json
import os
import signal
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

GOOD = {"inputs": {"x": [1.0, 2.0, 5.0]}, "outputs": {"y": [2.5, 3.0, 4.5]}}
BROKEN = {"inputs": {"x": [1.0, 2.0, 5.0]}, "outputs": {"y": [2.5, 3.5, 4.0]}}
TEST = '@pytest.mark.tfserving_golden("goldens")\ndef test_goldens(): ...\n'
SIGNATURE = (
    '@pytest.mark.tfserving_signature("serving_default", inputs={"x": "float32[n]"}, outputs={"y": "float32[n]"})\n'
    "def test_signature(tfserving): ...\n"
)


@pytest.fixture
def model(repository):
    """A model with a golden that holds and one that does not."""
    repository.golden("good", GOOD)
    repository.golden("broken", BROKEN)
    repository.test_file(TEST + SIGNATURE)
    return repository


def document_of(repository, name="out.json"):
    return json.loads((repository.path / name).read_text(encoding="utf-8"))


def outcomes(document):
    return {test["id"].partition("::")[2]: test["outcome"] for test in document["tests"]}


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "xdist"])
def test_a_run_with_a_broken_golden(model, monkeypatch, workers):
    summary = model.path / "summary.md"
    summary.write_text("# Before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    result = model.run("--tfserving-json", "new/out.json", *workers)
    result.assert_outcomes(passed=3, failed=2)
    result.stdout.fnmatch_lines(["*tfserving*", "wrote new/out.json"])
    document = document_of(model, "new/out.json")
    # In the order of their collection, whichever worker was first.
    assert list(outcomes(document).items()) == [
        ("test_goldens[broken-rest]", "failed"),
        ("test_goldens[broken-grpc]", "failed"),
        ("test_goldens[good-rest]", "passed"),
        ("test_goldens[good-grpc]", "passed"),
        ("test_signature", "passed"),
    ]
    run = document["run"]
    assert run["exit_status"] == 1
    assert run["counts"] == {"passed": 3, "failed": 2, "skipped": 0, "error": 0}
    assert run["command"].startswith("pytest ") and "--tfserving-json new/out.json" in run["command"]
    assert list(run["backends"]) == ["embedded"] and run["environment"]["backend"] == "embedded"
    assert run["environment"]["cpu"]
    assert document["models"] == [
        {
            "name": "half_plus_two",
            "checks": [
                {"kind": "golden", "held": 2, "failed": 2, "recorded": 0},
                {"kind": "signature", "held": 1, "failed": 0, "recorded": 0},
            ],
        }
    ]
    [entry] = document["moved"]
    assert (entry["model"], entry["signature"], entry["output"]) == ("half_plus_two", "serving_default", "y")
    assert (entry["cases"], entry["moved_cases"], entry["transports"]) == (2, 1, ["grpc", "rest"])
    assert (entry["differing"], entry["total"], entry["mean_absolute"]) == (2, 6, 0.166667)
    assert entry["tests"] == ["test_model.py::test_goldens[broken-rest]", "test_model.py::test_goldens[broken-grpc]"]
    assert [(value["at"], value["expected"], value["served"]) for value in entry["worst"]] == [
        ([1], "3.5", "3.0"),
        ([2], "4.0", "4.5"),
    ]
    assert entry["worst"][0]["inputs"] == [
        {"name": "x", "spec": "float32[3]", "text": "[1.0, 2.0, 5.0]", "picture": None}
    ]
    failure = document["tests"][0]["text"]
    assert failure.startswith("golden goldens/broken.json differs from what half_plus_two answers over rest")
    text = summary.read_text(encoding="utf-8")
    assert text.startswith("# Before\n") and text.count("### ❌ Served models: 2 of 5 tests failed") == 1
    assert text.count("<details>") == 2
    assert "2 of 6 values in 1 of 2 cases" in text


def test_a_page_and_json_of_one_run(model):
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    result = model.run("--tfserving-json=out.json", "--tfserving-report=pages/out.html")
    result.stdout.fnmatch_lines(["wrote out.json", "wrote pages/out.html"])
    page = (model.path / "pages" / "out.html").read_text(encoding="utf-8")
    assert "half_plus_two" in page and "<svg" in page


def test_pictures_are_for_the_page_and_not_for_machines(repository, examples):
    pytest.importorskip("PIL")
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    pixels = np.zeros((1, 784))
    golden = {
        "signature_name": "predict_images",
        "inputs": {"images": pixels.tolist()},
        "outputs": {"scores": [[0.1] * 10]},
    }
    repository.golden("dark", golden)
    repository.test_file(TEST, model=str(examples / "mnist" / "exports" / "mnist"))
    repository.run("--tfserving-json=out.json", "--tfserving-report=out.html", "--tfserving-transport=grpc")
    assert "data:image/png" in (repository.path / "out.html").read_text(encoding="utf-8")
    assert "data:image" not in (repository.path / "out.json").read_text(encoding="utf-8")


def test_a_recorded_golden_is_no_failure_and_is_shown(model):
    model.golden("new", {"inputs": {"x": [7.0]}})
    model.run("--tfserving-json=out.json", "--tfserving-update").assert_outcomes(passed=7)
    document = document_of(model)
    assert document["models"][0]["checks"][0] == {"kind": "golden", "held": 2, "failed": 0, "recorded": 4}
    assert document["goldens"]["recorded"] == {
        "goldens/broken.json": {"new": 0, "changed": 1},
        "goldens/new.json": {"new": 1, "changed": 0},
    }
    assert [entry["moved_cases"] for entry in document["moved"]] == [1]


def test_values_of_a_tests_body(repository):
    repository.golden("body", {"outputs": {"y": {"dtype": "float32", "shape": [2], "values": [3.0, 4.0]}}})
    repository.test_file(
        "def test_near(tfserving, tfserving_golden):\n"
        "    tfserving_golden.check({'y': np.array([3, 4], 'f4')}, 'goldens/body')\n"
        "def test_far(tfserving, tfserving_golden):\n"
        "    tfserving_golden.check({'y': np.array([3, 5], 'f4')}, 'goldens/body')\n"
        "def test_none(tfserving_golden):\n"
        "    tfserving_golden.check({'y': np.array([3, 5], 'f4')}, 'goldens/none')\n"
    )
    repository.run("--tfserving-json=out.json").assert_outcomes(passed=1, failed=2)
    document = document_of(repository)
    [entry] = document["moved"]
    assert (entry["model"], entry["output"], entry["cases"], entry["differing"]) == ("half_plus_two", "y", 1, 1)
    statuses = [[(check["about"], check["status"]) for check in test["checks"]] for test in document["tests"]]
    assert statuses == [
        [("goldens/body.json", "held")],
        [("goldens/body.json", "failed")],
        [("goldens/none.json", "failed")],
    ]


def test_a_set_is_one_check_of_many_cases(repository):
    cases = {f"c{n}": {"inputs": {"x": [float(n)]}, "outputs": {"y": [n / 2 + 2 + (n == 3)]}} for n in range(10)}
    repository.golden("set", {"cases": cases})
    repository.test_file(
        '@pytest.mark.tfserving_golden("goldens", together=True)\ndef test_set(): ...\n'
        '@pytest.mark.tfserving_golden("goldens", overall={"y": {"mean_absolute": 0.01}})\ndef test_overall(): ...\n'
    )
    repository.run("--tfserving-json=out.json", "--tfserving-transport=grpc").assert_outcomes(failed=2)
    document = document_of(repository)
    [entry] = document["moved"]
    assert (entry["cases"], entry["moved_cases"]) == (10, 1)
    assert entry["rules"] == ["mean_absolute=0.01 over all cases", "rtol=1e-05 atol=1e-08"]
    assert (entry["differing"], entry["total"], entry["unit"], entry["max_absolute"]) == (1, 10, "values", 1.0)
    assert [len(test["checks"]) for test in document["tests"]] == [1, 1]


def test_tests_that_never_ran_are_in_it(repository):
    repository.golden("good", GOOD)
    repository.test_file(
        '@pytest.mark.tfserving("exports/missing")\ndef test_missing(tfserving): ...\n'
        '@pytest.mark.skip(reason="not today")\ndef test_skipped(tfserving): ...\n'
        "@pytest.fixture\ndef left(tfserving):\n    yield\n    raise RuntimeError('left over')\n"
        "def test_teardown(left): ...\n"
        "@pytest.mark.xfail\ndef test_expected(tfserving):\n    raise RuntimeError\n"
        "def test_of_others(): ...\n" + SIGNATURE
    )
    repository.run("--tfserving-json=out.json")
    document = document_of(repository)
    assert outcomes(document) == {
        "test_missing": "error",
        "test_skipped": "skipped",
        "test_teardown": "error",
        "test_expected": "skipped",
        "test_signature": "passed",
    }
    texts = {test["id"].partition("::")[2]: test["text"] for test in document["tests"]}
    assert "exports/missing" in texts["test_missing"]
    assert "left over" in texts["test_teardown"]


def test_files_that_cannot_be_collected_are_said(model):
    (model.path / "test_broken.py").write_text("import no_such_module_at_all\n")
    (model.path / "broken.tfserving.toml").write_text("[model]\npat = 1\n")
    result = model.run("--tfserving-json=out.json")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["wrote out.json"])
    document = document_of(model)
    assert document["run"]["exit_status"] == 2
    errors = {test["id"]: test["text"] for test in document["tests"]}
    assert "no_such_module_at_all" in errors["test_broken.py"]
    assert "pat" in errors["broken.tfserving.toml"]


def test_an_interrupted_run_writes_what_there_is(model, start_pytest):
    model.test_file(
        SIGNATURE + "def test_wait(tfserving):\n    import time\n    print('WAITS', flush=True)\n    time.sleep(120)\n"
    )
    process = start_pytest("-s", "--tfserving-backend=embedded", "--tfserving-json=out.json")
    for line in process.stdout:
        if "WAITS" in line:
            break
    os.kill(process.pid, signal.SIGINT)
    output = process.stdout.read()
    assert process.wait(60) == pytest.ExitCode.INTERRUPTED
    assert "wrote out.json" in output
    document = document_of(model)
    assert (document["run"]["exit_status"], outcomes(document)) == (2, {"test_signature": "passed"})
    assert document["run"]["backends"]


def test_a_file_that_cannot_be_written_fails_the_run_and_loses_nothing(model):
    (model.path / "goldens" / "broken.json").unlink()
    model.golden("new", {"inputs": {"x": [7.0]}})
    model.test_file("def test_block(): __import__('pathlib').Path('new').write_text('in the way')\n" + TEST)
    result = model.run("--tfserving-json=new/out.json", "--tfserving-update", "-v")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["recorded goldens/new.json*", "could not write new/out.json: *", "*5 passed*"])
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    assert "outputs" in json.loads((model.path / "goldens" / "new.json").read_text())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tfserving-json=goldens"], "*--tfserving-json: *goldens is a directory*"),
        (["--tfserving-json=test_model.py/x"], "*--tfserving-json: *test_model.py is a file, not a directory*"),
        (["--tfserving-json=a", "--tfserving-report=./a"], "*name the same file*"),
    ],
    ids=["directory", "below a file", "same"],
)
def test_a_target_that_must_fail_is_refused_at_the_start(model, arguments, message):
    if len(arguments) > 1:
        pytest.importorskip("jinja2")
        pytest.importorskip("matplotlib")
    result = model.run(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])
    assert "passed" not in result.stdout.str()


def test_a_page_without_what_makes_it_is_refused_at_the_start(model):
    hidden = "import sys, importlib.util as u\nreal = u.find_spec\n"
    hidden += "u.find_spec = lambda name, package=None: None if name == 'matplotlib' else real(name, package)\n"
    (model.path / "hide.py").write_text(hidden)
    result = model.run("-p", "hide", "--tfserving-report=out.html")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(['*--tfserving-report needs matplotlib: pip install "pytest-tfserving[[]report[]]"*'])


def test_options_come_from_ini_and_environment_and_follow_no_chdir(model, monkeypatch):
    model.test_file(SIGNATURE + "def test_moves(tmp_path, monkeypatch): __import__('os').chdir(tmp_path)\n")
    monkeypatch.setenv("TFSERVING_JSON", "from_env.json")
    model.run()
    assert outcomes(document_of(model, "from_env.json")) == {"test_signature": "passed"}


def test_collecting_alone_writes_nothing(model):
    model.run("--collect-only", "--tfserving-json=out.json")
    assert not (model.path / "out.json").exists()


def properties(element):
    return {item.get("name"): item.get("value") for item in element.findall("./properties/property")}


def junit(repository, family, *arguments):
    repository.run("--junitxml=out.xml", "-o", f"junit_family={family}", *arguments)
    [suite] = ElementTree.parse(repository.path / "out.xml").getroot()
    return suite, {case.get("name"): properties(case) for case in suite.findall("testcase")}


def test_junit_properties_of_each_test(model):
    (model.path / "test_others.py").write_text(
        "import pytest\n"
        "def test_of_others(record_property): record_property('mine', 1)\n"
        '@pytest.mark.tfserving("exports/missing")\ndef test_missing(tfserving): ...\n'
    )
    (model.path / "lint.tfserving.toml").write_text('[model]\npath = "exports/half_plus_two"\n[lint]\n')
    suite, cases = junit(model, "xunit1", "-n", "2")
    golden = {"tfserving_model": "half_plus_two", "tfserving_check": "golden", "tfserving_backend": "embedded"}
    assert cases["test_goldens[broken-rest]"] == {**golden, "tfserving_transport": "rest"}
    assert cases["test_goldens[good-grpc]"] == {**golden, "tfserving_transport": "grpc"}
    assert cases["test_signature"] == {**golden, "tfserving_check": "signature"}
    assert cases["lint"] == {"tfserving_model": "half_plus_two", "tfserving_check": "lint"}
    assert cases["test_missing"] == {"tfserving_model": "missing", "tfserving_backend": "embedded"}
    assert cases["test_of_others"] == {"mine": "1"}
    assert properties(suite) == {}


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "xdist"])
def test_junit_properties_where_a_test_case_must_have_none(model, workers):
    suite, cases = junit(model, "xunit2", *workers)
    assert set(cases) >= {"test_goldens[broken-rest]", "test_signature"}
    assert not any(cases.values())
    found = properties(suite)
    assert (found["tfserving_model"], found["tfserving_backend"]) == ("half_plus_two", "embedded")
    assert "tensorflow" in found["tfserving_software"]


def test_a_run_of_others_has_nothing_of_ours(pytester, monkeypatch):
    summary = pytester.path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    pytester.makepyfile("def test_of_others(): ...")
    result = pytester.runpytest_subprocess("--junitxml=out.xml", "-o", "junit_family=xunit1")
    result.assert_outcomes(passed=1)
    assert "tfserving" not in (pytester.path / "out.xml").read_text() + result.stdout.str().partition("collected")[2]
    assert not summary.exists()


def test_a_run_without_reports_loads_nothing_of_them(model):
    (model.path / "loaded.py").write_text(
        "import sys\n"
        "def pytest_unconfigure():\n"
        "    print('LOADED', [m for m in sys.modules if m.startswith('pytest_tfserving.report') and m.rsplit('.')[-1] in\n"
        "          ('evidence', 'document', 'moved', 'run_report', 'step_summary', 'junit')])\n"
    )
    result = model.run("-p", "loaded", "-s")
    result.stdout.fnmatch_lines(["*LOADED []"])
    assert "wrote" not in result.stdout.str()
    assert not (model.path / "out.json").exists()


def test_a_worker_that_crashed_and_a_server_that_died_are_told(repository):
    repository.test_file(
        "def test_crash(tfserving): __import__('os')._exit(3)\n"
        "def test_dies(tfserving):\n"
        "    import psutil\n"
        "    [server] = [p for p in psutil.process_iter(['cmdline']) if 'pytest_tfserving.server' in (p.info['cmdline'] or [])\n"
        "                and any(str(tfserving._server.directory) in part for part in p.info['cmdline'])]\n"
        "    server.kill()\n"
        "    tfserving.rest.predict(inputs={'x': [1.0]})\n"
    )
    repository.run("--tfserving-json=out.json", "-n", "1")
    document = document_of(repository)
    assert outcomes(document) == {"test_crash": "error", "test_dies": "failed"}
    crash, death = (test["text"] for test in document["tests"])
    assert "crashed" in crash
    assert "UNAVAILABLE" in death and "Running gRPC ModelServer" in death  # the server's last words
