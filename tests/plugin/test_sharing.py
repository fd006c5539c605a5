"""Models of several tests on one server, started before the first of them asks"""

import json
import shutil
from pathlib import Path

import pytest

EXPORTS = Path(__file__).parents[1] / "server" / "exports"
EDITED = Path(__file__).parents[1] / "edited_exports.py"

# Each test writes down which server it was served by.
HEAD = """
import json, pathlib, pytest

@pytest.fixture(autouse=True)
def noted(request, tfserving):
    with open("servers", "a") as file:
        file.write(json.dumps([request.node.name, tfserving.name, str(tfserving._server.directory)]) + "\\n")
"""


def marked(*marks):
    """A test file: a test a mark."""
    return HEAD + "".join(
        f"@pytest.mark.tfserving({mark})\ndef test_{n}(tfserving_rest):\n    tfserving_rest.metadata()\n"
        for n, mark in enumerate(marks)
    )


def servers(repository):
    """Test -> its server."""
    lines = (repository.path / "servers").read_text().splitlines()
    return {test: server for test, _, server in map(json.loads, lines)}


@pytest.fixture
def models(repository):
    for name in ("one", "two", "three"):
        shutil.copytree(repository.path / "exports" / "half_plus_two", repository.path / "exports" / name)
    return repository


def test_small_models_share_a_server(models):
    models.test_file(marked("'exports/one'", "'exports/two'", "'exports/three', isolated=True"), model=None)
    models.run().assert_outcomes(passed=3)
    used = servers(models)
    assert used["test_0"] == used["test_1"] != used["test_2"]


def test_an_isolated_server_is_nobody_elses(models):
    models.test_file(
        "@pytest.mark.tfserving('exports/one', isolated=True)\n"
        "def test_0(tfserving_grpc): tfserving_grpc.reload_config(b'\\n\\0')  # a model_config_list without any\n"
        "@pytest.mark.tfserving('exports/one')\n"
        "def test_1(tfserving_rest): tfserving_rest.predict(inputs={'x': [1.0]})\n",
        model=None,
    )
    models.run().assert_outcomes(passed=2)


def test_a_large_model_keeps_nobody_waiting(models):
    (models.path / "exports" / "two" / "1" / "assets").mkdir(exist_ok=True)
    with (models.path / "exports" / "two" / "1" / "assets" / "large").open("wb") as file:
        file.truncate(64_000_001)
    models.test_file(marked("'exports/one'", "'exports/two'", "'exports/three'"), model=None)
    models.run().assert_outcomes(passed=3)
    used = servers(models)
    assert used["test_0"] == used["test_2"] != used["test_1"]


def test_contract_files_share_too(models):
    for name in ("one", "two"):
        (models.path / f"{name}.tfserving.toml").write_text(
            f'[model]\npath = "exports/{name}"\n[requests.r]\ninputs.x = [1.0]\noutputs.y = [2.5]\n'
        )
    result = models.run("-v", "-s")
    result.assert_outcomes(passed=4)
    assert result.stdout.str().count("tensorflow 2") <= 1, "one server is named"


def test_workers_share_it(models):
    models.test_file(marked("'exports/one'", "'exports/two'", "'exports/three'"), model=None)
    models.run("-n", "2").assert_outcomes(passed=3)
    assert len(set(servers(models).values())) == 1


def test_a_model_that_does_not_load_takes_no_other_with_it(models):
    warmup = models.path / "exports" / "two" / "1" / "assets.extra" / "tf_serving_warmup_requests"
    warmup.parent.mkdir(exist_ok=True)
    warmup.write_bytes(b"no TFRecord")
    models.test_file(marked("'exports/one'", "'exports/two'", "'exports/three'"), model=None)
    result = models.run()
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(
        ["*ERROR at setup of test_1*", "StartupError: *", "*Loading servable: {name: two *failed*"]
    )
    assert "two and the 2 others are served apart" in result.stdout.str() + result.stderr.str()
    used = servers(models)
    assert used["test_0"] == used["test_2"]


