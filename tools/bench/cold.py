"""A whole pytest, from the shell to its exit: cold, with servers of the run before, and beside a suite by hand."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tools.bench import inside

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
EXPORT = ROOT / "example_models" / "half_plus_two" / "exports" / "half_plus_two"
SCRIPTS = Path(sysconfig.get_path("scripts"))

# Of the plugins that are installed for development, hypothesis alone takes most of a second.
OTHERS = ("-p", "no:hypothesispytest", "-p", "no:xdist", "-p", "no:cacheprovider")
PYTEST = (sys.executable, "-m", "pytest", "-q", *OTHERS)

SUITE = "one model, signature and golden on both transports"


def rows(rounds: int, binary: str | None) -> Iterator[tuple[str, str, str, str, str]]:
    """(what, measured, baseline, ratio or size, limit) of each figure. `binary` is measured if given."""
    embedded = [*PYTEST, str(HERE / "ours.py"), "--tfserving-backend=embedded"]
    by_hand = [*PYTEST, "-p", "no:tfserving", str(HERE / "handwritten.py")]
    ours, hand = in_turns([embedded, by_hand], rounds)
    yield (f"{SUITE}, cold, embedded", *beside(ours, hand, "by hand"), "0.35")
    yield "the same: peak memory of the pytest process", f"{look_inside(embedded).megabytes:.0f} MB", "", "", "120 MB"
    if binary:
        mine, hand = in_turns(
            [[*embedded[:-1], "--tfserving-backend=binary", f"--tfserving-binary={binary}"], by_hand], rounds
        )
        yield (f"the same, binary ({binary})", *beside(mine, hand, "by hand"), "")
    with tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder, "x.npy")
        np.save(inputs, np.array([1.0, 2.0, 5.0], np.float32))
        cli = [
            str(SCRIPTS / "saved_model_cli"), "run", "--dir", str(EXPORT / "1"), "--tag_set", "serve",
            "--signature_def", "serving_default", "--inputs", f"x={inputs}",
        ]  # fmt: skip
        ours, theirs = in_turns([embedded, cli], rounds)
    yield ("the same, embedded, beside one prediction", *beside(ours, theirs, "`saved_model_cli run`"), "")
    with tempfile.TemporaryDirectory() as empty:
        nothing = [*PYTEST, "--rootdir", empty, empty]
        with leases() as environment:
            second = [*embedded, "--tfserving-reuse=60"]
            run(second, environment)  # starts the server that all the others use
            again, bare = in_turns([second, nothing], rounds, environment)
        yield ("the same, second run with `--tfserving-reuse`", *beside(again, bare, "of nothing"), "0.6 s")


class leases:  # noqa: N801  # a context manager, called like a function
    """An environment in which leased servers are this benchmark's own, and end with it."""

    def __enter__(self) -> dict[str, str]:
        self._directory = tempfile.mkdtemp()
        return {"TMPDIR": self._directory}

    def __exit__(self, *_: object) -> None:
        environment = {**os.environ, "TMPDIR": self._directory}
        subprocess.run(
            [str(SCRIPTS / "pytest-tfserving"), "servers", "--stop"],
            env=environment,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        shutil.rmtree(self._directory)


class Runs:
    """Runs of one command: the median of their seconds."""

    def __init__(self) -> None:
        self._seconds: list[float] = []

    def add(self, seconds: float) -> None:
        self._seconds.append(seconds)

    @property
    def seconds(self) -> float:
        return statistics.median(self._seconds)


def in_turns(
    commands: Sequence[Sequence[str]], rounds: int, environment: Mapping[str, str] | None = None
) -> list[Runs]:
    """The runs of each command, in turns, so that what else the machine does meets all of them.

    The first run of each compiles, fills caches, and is not counted.
    """
    found = [Runs() for _ in commands]
    for n in range(rounds + 1):
        for runs, command in zip(found, commands, strict=True):
            seconds = run(command, environment or {})
            if n:
                runs.add(seconds)
    return found


class Inside(NamedTuple):
    """Of one pytest: seconds to the end of its first test, if it had any, in all, and its peak resident megabytes."""

    first_verdict: float | None
    seconds: float
    megabytes: float


def look_inside(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Inside:
    """A run of a pytest that must succeed, with inside.py."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "inside.json")
        begin = time.monotonic()
        seconds = run([*command, "-p", inside.__name__], {**(environment or {}), inside.FILE: str(file)})
        found = json.loads(file.read_text())
    return Inside(found["verdicts"][0] - begin if found["verdicts"] else None, seconds, found["megabytes"])


def run(command: Sequence[str], environment: Mapping[str, str]) -> float:
    """Seconds of a command that must succeed, or have had no test to run."""
    begin = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - begin
    if done.returncode and "no tests ran" not in done.stdout:
        sys.exit(done.stdout)
    return seconds


def beside(ours: Runs, theirs: Runs, what: str) -> tuple[str, str, str]:
    """Measured, baseline and ratio of two commands."""
    return f"{ours.seconds:.2f} s", f"{theirs.seconds:.2f} s {what}", f"{ours.seconds / theirs.seconds:.2f}"
