"""The console script: what it says without a command, and of one that it does not know"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

import pytest

from pytest_tfserving import cli

SCRIPT = Path(sysconfig.get_path("scripts")) / "pytest-tfserving"


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_lists_every_command(capsys, flag):
    assert cli.main([flag]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("usage: pytest-tfserving COMMAND ...\n")
    assert not err
    for name, command in cli.COMMANDS.items():
        assert f"\n  {name:<{max(map(len, cli.COMMANDS))}}  {command.summary}\n" in out


def test_the_installed_script_says_its_version():
    run = subprocess.run([SCRIPT, "--version"], capture_output=True, text=True, check=True)
    assert run.stdout == f"pytest-tfserving {metadata.version('pytest-tfserving')}\n"


@pytest.mark.parametrize(
    ("arguments", "first_line"),
    [
        ([], "usage: pytest-tfserving COMMAND ..."),
        ([""], "usage: pytest-tfserving COMMAND ..."),
        (["serv", "--port=0"], "unknown command: serv; did you mean serve?"),
        (["frobnicate"], "unknown command: frobnicate"),
        (["--versoin"], "unknown option: --versoin; did you mean --version?"),
        (["--port=0"], "unknown option: --port=0"),
    ],
)
def test_what_names_no_command_ends_with_2_and_the_usage(capsys, arguments, first_line):
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.splitlines()[0] == first_line
    assert err.endswith(cli.usage() + "\n")


def test_ctrl_c_while_a_command_is_imported(capsys, monkeypatch):
    def interrupted(name):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "import_module", interrupted)
    assert cli.main(["diff", "old", "new"]) == 130
    assert capsys.readouterr() == ("", "pytest-tfserving diff: interrupted\n")


@pytest.mark.parametrize("arguments", [["schema"], ["servers"]])
def test_a_reader_that_goes_away_and_a_full_disk(arguments):
    with subprocess.Popen([SCRIPT, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as gone:
        gone.stdout.close()
        assert (gone.stderr.read(), gone.wait(30)) == ("", 0)
    full = Path("/dev/full")
    if full.exists():  # on Linux
        with full.open("w") as stdout:
            ended = subprocess.run([SCRIPT, *arguments], stdout=stdout, stderr=subprocess.PIPE, text=True, check=False)
        said = f"pytest-tfserving {arguments[0]}: cannot read or write standard output: No space left on device\n"
        assert (ended.returncode, ended.stderr) == (2, said)


def test_the_usage_needs_nothing_heavy():
    code = "import sys; from pytest_tfserving import cli; cli.main(['--help']); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"grpc", "numpy", "pytest", "requests", "pytest_tfserving.server"} & set(run.stdout.split())