def test_a_model_that_ends_the_server_takes_no_other_with_it(models):
    shutil.copytree(EXPORTS / "aborting", models.path / "exports" / "aborting")
    models.test_file(
        "@pytest.mark.tfserving('exports/one')\ndef test_a(tfserving_rest): tfserving_rest.predict(inputs={'x': [1.0]})\n"
        "@pytest.mark.tfserving('exports/aborting')\ndef test_b(tfserving_grpc): tfserving_grpc.predict(inputs={'x': 1})\n"
        "@pytest.mark.tfserving('exports/two')\ndef test_c(tfserving_rest): tfserving_rest.predict(inputs={'x': [1.0]})\n"
        "@pytest.mark.tfserving('exports/one')\ndef test_d(tfserving_rest): tfserving_rest.predict(inputs={'x': [1.0]})\n",
        model=None,
    )
    result = models.run()
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*test_b*", "*ended during the run: killed by SIGABRT*"])


@pytest.mark.parametrize("arguments", [(), ("--tfserving-reuse=0.2",)], ids=["", "reuse"])
def test_the_others_share_again_where_a_model_has_ended_the_server(models, arguments):
    """Each on a server of its own, thirty models would pay thirty starts for one that crashes."""
    shutil.copytree(EXPORTS / "aborting", models.path / "exports" / "aborting")
    aborting = "@pytest.mark.tfserving('exports/aborting')\n"
    models.test_file(
        HEAD
        + f"{aborting}def test_a(tfserving_grpc): tfserving_grpc.predict(inputs={{'x': 1}})\n"
        + "".join(
            f"@pytest.mark.tfserving('exports/{name}')\n"
            f"def test_{name}(tfserving_rest): tfserving_rest.predict(inputs={{'x': [1.0]}})\n"
            for name in ("one", "two", "three")
        )
        + f"{aborting}def test_b(tfserving_grpc): tfserving_grpc.predict(inputs={{'x': 1}})\n",
        model=None,
    )
    result = models.run(*arguments)
    result.assert_outcomes(passed=3, failed=2)
    assert "aborting and the 3 others are served apart" in result.stdout.str() + result.stderr.str()
    used = servers(models)
    assert used["test_one"] == used["test_two"] == used["test_three"]
    assert used["test_a"] != used["test_one"] != used["test_b"]


def test_of_several_workers_each_ones_last_model_is_served_apart(models):
    """Which of them has ended the server is not known; that all the others get one each would be twelve starts."""
    shutil.copytree(EXPORTS / "aborting", models.path / "exports" / "aborting")
    names = [f"model_{n}" for n in range(11)]
    for name in names:
        shutil.copytree(models.path / "exports" / "one", models.path / "exports" / name)
    models.test_file(
        HEAD
        + "@pytest.mark.tfserving('exports/aborting')\n"
        + "def test_a(tfserving_grpc): tfserving_grpc.predict(inputs={'x': 1})\n"
        + "".join(
            f"@pytest.mark.tfserving('exports/{name}')\n"
            f"def test_{name}(tfserving_rest): tfserving_rest.predict(inputs={{'x': [1.0]}})\n"
            for name in names
        ),
        model=None,
    )
    result = models.run("-n", "2")
    failed = result.parseoutcomes()["failed"]
    assert failed <= 2, "its own test, and that of the other worker at that moment"
    assert len(set(servers(models).values())) <= 6, "all, those two alone, and the others; they may differ by a model"
    assert (result.stdout.str() + result.stderr.str()).count(" others are served apart") == 1


def test_a_server_that_answers_unavailable_is_waited_for_once(models):
    (models.path / "conftest.py").write_text(
        "from pytest_tfserving.served import Served\n"
        "check_alive = Served.check_alive\n"
        "def noted(served, doing='during the run', within=0.0):\n"
        "    print('WITHIN', within)\n"
        "    return check_alive(served, doing, within)\n"
        "Served.check_alive = noted\n"
    )
    models.test_file(
        "@pytest.mark.tfserving('exports/one')\n@pytest.mark.parametrize('n', range(3))\n"
        "def test_it(tfserving, n): raise RuntimeError('UNAVAILABLE')\n"
        "def test_all(tfserving_server):\n"
        "    tfserving_server(models={'two': 'exports/two', 'three': 'exports/three'})\n"
        "    raise RuntimeError('UNAVAILABLE')\n",
        model=None,
    )
    result = models.run("-s")
    result.assert_outcomes(failed=4)
    assert [line for line in result.outlines if "WITHIN 1.0" in line] == ["WITHIN 1.0"] * 2, "one each server"


