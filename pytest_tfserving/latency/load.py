"""Sends requests under a load and takes the time of each.

Latency is what passes between the moment at which a request is due and its answer. In a closed loop it is due when its
client is free. In an open loop it is due at its place in the schedule, even if it is sent later because others have not
been answered: a server that stalls once is slow for all that would have come meanwhile, not for one request
("coordinated omission").
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter_ns

import numpy as np
from numpy.typing import NDArray

from pytest_tfserving.errors import RequestError
from pytest_tfserving.latency.plan import Load

# Sends the request of a number, and returns when its answer is there. Raises RequestError where that is not OK.
Send = Callable[[int], object]

# Requests of an open loop that can wait for an answer at a time. Those that are due meanwhile are sent later.
MOST_IN_FLIGHT = 64

_SWITCH_INTERVAL_S = 1e-4


@dataclass(frozen=True)
class Samples:
    """What a load came to: the latencies of answered requests in nanoseconds, in the requests' order, and the errors.

    `seconds` passed from the beginning to the last answer. `sent` may be less than was planned: a load ends when more
    requests have failed than may.
    """

    latencies: NDArray[np.int64]
    errors: tuple[RequestError, ...]
    sent: int
    seconds: float


def run_load(send: Send, numbers: range, load: Load, most_errors: int = 0) -> Samples:
    """Sends the requests of `numbers`, a range of step 1, as `load` says.

    What `send` raises other than RequestError ends the load and is raised here.
    """
    return _Run(send, numbers, load, most_errors).samples()


@contextmanager
def undisturbed() -> Iterator[None]:
    """Inside, what Python itself takes its time for is not measured as the server's.

    No garbage is collected: in a large test session that takes as long as a hundred quick answers. A thread that has
    its answer gets the interpreter's lock from one that is busy after 0.1 ms; after Python's 5 ms, that would be the
    99th percentile of several clients of a quick server.
    """
    enabled, interval = gc.isenabled(), sys.getswitchinterval()
    gc.collect()
    gc.disable()
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        if enabled:
            gc.enable()


class _Run:
    def __init__(self, send: Send, numbers: range, load: Load, most_errors: int) -> None:
        self._send = send
        self._first = numbers.start
        self._pending = iter(numbers)  # its next() is one step, so that threads share it without a lock
        self._rate = load.rate
        self._most_errors = most_errors
        self._clients = min(load.concurrency if load.rate is None else MOST_IN_FLIGHT, len(numbers))
        self._latencies = [-1] * len(numbers)
        self._errors: list[RequestError] = []
        self._broken: list[BaseException] = []
        self._ended = threading.Event()
        self._begun = 0

    def samples(self) -> Samples:
        """Runs the load to its end."""
        threads = [threading.Thread(target=self._client, daemon=True) for _ in range(self._clients - 1)]
        try:
            self._begun = perf_counter_ns()
            for thread in threads:
                thread.start()
            self._client()
            for thread in threads:
                thread.join()
        except BaseException:
            self._ended.set()
            raise
        seconds = (perf_counter_ns() - self._begun) / 1e9
        if self._broken:
            raise self._broken[0]
        latencies = np.array([latency for latency in self._latencies if latency >= 0], np.int64)
        return Samples(latencies, tuple(self._errors), len(latencies) + len(self._errors), seconds)

    def _client(self) -> None:
        try:
            for number in self._pending:
                place = number - self._first
                due = self._wait_until_due(place)
                if self._ended.is_set():
                    return
                try:
                    self._send(number)
                except RequestError as error:
                    self._errors.append(error)
                    if len(self._errors) > self._most_errors:
                        self._ended.set()
                else:
                    self._latencies[place] = perf_counter_ns() - due
        except BaseException as error:
            self._broken.append(error)
            self._ended.set()

    def _wait_until_due(self, place: int) -> int:
        """The moment at which a request is due, when it has come."""
        now = perf_counter_ns()
        if self._rate is None:
            return now
        due = self._begun + round(place / self._rate * 1e9)
        if due > now:
            self._ended.wait((due - now) / 1e9)
        return due
