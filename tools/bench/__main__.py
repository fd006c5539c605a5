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
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

from tools.bench import contracts, goldens, server

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# Of the plugins that are installed for development, hypothesis alone takes most of a second.
OTHERS = ("-p", "no:hypothesispytest", "-p", "no:xdist", "-p", "no:cacheprovider")
PYTEST = (sys.executable, "-m", "pytest", "-q", *OTHERS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="runs of each whole-process measurement")
    parser.add_argument("--image", default=os.environ.get("TFSERVING_TEST_IMAGE"), help="also measure docker on it")
    arguments = parser.parse_args()
    # An installed package is compiled, and a checkout on its second run; where bytecode may not be written it never is.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    run([*PYTEST, str(HERE / "ours.py"), "--tfserving-backend=embedded"], {})
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("tensorflow", "grpcio", "requests", "pytest"))
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}")
    print("\n| what | measured | baseline | ratio or size | at most |\n|---|---|---|---|---|")
    row = "| {} | {} | {} | {} | {} |".format
    for what, limit, backend, environment in cold_runs(arguments.image):
        ours, memory, bare = [], [], []
        for _ in range(arguments.rounds):  # in turns, so that what else the machine does meets both
            seconds, peak = run([*PYTEST, str(HERE / "ours.py"), *backend], {})
            ours.append(seconds)
            memory.append(peak)
            bare.append(run([*PYTEST, "-p", "no:tfserving", str(HERE / "handwritten.py")], environment)[0])
        mine, theirs = statistics.median(ours), statistics.median(bare)
        print(row(what, f"{mine:.2f} s", f"{theirs:.2f} s by hand", f"{mine / theirs:.2f}", limit), flush=True)
        print(row(f"{what}: peak memory of pytest", f"{max(memory):.0f} MB", "", "", "120 MB"), flush=True)
    with_it, without = plugin_unused(arguments.rounds * 6)
    cost = f"{(with_it - without) * 1000:.1f} ms"
    print(row("plugin installed, not used", f"{with_it:.3f} s", f"{without:.3f} s without", cost, "10 ms"), flush=True)
    for transport, mine, theirs in golden_checks():
        text = f"{mine * 1e3:.2f} ms", f"{theirs * 1e3:.2f} ms bare call", f"{mine / theirs:.2f}"
        print(row(f"golden check over {transport}", *text, "1.5"), flush=True)
    for cells in contracts.rows(arguments.rounds):
        print(row(*cells), flush=True)
    for cells in goldens.rows(arguments.rounds):
        print(row(*cells), flush=True)
    for cells in server.rows(arguments.rounds):
        print(row(*cells), flush=True)


def cold_runs(image: str | None) -> list[tuple[str, str, Sequence[str], dict[str, str]]]:
    """(what, limit, our backend's options, the hand-written suite's environment)."""
    runs: list[tuple[str, str, Sequence[str], dict[str, str]]] = [
        ("one model, signature and golden, cold, embedded", "0.35", ("--tfserving-backend=embedded",), {})
    ]
    if image:
        options = ("--tfserving-backend=docker", f"--tfserving-image={image}")
        environment = {"SERVER": "docker", "IMAGE": image, "TESTCONTAINERS_RYUK_DISABLED": "true"}
        runs.append((f"the same on docker ({image})", "-", options, environment))
    return runs


def run(command: Sequence[str], environment: dict[str, str]) -> tuple[float, float]:
    """(seconds, peak resident megabytes) of a command that must succeed."""
    begin = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    process.returncode = status
    if status:
        sys.exit(output)
    unit = 1e6 if sys.platform == "darwin" else 1e3  # ru_maxrss is in bytes there, in kilobytes on Linux
    return seconds, usage.ru_maxrss / unit


def plugin_unused(rounds: int) -> tuple[float, float]:
    """Seconds of `pytest --collect-only` on nothing, with the plugin and without: the round of median difference."""
    empty = tempfile.mkdtemp()
    command = [*PYTEST, "--collect-only", "--rootdir", empty, empty]
    times: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(rounds):
        for used in (True, False):
            begin = time.perf_counter()
            subprocess.run(
                [*command, *(() if used else ("-p", "no:tfserving"))], stdout=subprocess.DEVNULL, check=False
            )
            times[used].append(time.perf_counter() - begin)
    Path(empty).rmdir()
    rounds_by_cost = sorted(zip(times[True], times[False], strict=True), key=lambda pair: pair[0] - pair[1])
    return rounds_by_cost[len(rounds_by_cost) // 2]


def golden_checks() -> list[tuple[str, float, float]]:
    """(transport, seconds of a golden check, seconds of a bare call) on the embedded server."""
    import grpc
    import requests

    from pytest_tfserving.golden.check import check_case
    from pytest_tfserving.golden.store import read_cases
    from pytest_tfserving.golden.tolerance import Tolerance
    from pytest_tfserving.options import Settings
    from pytest_tfserving.serving import ModelRequest, ServeRequest
    from pytest_tfserving.session import Session
    from pytest_tfserving.wire import serving_pb2 as serving

    session = Session(
        Settings.resolve(lambda o: "embedded" if o.name == "backend" else None, lambda _: None, {}), print
    )
    export = ROOT / "example_models" / "half_plus_two" / "exports" / "half_plus_two"
    [served] = session.serving.serve(ServeRequest((ModelRequest(export),))).values()
    [case] = read_cases(HERE / "golden.json")
    body = json.dumps({"signature_name": "serving_default", "instances": case.request["instances"]})
    url = f"{served.endpoint.rest_url}/v1/models/half_plus_two:predict"
    http = requests.Session()
    call = grpc.insecure_channel(served.endpoint.grpc_target).unary_unary(
        "/tensorflow.serving.PredictionService/Predict",
        request_serializer=serving.PredictRequest.SerializeToString,
        response_deserializer=serving.PredictResponse.FromString,
    )
    request = serving.PredictRequest()
    request.model_spec.name = "half_plus_two"
    request.inputs["x"].dtype = 1
    request.inputs["x"].tensor_shape.dim.add(size=3)
    request.inputs["x"].float_val.extend(case.request["instances"])

    def bare_rest() -> None:
        assert http.post(url, data=body, timeout=30).json()["predictions"] == [2.5, 3.0, 4.5]

    def bare_grpc() -> None:
        assert list(call(request, timeout=30).outputs["y"].float_val) == [2.5, 3.0, 4.5]

    def check(transport: str) -> Callable[[], None]:
        client, schema, tolerance = served.client(transport), served.schema, Tolerance(rtol=1e-5)

        def one() -> None:
            outcome = check_case(case, client, schema, tolerance, None)
            assert outcome.comparison is not None
            assert outcome.comparison.holds

        return one

    try:
        return [(t, *in_turns(check(t), bare)) for t, bare in (("rest", bare_rest), ("grpc", bare_grpc))]
    finally:
        session.close()


def in_turns(first: Callable[[], None], second: Callable[[], None], calls: int = 300) -> tuple[float, float]:
    """The median seconds of each, called in turns."""
    times: tuple[list[float], list[float]] = ([], [])
    for n in range(calls + 20):
        for measured, function in zip(times, (first, second), strict=True):
            begin = time.perf_counter()
            function()
            if n >= 20:  # the first ones warm up connections and caches
                measured.append(time.perf_counter() - begin)
    return statistics.median(times[0]), statistics.median(times[1])


if __name__ == "__main__":
    main()
