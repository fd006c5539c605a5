"""Several requests at once: how many, in which order, and what becomes of those that a busy server refuses."""

import itertools
import threading
import time

import pytest

from pytest_tfserving.errors import Code, RequestError
from pytest_tfserving.golden.in_flight import InFlight, is_busy


def refusal(code=Code.RESOURCE_EXHAUSTED, message="busy"):
    return RequestError(code, message, transport="grpc", model="m")


class Server:
    """Counts who asks at once; refuses more than `threads`."""

    def __init__(self, threads=99):
        self.threads = threads
        self.most = self.running = self.asked = self.refused = 0
        self.lock = threading.Lock()

    def ask(self, item):
        with self.lock:
            self.running += 1
            self.asked += 1
            self.most = max(self.most, self.running)
            busy = self.running > self.threads
            self.refused += busy
        try:
            if busy:
                raise refusal()
            time.sleep(0.001)
            return item * item
        finally:
            with self.lock:
                self.running -= 1


@pytest.mark.parametrize("most", [1, 4])
@pytest.mark.parametrize("count", [0, 1, 100])
def test_results_come_in_order_and_few_are_asked_at_once(most, count):
    server, flight = Server(), InFlight(most)
    assert list(flight.results(lambda n: flight.send(lambda: server.ask(n)), range(count))) == [
        n * n for n in range(count)
    ]
    assert server.most <= most
    assert server.asked == count


@pytest.mark.parametrize("threads", [1, 2])
def test_a_busy_server_is_asked_again_and_less(threads):
    server, flight = Server(threads), InFlight(4)
    assert list(flight.results(lambda n: flight.send(lambda: server.ask(n)), range(50))) == [n * n for n in range(50)]
    if server.refused:
        assert flight.allowed < 4
    assert flight.allowed >= 1


def test_a_refusal_stands_after_some_tries(monkeypatch):
    monkeypatch.setattr("pytest_tfserving.golden.in_flight._FIRST_PAUSE_S", 0.0)
    server, flight = Server(threads=0), InFlight(2)
    with pytest.raises(RequestError, match="RESOURCE_EXHAUSTED"):
        list(flight.results(lambda n: flight.send(lambda: server.ask(n)), range(1)))
    assert server.asked == 9
    assert flight.allowed == 1


@pytest.mark.parametrize(
    ("code", "message", "busy"),
    [
        (Code.RESOURCE_EXHAUSTED, "Run() timeout exceeded while waiting in batching queue", True),
        (Code.RESOURCE_EXHAUSTED, "CLIENT: Sent message larger than max (10 vs. 5)", False),
        (Code.RESOURCE_EXHAUSTED, "SERVER: Received message larger than max (10 vs. 5)", False),
        (Code.UNAVAILABLE, "The batch scheduling queue to which this task was submitted is full", True),
        (Code.UNAVAILABLE, "failed to connect to all addresses", False),
        (Code.INVALID_ARGUMENT, "busy", False),
    ],
)
def test_what_is_asked_again(code, message, busy):
    assert is_busy(refusal(code, message)) is busy
    asked = []

    def ask():
        asked.append(1)
        if len(asked) < 3:
            raise refusal(code, message)
        return "answer"

    if busy:
        assert InFlight().send(ask) == "answer"
    else:
        with pytest.raises(RequestError):
            InFlight().send(ask)
        assert len(asked) == 1


def test_items_are_taken_as_they_are_needed():
    taken = itertools.count()
    flight = InFlight(2)
    results = flight.results(lambda n: n, (next(taken) for _ in range(100_000)))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    assert next(taken) <= 3 + 2 * 4
    results.close()


def test_a_request_that_waits_to_be_sent_again_is_not_when_nobody_wants_its_result(monkeypatch):
    monkeypatch.setattr("pytest_tfserving.golden.in_flight._FIRST_PAUSE_S", 0.5)
    server, flight = Server(threads=0), InFlight(1)
    refused = threading.Event()

    def ask():
        try:
            return server.ask(0)
        finally:
            refused.set()

    results = flight.results(lambda n: n and flight.send(ask), range(2))
    assert next(results) == 0
    assert refused.wait(10)
    results.close()
    for thread in [t for t in threading.enumerate() if t.name.startswith("in flight")]:
        thread.join(10)
    assert server.asked == 1


def test_what_a_call_raises_comes_in_its_turn():
    def call(n):
        if n == 2:
            raise ValueError("two")
        return n

    results = InFlight(4).results(call, range(10))
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="two"):
        next(results)


def test_closing_asks_no_more_and_waits_for_nobody():
    never, asked = threading.Event(), []

    def call(n):
        asked.append(n)
        if n:
            never.wait()
        return n

    results = InFlight(2).results(call, range(100))
    assert next(results) == 0
    results.close()
    never.set()
    for thread in [t for t in threading.enumerate() if t.name.startswith("in flight")]:
        thread.join(10)
        assert not thread.is_alive()
    assert len(asked) <= 4
