"""A plugin of pytest (`-p tools.bench.first_verdict`): writes when the first test's verdict was there into a file."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

FILE = "BENCH_FIRST_VERDICT"


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    file = Path(os.environ[FILE])
    if report.when == "call" and not file.exists():
        file.write_text(str(time.monotonic()))  # the same clock in all processes of a machine
