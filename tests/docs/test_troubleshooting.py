"""The messages that docs/troubleshooting.md explains are those that are printed."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.conftest import EXAMPLES, ROOT
from tests.docs.run_pytest import run_pytest

TEXT = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")

# What goes wrong in a test file below is looked for in these sections; the others need other backends, or accidents.
SECTIONS = ("The export", "Markers and options", "Signatures and goldens")
OTHER_RUNS = {  # a run of its own each: its options, or (None) what tests/plugin and tests/backends have
    "--tfserving-model … names no model, and this run has several": ["--tfserving-model=exports/good", "test_two.py"],
    "'http://127.0.0.1:9' is a URL; a target is host:port": [
        "--tfserving-backend=remote", "--tfserving-grpc-target=http://127.0.0.1:9", "test_one.py",
    ],
    "… sizes do not fit the signature": None,
    "not recorded …": None,
}  # fmt: skip


def messages() -> list[str]:
    found = []
    for section in re.split(r"^## ", TEXT, flags=re.MULTILINE):
        if section.startswith(SECTIONS):
            found += re.findall(r"^\| `([^`]+)`", section, re.MULTILINE)
    return found


TESTS = """
import pytest
tfserving, signature, golden = pytest.mark.tfserving, pytest.mark.tfserving_signature, pytest.mark.tfserving_golden
good = tfserving("exports/good")
GOOD = {"x": "float32[n]"}

@tfserving("exports/goood")
def test_path(tfserving): ...
@tfserving("exports/empty")
def test_empty(tfserving): ...
@tfserving("exports/good/1/saved_model.pb")
def test_file(tfserving): ...
@tfserving("exports/cut")
def test_cut(tfserving): ...
@tfserving("exports/zero")
def test_zero(tfserving): ...
@tfserving("exports/without_variables")
def test_variables(tfserving): ...
@tfserving("exports/cut_variables")
def test_shard(tfserving): ...
@tfserving("exports/newest_is_empty")
def test_newest(tfserving): ...
@tfserving("exports/good", tags=("gpu",))
def test_tags(tfserving): ...
@tfserving("exports/good", version=7)
def test_version(tfserving): ...
@tfserving("exports/good", label="stable")
def test_label(tfserving): ...
@tfserving("exports/good", label="stable", version=1)
def test_label_and_version(tfserving): ...
@tfserving("exports/good", vresion=1)
def test_keyword(tfserving): ...
def test_no_marker(tfserving): ...
@good
@signature("servign_default", inputs=GOOD)
def test_signature_name(): ...
@good
@signature(inputs={"x": "int32[n]"})
def test_signature(): ...
@good
@signature(inputs={"x": "flot32[n]"})
def test_spec(): ...
@good
@signature("serving_default")
def test_nothing(): ...
@good
@golden("goldens")
def test_goldens(): ...
@good
@golden("nosuch")
def test_no_golden(): ...
"""
X = {"inputs": {"x": [1.0]}}
GOLDENS = {
    "differs": {**X, "outputs": {"y": [1.0]}},
    "without": X,
    "signature": {**X, "signature_name": "other", "outputs": {"y": [1.0]}},
    "renamed": {**X, "outputs": {"z": [1.0]}},
}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("troubles")
    exports, goldens = root / "exports", root / "goldens"
    for name in ("good", "cut", "without_variables", "cut_variables", "newest_is_empty"):
        shutil.copytree(EXAMPLES / "half_plus_two" / "exports" / "half_plus_two", exports / name)
    for name in ("empty", "zero/1", "newest_is_empty/2"):
        (exports / name).mkdir(parents=True)
    (exports / "zero" / "1" / "saved_model.pb").touch()
    file = exports / "cut" / "1" / "saved_model.pb"
    file.write_bytes(file.read_bytes()[:400])
    shutil.rmtree(exports / "without_variables" / "1" / "variables")
    (exports / "cut_variables" / "1" / "variables" / "variables.data-00000-of-00001").write_bytes(b"")
    goldens.mkdir()
    for name, golden in GOLDENS.items():
        (goldens / f"{name}.json").write_text(json.dumps(golden))
    (goldens / "no_json.json").write_text("{")
    (root / "pytest.ini").write_text("[pytest]\n")
    (root / "test_all.py").write_text(TESTS)
    (root / "test_one.py").write_text('def test_one(tfserving_server): tfserving_server("exports/good")\n')
    (root / "test_two.py").write_text(
        'def test_two(tfserving_server): tfserving_server(models={"a": "exports/good", "b": "exports/good"})\n'
    )
    return root


@pytest.fixture(scope="module")
def printed(repository: Path) -> str:
    return run_pytest(repository, "test_all.py")


@pytest.mark.parametrize("message", messages())
def test_a_message_is_printed(request, repository, message):
    if message in OTHER_RUNS:
        arguments = OTHER_RUNS[message]
        if arguments is None:
            return
        output = run_pytest(repository, *arguments)
    else:
        output = request.getfixturevalue("printed")
    assert re.search(".*".join(map(re.escape, message.split("…"))), output), output


def test_the_update_flag_before_a_path(repository):
    output = run_pytest(repository, "--tfserving-update", "test_one.py")
    assert "argument --tfserving-update: invalid choice" in output
    assert "argument --tfserving-update: invalid choice" in TEXT