def test_a_test_looks_once_whether_its_server_lives(models):
    """However many models it has: thousands of tests of dozens of models ask."""
    (models.path / "conftest.py").write_text(
        "from pytest_tfserving.backends.run import KeptServer\n"
        "looks, check_alive = [], KeptServer.check_alive\n"
        "def counted(*arguments):\n"
        "    looks.append(arguments)\n"
        "    return check_alive(*arguments)\n"
        "KeptServer.check_alive = counted\n"
        "def pytest_runtest_logfinish(nodeid): print('LOOKS', nodeid, len(looks)); looks.clear()\n"
    )
    models.test_file(marked("'exports/one'", "'exports/two'", "'exports/three'"), model=None)
    result = models.run("-s")
    result.assert_outcomes(passed=3)
    counts = [int(line.rpartition(" ")[2]) for line in result.outlines if "LOOKS" in line]
    assert counts[1:] == [1, 1]  # the first one waits for the server too


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (["--collect-only", "-q"], 0),
        (["--fixtures"], 0),
        (["--fixtures-per-test"], 0),
        (["--setup-plan"], 0),
        (["broken.py", "test_model.py"], 0),
        (["broken.py", "test_model.py", "--continue-on-collection-errors"], 2),
        (["-k", "test_0"], 1),
        (["-k", "nothing"], 0),
        (["-k", "test_skipped"], 0),
    ],
    ids=str,
)
def test_nothing_starts_that_no_test_needs(models, arguments, count):
    """The keeper's directory of a server is there as soon as it is started."""
    skipped = "@pytest.mark.skip\n@pytest.mark.tfserving('exports/three')\ndef test_skipped(tfserving): ...\n"
    tests = marked("'exports/one', server_args=('--enable_batching',)", "'exports/two'")
    models.test_file(tests + skipped, model=None)
    (models.path / "broken.py").write_text("import nothing_of_this_name\n")
    (models.path / "conftest.py").write_text(
        "import pathlib\n"
        "def pytest_sessionfinish(session):\n"
        "    from pytest_tfserving.fixtures import SESSION\n"
        "    run = session.config.stash[SESSION]._run\n"
        "    found = [p for p in run.directory.iterdir() if p.is_dir()] if run else []\n"
        "    pathlib.Path('count').write_text(str(len(found)))\n"
    )
    models.run(*arguments)
    assert int((models.path / "count").read_text()) == count


def test_servers_start_side_by_side_before_the_first_test(models):
    models.test_file(
        "import time\n"
        "from pytest_tfserving.fixtures import SESSION\n"
        "@pytest.mark.tfserving('exports/one', server_args=('--enable_batching',))\n"
        "def test_b(tfserving): ...\n"
        "@pytest.mark.tfserving('exports/one')\n"
        "def test_z(tfserving): ...\n",
        model=None,
    )
    (models.path / "test_a.py").write_text(
        "def test_both_are_on_their_way(request):\n"
        "    from pytest_tfserving.fixtures import SESSION\n"
        "    run = request.config.stash[SESSION]._run\n"
        "    assert len([p for p in run.directory.iterdir() if p.is_dir()]) == 2\n"
    )
    models.run().assert_outcomes(passed=3)


def test_an_export_that_a_fixture_writes_anew_is_served_as_it_is_then(models):
    """The server that was started at the end of collection has the old files."""
    shutil.copy(EDITED, models.path / "edited_exports.py")
    models.test_file(
        "import pathlib\n"
        "from edited_exports import set_variables\n"
        "@pytest.fixture(scope='session', autouse=True)\n"
        "def export(): set_variables(pathlib.Path('exports/one/1'), 3.0, 4.0)\n"
        "@pytest.mark.tfserving('exports/one')\n"
        "def test_it(tfserving_rest): assert tfserving_rest.predict(inputs={'x': [1.0]})['y'].tolist() == [7.0]\n",
        model=None,
    )
    models.run().assert_outcomes(passed=1)


