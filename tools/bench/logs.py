"""What replaying a request log costs: seconds beside plain reading of the file, and memory by its size and records."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tools.bench.cold import EXPORT, PYTEST, Inside, look_inside

REQUESTS = 1_000
VALUES = 128_000  # of each, in and out: 0.5 MB each way, and 1 GB of log
SMALL_REQUESTS = 100_000  # listed and not sent: a run of them would take minutes

Row = tuple[str, str, str, str, str]


def rows() -> Iterator[Row]:
    """(what, measured, baseline, ratio or size, limit) of each figure, each of one run."""
    with tempfile.TemporaryDirectory() as directory:
        part = write_repository(Path(directory, "part"), REQUESTS // 10, VALUES)
        before = replay(part).megabytes
        shutil.rmtree(part)
        large = write_repository(Path(directory, "large"), REQUESTS, VALUES)
        log = next(large.glob("*.tfrecord"))
        gigabytes, reading = log.stat().st_size / 1e9, seconds_to_read(log)
        whole = replay(large)
        shutil.rmtree(large)
        yield (
            f"a log of {gigabytes:.1f} GB, {REQUESTS:,} requests, replayed as one test over gRPC",
            f"{whole.seconds:.1f} s",
            f"{reading:.2f} s plain reading of the file",
            f"{whole.seconds / reading:.0f}",
            "30 s",
        )
        yield (
            "the same: peak memory of the pytest process",
            f"{whole.megabytes:.0f} MB",
            f"{before:.0f} MB of a tenth of the log",
            f"{whole.megabytes - before:+.0f} MB",
            "+30 MB",
        )
        few, many = (write_repository(Path(directory, str(n)), n, 3) for n in (1, SMALL_REQUESTS))
        one, all_of_them = replay(few, "--collect-only"), replay(many, "--collect-only")
        yield (
            f"a log of {SMALL_REQUESTS:,} small requests, listed: memory of each",
            f"{all_of_them.megabytes:.0f} MB, {all_of_them.seconds:.1f} s",
            f"{one.megabytes:.0f} MB of one request",
            f"{(all_of_them.megabytes - one.megabytes) / SMALL_REQUESTS * 1e3:.1f} KB a request",
            "2 KB",
        )


def write_repository(directory: Path, requests: int, values: int) -> Path:
    """A repository with one log of half_plus_two, and a test of all of it together."""
    import numpy as np

    from pytest_tfserving.golden.formats.prediction_log import write_log

    directory.mkdir()
    random = np.random.default_rng(0).random(values, dtype=np.float32)

    def logged() -> Iterator[tuple[str, str, Mapping[str, np.ndarray], Mapping[str, np.ndarray]]]:
        for n in range(requests):
            x = random + np.float32(n % 100)
            yield "half_plus_two", "serving_default", {"x": x}, {"y": x / 2 + 2}

    with (directory / "requests.tfrecord").open("wb") as log:
        assert write_log(log, logged()) == requests
    (directory / "pytest.ini").write_text("[pytest]\n")
    (directory / "test_log.py").write_text(
        "import pytest\n"
        f"@pytest.mark.tfserving({str(EXPORT)!r})\n"
        "@pytest.mark.tfserving_golden('requests.tfrecord', together=True)\n"
        "def test_log(): ...\n"
    )
    return directory


def replay(repository: Path, *options: str) -> Inside:
    """A run of its tests."""
    command = [*PYTEST, "--tfserving-backend=embedded", "--tfserving-transport=grpc", *options, str(repository)]
    return look_inside(command)


def seconds_to_read(file: Path, piece: int = 1 << 20) -> float:
    """Seconds to read a file from its beginning to its end, in pieces of some bytes; it is in the kernel's cache."""
    begin = time.perf_counter()
    with file.open("rb", buffering=0) as stream:
        while stream.read(piece):
            pass
    return time.perf_counter() - begin
