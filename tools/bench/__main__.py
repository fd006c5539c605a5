"""`python -m tools.bench`: every figure of docs/benchmarks.md, each as a ratio or a size, in a Markdown table."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

from tools.bench import checks, cold, containers, contracts, goldens, scale, server

COLUMNS = ("what", "measured", "baseline", "ratio or size", "at most")
Row = tuple[str, str, str, str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="runs of each whole-process measurement")
    parser.add_argument("--only", action="append", choices=GROUPS, help="a group of figures; may be repeated")
    parser.add_argument("--image", default=os.environ.get("TFSERVING_TEST_IMAGE"), help="also measure docker on it")
    parser.add_argument("--binary", default=os.environ.get("TFSERVING_TEST_BINARY"), help="also measure this server")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures for programs, too")
    arguments = parser.parse_args()
    # An installed package is compiled, and a checkout on its second run; where bytecode may not be written it never is.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    machine = describe_machine()
    print(", ".join(machine.values()))
    measured: list[dict[str, str]] = []
    for name in arguments.only or GROUPS:
        print(f"\n{name}\n\n| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|")
        for row in GROUPS[name](arguments):
            print(f"| {' | '.join(row)} |", flush=True)
            measured.append({"group": name, **dict(zip(COLUMNS, row, strict=True))})
    if arguments.json:
        when = datetime.now(timezone.utc).isoformat(timespec="seconds")
        document = {"date": when, "rounds": arguments.rounds, "machine": machine, "figures": measured}
        arguments.json.write_text(json.dumps(document, indent=2) + "\n")


GROUPS: Mapping[str, Callable[[argparse.Namespace], Iterator[Row]]] = {
    "a run": lambda given: cold.rows(given.rounds, given.binary),
    "docker": lambda given: containers.rows(given.rounds, given.image),
    "unused": lambda given: unused(given.rounds),
    "checks": lambda given: checks.rows(given.rounds * 60),
    "goldens": lambda given: goldens.rows(given.rounds),
    "contracts": lambda given: contracts.rows(given.rounds),
    "many": lambda given: scale.rows(given.rounds),
    "server": lambda given: server.rows(given.rounds),
}


def describe_machine() -> dict[str, str]:
    """What a figure depends on."""
    packages = ("tensorflow", "grpcio", "requests", "pytest")
    return {
        "platform": platform.platform(),
        "processor": processor(),
        "cores": f"{os.cpu_count()} cores",
        "python": f"Python {platform.python_version()}",
        **{name: f"{name} {metadata.version(name)}" for name in packages},
    }


def processor() -> str:
    """The processor's name, where the kernel says it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def unused(rounds: int) -> Iterator[Row]:
    """`pytest --collect-only` on nothing, with the plugin and without: the round of median difference."""
    empty = tempfile.mkdtemp()
    command = [*cold.PYTEST, "--collect-only", "--rootdir", empty, empty]
    times: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(rounds * 6):
        for used in (True, False):
            options = () if used else ("-p", "no:tfserving")
            begin = time.perf_counter()
            subprocess.run([*command, *options], stdout=subprocess.DEVNULL, check=False)
            times[used].append(time.perf_counter() - begin)
    Path(empty).rmdir()
    pairs = sorted(zip(times[True], times[False], strict=True), key=lambda pair: pair[0] - pair[1])
    cost = statistics.median_low(mine - bare for mine, bare in pairs)
    mine, bare = pairs[len(pairs) // 2]
    yield "plugin installed, not used", f"{mine:.3f} s", f"{bare:.3f} s without", f"{cost * 1e3:.1f} ms", "10 ms"


if __name__ == "__main__":
    sys.exit(main())
