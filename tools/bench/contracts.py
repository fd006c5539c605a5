"""What contracts cost: `show` beside TensorFlow's saved_model_cli, and the collection of a large contract file."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "example_models"
SCRIPTS = Path(sysconfig.get_path("scripts"))
PYTEST = (sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "no:hypothesispytest", "-p", "no:xdist")

SIGNATURES, GOLDENS = 200, 2_000


def rows(rounds: int) -> Iterator[tuple[str, str, str, str, str]]:
    """(what, measured, baseline, ratio or size, limit) of each figure."""
    for name in ("half_plus_two", "keras_export"):
        export = EXAMPLES / name / "exports" / name
        ours, theirs = in_turns(
            [str(SCRIPTS / "pytest-tfserving"), "show", str(export)],
            [str(SCRIPTS / "saved_model_cli"), "show", "--all", "--dir", str(export / "1")],
            rounds,
        )
        yield (
            f"`show` of {name}",
            f"{ours:.2f} s",
            f"{theirs:.2f} s `saved_model_cli show`",
            f"{ours / theirs:.2f}",
            "0.1",
        )
    with tempfile.TemporaryDirectory() as directory:
        large, empty = Path(directory, "large"), Path(directory, "empty")
        empty.mkdir()
        write_contract(large)
        ours, bare = in_turns([*PYTEST, str(large)], [*PYTEST, str(empty)], rounds, may_fail=True)
        yield (
            f"collection of {SIGNATURES} signatures and {GOLDENS} goldens",
            f"{ours:.2f} s",
            f"{bare:.2f} s of nothing",
            f"{ours - bare:.2f} s",
            "1 s",
        )


def write_contract(directory: Path) -> None:
    """A contract of many signatures and golden cases, half of these in one file and half in files of their own."""
    goldens = directory / "goldens"
    goldens.mkdir(parents=True)
    case = {"inputs": {"x": [1.0, 2.0, 5.0]}, "outputs": {"y": [2.5, 3.0, 4.5]}}
    half = GOLDENS // 2
    (goldens / "many.json").write_text(json.dumps({"cases": {f"case-{n}": case for n in range(half)}}))
    for n in range(half):
        (goldens / f"one-{n}.json").write_text(json.dumps(case))
    signatures = "".join(
        f'[signatures.signature_{n}]\nmethod = "predict"\n'
        f'inputs.x = "float32[batch<=64, {n}]"\noutputs.y = "float32[batch]"\n\n'
        for n in range(SIGNATURES)
    )
    export = EXAMPLES / "half_plus_two" / "exports" / "half_plus_two"
    text = f"[model]\npath = {json.dumps(str(export))}\n\n{signatures}[goldens]\npath = 'goldens'\n"
    (directory / "large.tfserving.toml").write_text(text)


def in_turns(
    first: Sequence[str], second: Sequence[str], rounds: int, *, may_fail: bool = False
) -> tuple[float, float]:
    """The median seconds of each command, run in turns; the first run of each compiles and is not counted."""
    times: tuple[list[float], list[float]] = ([], [])
    for n in range(rounds + 1):
        for measured, command in zip(times, (first, second), strict=True):
            begin = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=not may_fail)
            if n:
                measured.append(time.perf_counter() - begin)
    return statistics.median(times[0]), statistics.median(times[1])
