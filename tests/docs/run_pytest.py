"""A run of pytest as a reader of the docs starts it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def run_pytest(directory: Path, *arguments: str) -> str:
    """What pytest prints in the directory, on the embedded server and without options from outside."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TFSERVING_", "PYTEST_"))}
    off = [f"-pno:{plugin}" for plugin in ("cacheprovider", "hypothesispytest")]
    process = subprocess.run(
        [sys.executable, "-m", "pytest", *off, "--tfserving-backend=embedded", *arguments],
        cwd=directory, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    return process.stdout + process.stderr
