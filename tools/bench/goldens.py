"""What goldens cost: comparing large arrays beside numpy.allclose, a thousand small cases beside bare calls, logs."""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tools.bench import logs

VALUES = 10_000_000
CASES = 1_000
EXPORT = Path(__file__).parents[2] / "example_models" / "half_plus_two" / "exports" / "half_plus_two"

Row = tuple[str, str, str, str, str]


def rows(rounds: int) -> Iterator[Row]:
    """(what, measured, baseline, ratio or size, limit) of each figure."""
    yield from comparing(rounds)
    with tempfile.TemporaryDirectory() as directory:
        yield from many_cases(Path(directory), rounds)
    yield from logs.rows()


def comparing(rounds: int) -> Iterator[Row]:
    """Of large arrays, that hold and that do not."""
    import numpy as np

    from pytest_tfserving.golden.compare import compare
    from pytest_tfserving.golden.tolerance import Tolerance

    random = np.random.default_rng(0)
    golden = random.random(VALUES, dtype=np.float32)
    one = golden.copy()
    one[VALUES // 3] += 1
    for what, served in (
        ("equal", golden.copy()),
        ("one value differs", one),
        ("all within the tolerance", golden * np.float32(1 + 1e-6)),
        ("all wrong by one number", golden + np.float32(0.5)),
        ("all wrong by noise", golden * (1 + random.normal(size=VALUES).astype(np.float32) * np.float32(1e-3))),
    ):
        holds = bool(np.allclose(served, golden))

        def ours(served: np.ndarray = served, holds: bool = holds) -> None:
            assert compare({"y": golden}, {"y": served}, Tolerance()).holds is holds

        def theirs(served: np.ndarray = served, holds: bool = holds) -> None:
            assert np.allclose(served, golden) is holds

        mine, bare = in_turns(ours, theirs, rounds)
        yield (
            f"comparing 10^7 float32, {what}",
            f"{mine * 1e3:.0f} ms",
            f"{bare * 1e3:.0f} ms `numpy.allclose`",
            f"{mine / bare:.2f}",
            "2",
        )


def many_cases(directory: Path, rounds: int) -> Iterator[Row]:
    """A thousand cases over both transports, as one set and as a test each, beside the calls that they consist of."""
    from pytest_tfserving.assertions.golden_set import check_golden_set
    from pytest_tfserving.assertions.subject import Subject
    from pytest_tfserving.contracts.checks import GoldenSetCheck
    from pytest_tfserving.golden.store import read_cases
    from pytest_tfserving.golden.tolerance import Tolerance
    from pytest_tfserving.options import Settings
    from pytest_tfserving.serve_request import ModelRequest, ServeRequest
    from pytest_tfserving.session import Session

    file = directory / "goldens.json"
    values = [[n / 8, n / 4, 1.0] for n in range(CASES)]
    file.write_text(
        json.dumps(
            {
                "cases": {
                    f"c{n:04}": {"inputs": {"x": x}, "outputs": {"y": [v / 2 + 2 for v in x]}}
                    for n, x in enumerate(values)
                }
            }
        )
    )
    settings = Settings.resolve(lambda o: "embedded" if o.name == "backend" else None, lambda _: None, {})
    session = Session(settings, lambda _: None)
    request = ServeRequest((ModelRequest(EXPORT),))
    [served] = session.serving.serve(request).values()
    cases = tuple(read_cases(file))

    def as_set() -> None:
        for transport in ("rest", "grpc"):
            subject = Subject(session, request, (), "")
            assert check_golden_set(subject, GoldenSetCheck("bench", cases, transport, Tolerance())) is None

    def bare() -> None:
        for client in (served.rest, served.grpc):
            for x in values:
                client.predict(inputs={"x": x})

    try:
        mine, theirs = in_turns(as_set, bare, rounds, time.perf_counter)
        whole = f"{CASES:,} golden cases over both transports"
        baseline = f"{theirs:.2f} s one bare call after the other"
        yield f"{whole}, as one test each", f"{mine:.2f} s", baseline, f"{mine / theirs:.2f}", "1.5"
        singly = statistics.median(_one_test_a_case(directory, rounds))
        yield f"{whole}, as a test a case", f"{singly:.2f} s", baseline, f"{singly / theirs:.2f}", "-"
    finally:
        session.close()


def _one_test_a_case(directory: Path, rounds: int) -> Iterator[float]:
    """Seconds of a whole run of pytest with a test a case and transport, less those of one that has a single case."""
    shutil.copytree(EXPORT, directory / "exports" / "half_plus_two")
    for _ in range(rounds):
        times = []
        for keyword in ("c0000", "c"):
            (directory / "test_cases.py").write_text(
                "import pytest\n"
                "@pytest.mark.tfserving('exports/half_plus_two')\n"
                "@pytest.mark.tfserving_golden('goldens.json')\n"
                "def test_case(): ...\n"
            )
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:hypothesispytest", "-p", "no:xdist"]
            command += ["-p", "no:cacheprovider", "--tfserving-backend=embedded", "-k", keyword, "test_cases.py"]
            begin = time.perf_counter()
            done = subprocess.run(command, cwd=directory, env=os.environ, capture_output=True, text=True, check=True)
            times.append(time.perf_counter() - begin)
            assert re.search(rf"\b{2 * CASES if keyword == 'c' else 2} passed", done.stdout), done.stdout
        yield times[1] - times[0]


def in_turns(
    first: Callable[[], None],
    second: Callable[[], None],
    rounds: int,
    clock: Callable[[], float] = time.process_time,
) -> tuple[float, float]:
    """The least seconds of each (of the processor's where nothing else is said), called in turns; the first call of
    each warms up and is not counted."""
    times: tuple[list[float], list[float]] = ([], [])
    for n in range(rounds + 1):
        for measured, function in zip(times, (first, second), strict=True):
            begin = clock()
            function()
            if n:
                measured.append(clock() - begin)
    return min(times[0]), min(times[1])
