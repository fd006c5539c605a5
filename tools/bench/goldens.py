"""What goldens cost: comparing large arrays beside numpy.allclose."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

VALUES = 10_000_000


def rows(rounds: int) -> Iterator[tuple[str, str, str, str, str]]:
    """(what, measured, baseline, ratio or size, limit) of each figure."""
    import numpy as np

    from pytest_tfserving.golden.compare import compare
    from pytest_tfserving.golden.tolerance import Tolerance

    golden = np.random.default_rng(0).random(VALUES, dtype=np.float32)
    one = golden.copy()
    one[VALUES // 3] += 1
    for what, served in (
        ("equal", golden.copy()),
        ("one value differs", one),
        ("all within the tolerance", golden * np.float32(1 + 1e-6)),
    ):
        holds = what != "one value differs"

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


def in_turns(first: Callable[[], None], second: Callable[[], None], rounds: int) -> tuple[float, float]:
    """The least CPU seconds of each, called in turns; the first call of each warms up and is not counted."""
    times: tuple[list[float], list[float]] = ([], [])
    for n in range(rounds + 1):
        for measured, function in zip(times, (first, second), strict=True):
            begin = time.process_time()
            function()
            if n:
                measured.append(time.process_time() - begin)
    return min(times[0]), min(times[1])
