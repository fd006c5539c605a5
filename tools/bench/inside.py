"""What of a pytest cannot be seen from outside: when its first verdict was there, and the memory of it alone.

As a plugin (`-p tools.bench.inside`) it writes both into a file. What the kernel tells a parent (ru_maxrss) has the
servers among it, for which pytest has waited, and the parent's own peak.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path

import pytest

FILE = "BENCH_INSIDE"
_verdicts: list[float] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call":
        _verdicts.append(time.monotonic())  # the same clock in all processes of a machine


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    Path(os.environ[FILE]).write_text(json.dumps({"verdicts": _verdicts[:1], "megabytes": _peak_megabytes()}))


def _peak_megabytes() -> float:
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    [peak] = [line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line]
    return int(peak) / 1e3
