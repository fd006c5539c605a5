"""From `pytest-tfserving init` to a green run: what it writes, pytest records, and then holds."""

import pytest

from pytest_tfserving.cli import main
from tests.conftest import EXAMPLES


@pytest.mark.parametrize("name", ["half_plus_two", "mnist", "custom_tag"])
def test_a_first_contract_is_recorded_and_then_holds(pytester, capsys, name):
    assert main(["init", str(EXAMPLES / name / "exports" / name)]) == 0
    file = f"{name}.tfserving.toml"
    assert f"next: pytest {file} --tfserving-update" in capsys.readouterr().out
    before = (pytester.path / file).read_text()
    options = ("-p", "no:cacheprovider", "--tfserving-backend=embedded", file)
    recorded = pytester.runpytest_subprocess(*options, "--tfserving-update")
    assert recorded.ret == 0
    recorded.stdout.fnmatch_lines(["*recorded goldens/*"])
    held = pytester.runpytest_subprocess(*options)
    assert held.ret == 0
    assert held.parseoutcomes()["passed"] == recorded.parseoutcomes()["passed"] >= 4
    assert (pytester.path / file).read_text() == before
