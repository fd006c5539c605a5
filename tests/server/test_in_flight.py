"""Requests in flight at real servers: clients that several threads use, and servers that have no room."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_tfserving.clients.grpc import GrpcClient
from pytest_tfserving.clients.rest import RestClient
from pytest_tfserving.endpoint import Endpoint, Servable
from pytest_tfserving.golden.in_flight import InFlight

HALF_PLUS_TWO = Path(__file__).parents[2] / "example_models" / "half_plus_two" / "exports" / "half_plus_two"


@pytest.fixture
def clients(start_server: Any) -> Callable[..., list[RestClient | GrpcClient]]:
    """The clients of half_plus_two on a server with these flags."""

    def start(*flags: str) -> list[RestClient | GrpcClient]:
        server = start_server("--model_name=half_plus_two", f"--model_base_path={HALF_PLUS_TWO}", *flags)
        endpoint = Endpoint(f"http://127.0.0.1:{server.rest_port}", f"127.0.0.1:{server.grpc_port}")
        servable = Servable("half_plus_two")
        return [RestClient(endpoint, servable, 30), GrpcClient(endpoint, servable, 30)]

    return start


def ask_all(client: RestClient | GrpcClient, most: int, count: int) -> InFlight:
    """Sends so many requests, each with its own number, and checks that each gets its own answer."""
    flight = InFlight(most)
    predictor = flight.predictor(client)

    def ask(n: int) -> float:
        [y] = predictor.predict(inputs={"x": np.array([n], np.float32)}, signature_name="serving_default")["y"]
        return float(y)

    assert list(flight.results(ask, range(count))) == [n / 2 + 2 for n in range(count)]
    return flight


def test_threads_get_their_own_answers(clients: Any) -> None:
    """The signatures are asked for by whichever thread comes first."""
    for client in clients():
        ask_all(client, 8, 200)
        client.close()


def test_a_server_with_one_thread(clients: Any) -> None:
    for client in clients("--grpc_max_threads=1"):
        ask_all(client, 4, 50)
        client.close()


def test_a_batching_queue_that_is_full_is_asked_again(clients: Any, tmp_path: Path) -> None:
    """One batch of one request may wait, and is run after 20 ms: of sixteen requests at once most are refused."""
    parameters = tmp_path / "batching.config"
    parameters.write_text(
        "max_batch_size { value: 2 } batch_timeout_micros { value: 20000 } "
        "max_enqueued_batches { value: 1 } num_batch_threads { value: 1 }"
    )
    for client in clients("--enable_batching=true", f"--batching_parameters_file={parameters}"):
        flight = ask_all(client, 16, 60)
        assert 1 <= flight.allowed < 16
        client.close()
