"""What made a golden: the software that answered and the CPU it ran on.

oneDNN and XLA choose kernels by the CPU's features, and promise no equal bits across them; a golden that moves says
so best if it knows where it was made.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

# Chooses between oneDNN's kernels and Eigen's.
_ONEDNN = "TF_ENABLE_ONEDNN_OPTS"

# When a golden was made says nothing of how.
_NO_ENVIRONMENT = ("date",)

# The features that kernels are chosen by: Eigen's and oneDNN's dispatch on x86, and Arm's.
_FEATURES = (
    "avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "asimd", "sve", "bf16", "i8mm",
)  # fmt: skip


def describe_run(server: Mapping[str, str]) -> dict[str, str]:
    """A golden's provenance: the server's, and this machine's CPU unless the server is elsewhere.

    A server that is a process of this machine, and a test's body, have this process's environment; a container does
    not, and says of itself what it has.
    """
    if server.get("backend") == "remote":
        return dict(server)
    cpu = {"cpu": " ".join([platform.machine(), *cpu_features()])}
    onednn = None if server.get("backend") == "docker" else os.environ.get(_ONEDNN)
    return {**server, **cpu, **({_ONEDNN: onednn} if onednn is not None else {})}


def cpu_features() -> list[str]:
    """The features that matter, where the kernel lists them (Linux); none elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    listed = [line.partition(":")[2] for line in lines if line.startswith(("flags", "Features"))]
    present = set(listed[0].split()) if listed else set()
    return [feature for feature in _FEATURES if feature in present]


def dated(provenance: Mapping[str, str]) -> dict[str, str]:
    """A provenance with the day on which an answer is recorded, in UTC."""
    return {**provenance, "date": datetime.now(timezone.utc).date().isoformat()}


def divide(
    of_file: Mapping[str, str],
    staying: Mapping[str, Mapping[str, str] | None],
    recorded: Iterable[str],
    now: Mapping[str, str],
) -> tuple[Mapping[str, str] | None, dict[str, Mapping[str, str] | None]]:
    """What a file, and each of its cases, says of where answers were made, after some were recorded `now`.

    `staying` are the other cases that have an answer, each with its own provenance, None where the file's (`of_file`,
    empty where it says nothing: a person wrote them) is meant; so in what is returned, None for a file that says
    nothing. As long as an answer stays that was made in the file's environment and `now` is another, what was recorded
    has its own: so no case that stays is touched, and none claims to be made where it was not.
    """
    if any(own is None for own in staying.values()) and _environment(of_file) != _environment(now):
        return of_file or None, {**staying, **dict.fromkeys(recorded, now)}
    elsewhere = {
        key: own if own is not None and _environment(own) != _environment(now) else None for key, own in staying.items()
    }
    return now, {**elsewhere, **dict.fromkeys(recorded)}


class Change(NamedTuple):
    """What made a golden, and what it is in this run; "" where it is not there."""

    key: str
    golden: str
    run: str


def find_changes(golden: Mapping[str, str], run: Mapping[str, str]) -> list[Change]:
    """What of the environment is not as when the golden was made; none where either says nothing of itself."""
    golden, run = _environment(golden), _environment(run)
    if not golden or not run:
        return []
    keys = list({**golden, **run})
    return [Change(key, golden.get(key, ""), run.get(key, "")) for key in keys if golden.get(key) != run.get(key)]


def _environment(provenance: Mapping[str, str]) -> dict[str, str]:
    return {key: said for key, said in provenance.items() if key not in _NO_ENVIRONMENT}
