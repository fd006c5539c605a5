"""Docker: a whole pytest beside the suite by hand and beside bare `docker run`, and with a container that stayed."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

from tools.bench import cold

_REQUEST = json.dumps({"instances": [1.0, 2.0, 5.0]})


def rows(rounds: int, image: str | None) -> Iterator[tuple[str, str, str, str, str]]:
    """(what, measured, baseline, ratio or size, limit) of each figure; none without an image, which must be there."""
    if not image:
        return
    ours = [*cold.PYTEST, str(cold.HERE / "ours.py"), "--tfserving-backend=docker", f"--tfserving-image={image}"]
    by_hand = [*cold.PYTEST, "-p", "no:tfserving", str(cold.HERE / "handwritten.py")]
    environment = {"SERVER": "docker", "IMAGE": image, "TESTCONTAINERS_RYUK_DISABLED": "true"}
    embedded = [*ours[:-2], "--tfserving-backend=embedded"]
    mine, without, hand = cold.in_turns([ours, embedded, by_hand], rounds, environment)
    yield (f"{cold.SUITE}, docker ({image}, image present)", *cold.beside(mine, hand, "by hand on docker"), "0.4")
    yield ("the same, embedded, beside docker by hand", *cold.beside(without, hand, "by hand on docker"), "0.2")

    first, bare = cold.Runs(), cold.Runs()
    for n in range(rounds + 1):  # in turns; the first of each fills caches
        seconds = docker_run(image)
        verdict = cold.look_inside(ours).first_verdict
        if n and verdict:
            bare.add(seconds)
            first.add(verdict)
    yield (
        "the same, docker, to the first verdict",
        *cold.beside(first, bare, "`docker run` to the first answer"),
        "1.3",
    )

    with cold.leases() as environment:
        second = [*ours, "--tfserving-reuse=60"]
        cold.run(second, environment)  # starts the container that all the others use
        [again] = cold.in_turns([second], rounds, environment)
    yield "the same, docker, second run with `--tfserving-reuse`", f"{again.seconds:.2f} s", "", "", "0.6 s"


def docker_run(image: str) -> float:
    """Seconds from `docker run`, as one types it, to the first answer; the container is removed afterwards."""
    rest, grpc = (_free_port() for _ in range(2))
    begin = time.perf_counter()
    container = _docker(
        "run", "--detach", "--publish", f"127.0.0.1:{rest}:8501", "--publish", f"127.0.0.1:{grpc}:8500",
        "--volume", f"{cold.EXPORT}:/models/half_plus_two:ro", "--env", "MODEL_NAME=half_plus_two", image,
        "--max_num_load_retries=0",
    )  # fmt: skip
    try:
        while not _answers(rest):
            if time.perf_counter() - begin > 60:
                sys.exit(_docker("logs", container))
            time.sleep(0.005)
        return time.perf_counter() - begin
    finally:
        _docker("rm", "--force", "--volumes", container)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    # The port is open before the server is: who connects then is cut off.
    with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
        connection.request("POST", "/v1/models/half_plus_two:predict", _REQUEST)
        return connection.getresponse().status == http.client.OK
    return False


def _docker(*arguments: str) -> str:
    done = subprocess.run(
        ["docker", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"docker {arguments[0]}: {done.stdout}")
    return done.stdout.strip()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
