"""Requests of many cases at once: a bounded number in flight, results in order, a busy server asked again."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Condition, Event, Thread
from typing import Any, Generic, TypeVar

from pytest_tfserving.errors import Code, RequestError
from pytest_tfserving.golden.check import Predictor
from pytest_tfserving.tensors import Array

# tensorflow_model_server has four gRPC threads a CPU (--grpc_max_threads), and may have a single CPU.
MOST = 4
# A result that takes long holds up at most that many others for each request in flight.
_AHEAD = 4
# What the pauses add up to is 5 s; who has waited that long alone is not refused for its own haste.
_TRIES = 9
_FIRST_PAUSE_S = 0.02

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class InFlight:
    """Calls with at most `most` requests in flight at once, fewer after a server has refused one for being busy.

    A request that it refuses so is sent again after a pause that grows; after some tries the refusal stands. The
    threads end with the results that are asked for, and none of them keeps the process from ending.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._allowed = most
        self._running = 0
        self._changed = Condition()
        self._stopped = Event()

    @property
    def allowed(self) -> int:
        """How many requests may be in flight by now."""
        return self._allowed

    def results(self, call: Callable[[_Item], _Result], items: Iterable[_Item]) -> Generator[_Result, None, None]:
        """The result of each call, in the order of the items, which are taken as they are needed.

        Raises what a call raises, when its turn has come. The calls go on until the iterator is closed.
        """
        calls: SimpleQueue[_Call[_Item, _Result] | None] = SimpleQueue()
        waiting: deque[_Call[_Item, _Result]] = deque()
        threads = 0
        left = iter(items)
        try:
            while True:
                for item in itertools.islice(left, self._most * _AHEAD - len(waiting)):
                    waiting.append(_Call(call, item))
                    calls.put(waiting[-1])
                    if threads < self._most:
                        # No pool of concurrent.futures: that has the interpreter wait for its threads at the end, and
                        # a server that hangs would keep it.
                        Thread(target=self._work, args=(calls,), name=f"in flight {threads}", daemon=True).start()
                        threads += 1
                if not waiting:
                    return
                yield waiting.popleft().future.result()
        finally:
            self._stopped.set()
            for _ in range(threads):
                calls.put(None)

    def predictor(self, client: Predictor) -> Predictor:
        """The client, whose requests are counted and repeated."""
        return _Counted(self, client)

    def send(self, request: Callable[[], _Result]) -> _Result:
        """Sends one request, when it may be; again, where the server is busy. Raises what the last try raised."""
        pause = _FIRST_PAUSE_S
        for _ in range(_TRIES - 1):
            try:
                with self._counted():
                    return request()
            except RequestError as error:
                if not is_busy(error):
                    raise
                self._lower()
                if self._stopped.wait(pause):
                    raise
            pause *= 2
        with self._counted():
            return request()

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: self._running < self._allowed)
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify()

    def _lower(self) -> None:
        with self._changed:
            self._allowed = max(1, self._allowed - 1)

    def _work(self, calls: SimpleQueue[_Call[_Item, _Result] | None]) -> None:
        while (call := calls.get()) is not None and not self._stopped.is_set():
            call.run()


class _Call(Generic[_Item, _Result]):
    """One call, and where its result will be."""

    def __init__(self, call: Callable[[_Item], _Result], item: _Item) -> None:
        self._call = call
        self._item = item
        self.future: Future[_Result] = Future()

    def run(self) -> None:
        """Calls, and keeps what comes of it."""
        try:
            self.future.set_result(self._call(self._item))
        except BaseException as error:  # it is raised where the result is asked for
            self.future.set_exception(error)


class _Counted:
    """A predictor whose requests are counted and repeated."""

    def __init__(self, flight: InFlight, client: Predictor) -> None:
        self._flight = flight
        self._client = client

    @property
    def transport(self) -> str:
        return self._client.transport

    def predict(self, **request: Any) -> dict[str, Array]:
        """As the client's."""
        return self._flight.send(lambda: self._client.predict(**request))


def is_busy(error: RequestError) -> bool:
    """Whether a server has refused a request for the number of others, so that it may answer it later.

    RESOURCE_EXHAUSTED is what gRPC's threads run out with, but also what a message that is too long is refused with
    (grpc's own words). UNAVAILABLE is what a full batching queue refuses with (TensorFlow's shared_batch_scheduler.h),
    but also what a server that is gone amounts to.
    """
    if error.code is Code.RESOURCE_EXHAUSTED:
        return "larger than max" not in error.message
    return error.code is Code.UNAVAILABLE and "batch scheduling queue" in error.message
