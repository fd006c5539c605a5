"""The console script `pytest-tfserving COMMAND ...`: the parts that are no test run.

A command reads its own arguments, so that `pytest-tfserving serve --port=0` takes what
`python -m pytest_tfserving.server --port=0` takes. Nothing is imported before the command that needs it is known.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NamedTuple, NoReturn

from pytest_tfserving.suggestion import did_you_mean

# A command line that cannot be meant, as argparse and pytest have it too.
USAGE_ERROR = 2
# As a shell has it of what SIGINT ended.
INTERRUPTED = 130


class Command(NamedTuple):
    """A subcommand: one line of what it does, and what runs it with the arguments behind its name."""

    summary: str
    run: Callable[[Sequence[str]], int]


def serve(arguments: Sequence[str]) -> NoReturn:
    """Becomes the embedded server: the same process, so that signals and the exit status are the server's own."""
    command = [sys.executable, "-m", "pytest_tfserving.server", *arguments]
    # -m would look in the working directory first, where a repository may well have a tensorflow/.
    os.execve(sys.executable, command, {**os.environ, "PYTHONSAFEPATH": "1"})


def _module(name: str) -> Callable[[Sequence[str]], int]:
    """The run() of a module of commands/, imported when it is called."""

    def run(arguments: Sequence[str]) -> int:
        status: int = import_module(f"pytest_tfserving.commands.{name}").run(arguments)
        return status

    return run


COMMANDS = {
    "serve": Command("serve SavedModels as tensorflow_model_server does", serve),
    "show": Command("print what an export promises, and what will hurt when it is served", _module("show")),
    "init": Command("write a first contract for an export", _module("init")),
    "diff": Command("name what breaks for clients between two exports, contracts or servers", _module("diff")),
    "drift": Command("compare the answers of two exports to the same inputs", _module("drift")),
    "warmup": Command("write goldens as an export's warm-up file, or such a file as goldens", _module("warmup")),
    "servers": Command("list or stop the servers that --tfserving-reuse left up", _module("servers")),
    "schema": Command("print the JSON schema of contract files, for editors", _module("schema")),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command that the arguments (those of the process) name; the exit status.

    >>> main(["serv"])  # on stderr: unknown command: serv; did you mean serve?
    2
    """
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or [""]
    if name in COMMANDS:
        try:
            return COMMANDS[name].run(rest)
        except KeyboardInterrupt:
            print(f"pytest-tfserving {name}: interrupted", file=sys.stderr)
            return INTERRUPTED
    if name in ("-h", "--help"):
        print(usage())
        return 0
    if name == "--version":
        from importlib import metadata

        print(f"pytest-tfserving {metadata.version('pytest-tfserving')}")
        return 0
    print(f"{_unknown(name)}\n\n{usage()}" if name else usage(), file=sys.stderr)
    return USAGE_ERROR


def usage() -> str:
    """What --help prints, with a line a command."""
    width = max(map(len, COMMANDS))
    commands = "\n".join(f"  {name:<{width}}  {command.summary}" for name, command in COMMANDS.items())
    return (
        "usage: pytest-tfserving COMMAND ...\n"
        f"\n{commands}\n\n"
        "`pytest-tfserving COMMAND --help` says more of each; `pytest-tfserving --version` prints the version.\n"
        "The tests themselves are run by pytest."
    )


def _unknown(name: str) -> str:
    kind = "option" if name.startswith("-") else "command"
    return f"unknown {kind}: {name}{did_you_mean(name, [*COMMANDS, '--help', '--version'])}"