@pytest.mark.parametrize("arguments", [(), ("--tfserving-reuse=0.2",)], ids=["", "reuse"])
def test_an_export_that_is_written_anew_after_its_server_was_asked_for_another(models, arguments):
    shutil.copy(EDITED, models.path / "edited_exports.py")
    models.test_file(
        "import pathlib\n"
        "from edited_exports import set_variables\n"
        "def predicted(client): return client.predict(inputs={'x': [1.0]})['y'].tolist()\n"
        "@pytest.mark.tfserving('exports/one')\n"
        "def test_0(tfserving_rest): assert predicted(tfserving_rest) == [2.5]\n"
        "@pytest.fixture\n"
        "def export(): set_variables(pathlib.Path('exports/two/1'), 3.0, 4.0)\n"
        "@pytest.mark.tfserving('exports/two')\n"
        "def test_1(export, tfserving_rest): assert predicted(tfserving_rest) == [7.0]\n"
        "@pytest.fixture\n"
        "def gone(): pathlib.Path('exports/three').rename('exports/four')\n"
        "@pytest.mark.tfserving('exports/three')\n"
        "def test_2(gone, tfserving_rest): ...\n"
        "@pytest.mark.tfserving('exports/one')\n"
        "def test_3(tfserving_rest): assert predicted(tfserving_rest) == [2.5]\n",
        model=None,
    )
    result = models.run(*arguments)
    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(["*ERROR at setup of test_2*", "ExportError: no such directory: *three*"])


def test_an_export_that_a_fixture_removes_is_missed_by_its_own_test_alone(models):
    models.test_file(
        "import pathlib\n"
        "@pytest.fixture(scope='session', autouse=True)\n"
        "def gone(): pathlib.Path('exports/three').rename('exports/four')\n"
        + marked("'exports/one'", "'exports/two'", "'exports/three'"),
        model=None,
    )
    result = models.run()
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*ERROR at setup of test_2*", "ExportError: no such directory: *three*"])
    used = servers(models)
    assert used["test_0"] == used["test_1"]


def test_where_there_is_no_server_nobody_is_served_alone(models, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    models.test_file(marked("'exports/one'", "'exports/two'"), model=None)
    result = models.run(backend="docker")
    result.assert_outcomes(errors=2)
    assert "served alone" not in result.stdout.str() + result.stderr.str()


def test_a_large_model_is_large_behind_a_link_too(models):
    (models.path / "data").mkdir()
    with (models.path / "data" / "large").open("wb") as file:
        file.truncate(64_000_001)
    assets = models.path / "exports" / "two" / "1" / "assets"
    shutil.rmtree(assets, ignore_errors=True)
    assets.symlink_to(models.path / "data", target_is_directory=True)
    models.test_file(marked("'exports/one'", "'exports/two'", "'exports/three'"), model=None)
    models.run().assert_outcomes(passed=3)
    used = servers(models)
    assert used["test_0"] == used["test_2"] != used["test_1"]


def test_a_baseline_is_on_the_server_of_its_model(models):
    models.golden("one", {"inputs": {"x": [1.0]}, "outputs": {"y": [2.5]}})
    models.test_file(
        HEAD
        + "@pytest.mark.tfserving('exports/one')\n@pytest.mark.tfserving_golden('goldens/one', against='exports/two')\n"
        "def test_0(request, tfserving_server):\n"
        "    from pytest_tfserving.fixtures import SESSION\n"
        "    everything = request.config.stash[SESSION].serving.everything_served()\n"
        "    assert sorted({served.name for served in everything}) == ['one', 'one-baseline']\n"
        "    assert len({served.endpoint for served in everything}) == 1\n",
        model=None,
    )
    models.run().assert_outcomes(passed=2)
