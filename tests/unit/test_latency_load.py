"""How loads send requests, on a server in a thread that answers when the test lets it."""

from __future__ import annotations

import gc
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import perf_counter_ns
from typing import Any

import pytest

from pytest_tfserving.clients.prepared import PreparedRest, Request
from pytest_tfserving.clients.rest import RestClient
from pytest_tfserving.endpoint import Endpoint, Servable
from pytest_tfserving.errors import Code
from pytest_tfserving.latency.load import MOST_IN_FLIGHT, run_load, undisturbed
from pytest_tfserving.latency.plan import Load
from pytest_tfserving.latency.statistics import percentile


class TinyServer(ThreadingHTTPServer):
    """Answers requests whose only instance is their number. `answer` may wait, or give another status, or None: no answer."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[int] = []
        self.connections = 0
        self.under_way = 0
        self.most_under_way = 0
        self.lock = threading.Lock()
        self.answer: Callable[[int], int | None] = lambda number: 200
        self.idle_s: float | None = None  # it closes a connection on which so long nothing came
        self.has_closed = threading.Event()

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self.has_closed.set()

    def sender(self, count: int = 1000) -> PreparedRest:
        """What sends requests of these numbers."""
        host, port = self.server_address[:2]
        client = RestClient(Endpoint(f"http://{host}:{port}"), Servable("m"), 30)
        return PreparedRest(client, [Request(instances=[number]) for number in range(count)], "s")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: TinyServer

    def setup(self) -> None:
        self.timeout = self.server.idle_s
        super().setup()
        with self.server.lock:
            self.server.connections += 1

    def do_POST(self) -> None:
        [number] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["instances"]
        server = self.server
        with server.lock:
            server.seen.append(number)
            server.under_way += 1
            server.most_under_way = max(server.most_under_way, server.under_way)
        status = server.answer(number)
        with server.lock:
            server.under_way -= 1
        if status is None:
            self.close_connection = True
            return
        content = b'{"error": "not now"}' if status != 200 else b"{}"
        head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(content)}\r\n\r\n"
        self.wfile.write(head.encode() + content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[TinyServer]:
    with TinyServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_one_client_sends_one_request_after_the_other(server):
    samples = run_load(server.sender(), range(5, 25), Load(1))
    assert server.seen == list(range(5, 25))
    assert (server.most_under_way, server.connections) == (1, 1)
    assert (len(samples.latencies), samples.sent, samples.errors) == (20, 20, ())
    assert samples.latencies.min() > 0
    assert samples.latencies.sum() <= samples.seconds * 1e9


def test_several_clients_wait_each_for_its_own_answer(server):
    together = threading.Barrier(4)
    server.answer = lambda number: (together.wait(20), 200)[1] if number < 4 else 200
    samples = run_load(server.sender(), range(40), Load(4))
    assert sorted(server.seen) == list(range(40))
    assert (server.most_under_way, server.connections) == (4, 4)
    assert samples.sent == 40


def test_no_more_clients_than_requests(server):
    run_load(server.sender(), range(2), Load(64))
    assert server.connections <= 2


def test_requests_of_a_rate_are_not_sent_before_they_are_due(server):
    begun = perf_counter_ns()
    arrived: dict[int, int] = {}
    server.answer = lambda number: (arrived.setdefault(number, perf_counter_ns()), 200)[1]
    samples = run_load(server.sender(), range(10, 20), Load(rate=100))
    assert sorted(arrived) == list(range(10, 20))
    assert all(at - begun >= (number - 10) / 100 * 1e9 for number, at in arrived.items())
    assert samples.seconds >= 9 / 100


def test_a_stall_hides_in_a_closed_loop(server):
    """Of two clients one waits out the stall, which is one slow request of 100, though the server was stuck for half."""
    stall = _Stall(server, first=10, until=60)
    samples = run_load(stall.send, range(100), Load(2))
    assert samples.latencies[10] >= stall.nanoseconds
    assert percentile(samples.latencies, 90) < stall.nanoseconds


def test_a_stall_is_in_the_percentiles_of_an_open_loop(server):
    """All that was due meanwhile has waited, and is counted from when it was due."""
    rate = 500
    stall = _Stall(server, first=10, until=60, for_all=True)
    samples = run_load(stall.send, range(100), Load(rate=rate))
    assert samples.sent == 100
    for number in range(10, 60):
        assert samples.latencies[number] >= (60 - number) / rate * 1e9
    assert percentile(samples.latencies, 99) >= 49 / rate * 1e9


def test_a_request_that_is_late_counts_from_when_it_was_due(server):
    """When as many are under way as can be, the others are sent later, and none of the time is lost."""
    rate, count, stall = 5000, MOST_IN_FLIGHT + 20, 0.2
    full = threading.Event()

    def answer(number: int) -> int:
        if server.under_way >= MOST_IN_FLIGHT and not full.is_set():
            time.sleep(stall)
            full.set()
        assert full.wait(20)
        return 200

    server.answer = answer
    samples = run_load(server.sender(), range(count), Load(rate=rate))
    assert server.most_under_way == MOST_IN_FLIGHT
    assert samples.sent == count
    # The stall began when the last of those that could be sent was due, or later.
    for number in range(MOST_IN_FLIGHT, count):
        assert samples.latencies[number] >= (stall - (number - MOST_IN_FLIGHT + 1) / rate) * 1e9


def test_a_refusal_is_counted_and_is_no_latency(server):
    server.answer = lambda number: 503 if number in (3, 7) else 200
    samples = run_load(server.sender(), range(20), Load(1), most_errors=2)
    assert (len(samples.latencies), samples.sent) == (18, 20)
    assert [(error.code, error.message, error.http_status) for error in samples.errors] == [
        (Code.UNAVAILABLE, "not now", 503)
    ] * 2


@pytest.mark.parametrize("load", [Load(1), Load(4), Load(rate=1000), Load(rate=0.1)])
def test_a_load_ends_when_more_have_failed_than_may(server, load):
    server.answer = lambda number: 503
    samples = run_load(server.sender(), range(1000), load, most_errors=0)
    assert 1 <= samples.sent <= MOST_IN_FLIGHT
    assert len(samples.latencies) == 0


def test_a_connection_that_the_server_has_closed_meanwhile_is_no_failed_request(server):
    """TensorFlow Serving closes one after 50 s without a request (libevent's HTTP_READ_TIMEOUT)."""
    server.idle_s = 0.05
    send = server.sender()
    assert not run_load(send, range(1), Load()).errors
    assert server.has_closed.wait(20)
    assert not run_load(send, range(1, 2), Load()).errors
    assert (server.seen, server.connections) == ([0, 1], 2)


def test_no_answer_is_an_error_and_the_next_request_has_a_connection_of_its_own(server):
    server.answer = lambda number: None if number == 2 else 200
    samples = run_load(server.sender(), range(5), Load(1), most_errors=1)
    assert (len(samples.latencies), server.connections) == (4, 2)
    assert [error.code for error in samples.errors] == [Code.UNAVAILABLE]


@pytest.mark.parametrize("load", [Load(1), Load(4), Load(rate=0.1)])
def test_what_is_no_answer_of_a_server_ends_the_load(load):
    def send(number):
        raise KeyError(number)

    with pytest.raises(KeyError):
        run_load(send, range(10), load)


def test_python_takes_no_time_of_its_own_meanwhile():
    before = gc.isenabled(), sys.getswitchinterval()
    with pytest.raises(KeyError), undisturbed():
        assert not gc.isenabled()
        assert sys.getswitchinterval() == pytest.approx(1e-4)
        raise KeyError
    assert (gc.isenabled(), sys.getswitchinterval()) == before == (True, 0.005)


class _Stall:
    """The server answers request `first` only when request `until` is sent; `for_all`: and none in between either."""

    def __init__(self, server: TinyServer, first: int, until: int, *, for_all: bool = False) -> None:
        self._send = server.sender()
        self._until = until
        self._over = threading.Event()
        self.nanoseconds = 0

        def answer(number: int) -> int:
            begun = perf_counter_ns()
            if number == first or (for_all and first < number < until):
                assert self._over.wait(20)
            if number == first:
                self.nanoseconds = perf_counter_ns() - begun
            return 200

        server.answer = answer

    def send(self, number: int) -> None:
        if number == self._until:
            self._over.set()
        self._send(number)
