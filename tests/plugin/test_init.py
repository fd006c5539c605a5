"""From `pytest-tfserving init` to a green run: what it writes, pytest records, and then holds."""

import sysconfig
from pathlib import Path

import pytest

from tests.conftest import EXAMPLES

SCRIPT = Path(sysconfig.get_path("scripts")) / "pytest-tfserving"


@pytest.mark.parametrize("name", ["mnist", "custom_tag"])
def test_a_first_contract_is_recorded_and_then_holds(pytester, name):
    file = f"{name}.tfserving.toml"
    written = pytester.run(SCRIPT, "init", EXAMPLES / name / "exports" / name)
    assert written.ret == 0
    assert written.outlines[-1] == f"next: pytest {file} --tfserving-update"
    before = (pytester.path / file).read_text()
    options = ("-p", "no:cacheprovider", "--tfserving-backend=embedded", file)
    recorded = pytester.runpytest_subprocess(*options, "--tfserving-update")
    assert recorded.ret == 0
    recorded.stdout.fnmatch_lines(["*recorded goldens/*"])
    held = pytester.runpytest_subprocess(*options)
    assert held.ret == 0
    assert held.parseoutcomes()["passed"] == recorded.parseoutcomes()["passed"] >= 4
    assert (pytester.path / file).read_text() == before
