"""What made a golden: the software that answered and the CPU it ran on.

oneDNN and XLA choose kernels by the CPU's features, and promise no equal bits across them; a golden that moves says
so best if it knows where it was made.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

# When a golden was made says nothing of how.
_NO_ENVIRONMENT = ("date",)

# The features that kernels are chosen by: Eigen's and oneDNN's dispatch on x86, and Arm's.
_FEATURES = (
    "avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "asimd", "sve", "bf16", "i8mm",
)  # fmt: skip


def describe_run(server: Mapping[str, str]) -> dict[str, str]:
    """A golden's provenance: the server's, and this machine's CPU unless the server is elsewhere."""
    if server.get("backend") == "remote":
        return dict(server)
    cpu = {"cpu": " ".join([platform.machine(), *cpu_features()])}
    onednn = os.environ.get("TF_ENABLE_ONEDNN_OPTS")
    return {**server, **cpu, **({"TF_ENABLE_ONEDNN_OPTS": onednn} if onednn is not None else {})}


def cpu_features() -> list[str]:
    """The features that matter, where the kernel lists them (Linux); none elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    listed = [line.partition(":")[2] for line in lines if line.startswith(("flags", "Features"))]
    present = set(listed[0].split()) if listed else set()
    return [feature for feature in _FEATURES if feature in present]


class Change(NamedTuple):
    """What made a golden, and what it is in this run; "" where it is not there."""

    key: str
    golden: str
    run: str


def find_changes(golden: Mapping[str, str], run: Mapping[str, str]) -> list[Change]:
    """What of the environment is not as when the golden was made; none where either says nothing of itself."""
    if not golden or not run:
        return []
    keys = [key for key in {**golden, **run} if key not in _NO_ENVIRONMENT]
    return [Change(key, golden.get(key, ""), run.get(key, "")) for key in keys if golden.get(key) != run.get(key)]
