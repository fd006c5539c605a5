"""A SavedModel as Python runs it, `tf.saved_model.load(directory).signatures[name](...)`, in a process of its own.

TensorFlow is never imported in pytest's process: it takes seconds and half a gigabyte.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import IO, NoReturn

from pytest_tfserving.errors import Code, ExportError, RequestError, ServerDiedError, StartupError
from pytest_tfserving.reference.frames import ANSWER, ERROR, HEAD, NOT_LOADED, READY, REQUEST
from pytest_tfserving.schema import DEFAULT_SIGNATURE
from pytest_tfserving.tensors import Array, from_proto, to_proto
from pytest_tfserving.wire import serving_pb2 as serving

__tracebackhide__ = True  # a failing test's report ends at the test's own line

TRANSPORT = "in-process"

_GRACE_SECONDS = 3.0
_LAST_WORDS = 2_000
_CHUNK = 1 << 20


class Reference:
    """Runs the signatures of one SavedModel; its process starts with the first request and is kept.

    A process that has died, with a request that aborts the runtime, is started anew by the next request; one that could
    not start, or not load the SavedModel, is not tried again.
    `startup_timeout` (seconds) is for the import of TensorFlow and the load, `request_timeout` for each request.
    """

    def __init__(
        self,
        directory: Path,
        tags: Sequence[str] = ("serve",),
        *,
        startup_timeout: float = 120.0,
        request_timeout: float = 60.0,
    ) -> None:
        self._directory = directory
        self._tags = tuple(tags)
        self._startup_timeout = startup_timeout
        self.request_timeout = request_timeout
        self._lock = Lock()
        self._process: _Process | None = None
        self._failure: StartupError | ExportError | None = None

    def predict(self, inputs: Mapping[str, Array], signature_name: str = DEFAULT_SIGNATURE) -> dict[str, Array]:
        """The outputs by name; inputs that have a default may be left out.

        Raises RequestError for a request that TensorFlow refuses or that takes too long, ExportError for a SavedModel
        that it does not load, StartupError where TensorFlow itself does not start, and ServerDiedError with the
        process's last words where it ends meanwhile.
        """
        request = serving.PredictRequest()
        request.model_spec.signature_name = signature_name
        for name, array in inputs.items():
            request.inputs[name].CopyFrom(to_proto(array))
        with self._lock:
            try:
                process = self._started()
                process.send(REQUEST, request.SerializeToString(), self.request_timeout)
                kind, message = process.receive(self.request_timeout)
            except _TooLateError:
                self._end(grace=0.0)
                raise self._error(
                    Code.DEADLINE_EXCEEDED, f"no answer within {self.request_timeout:g} s", signature_name
                ) from None
            except _EndedError as ended:
                self._end()
                raise ServerDiedError(f"the process that ran {self._directory} in-process has ended: {ended}") from None
            except BaseException:  # an answer that nobody waits for any more would be taken for the next one's
                self._end()
                raise
        if kind == ERROR:
            status = serving.StatusProto.FromString(message)
            raise self._error(Code(status.error_code), status.error_message, signature_name)
        answer = serving.PredictResponse.FromString(message)
        return {name: from_proto(answer.outputs[name]) for name in sorted(answer.outputs)}

    def close(self) -> None:
        """Ends the process; a later request would start it again."""
        with self._lock:
            self._end()

    def _started(self) -> _Process:
        if self._failure is not None:
            raise self._failure.with_traceback(None)
        if self._process is None:
            self._process = _Process([str(self._directory.absolute()), *self._tags])
            try:
                kind, message = self._process.receive(self._startup_timeout)
            except _TooLateError:
                self._fail(StartupError, f"it did not start within {self._startup_timeout:g} s")
            except _EndedError as ended:
                self._fail(StartupError, f"it did not start: {ended}")
            if kind == NOT_LOADED:
                status = serving.StatusProto.FromString(message)
                self._fail(ExportError, f"tf.saved_model.load(..., tags={list(self._tags)}): {status.error_message}")
        return self._process

    def _fail(self, error: type[StartupError | ExportError], problem: str) -> NoReturn:
        self._failure = error(f"TensorFlow cannot run {self._directory} in-process: {problem}")
        raise self._failure from None

    def _end(self, grace: float = _GRACE_SECONDS) -> None:
        if self._process is not None:
            self._process.end(grace)
            self._process = None

    def _error(self, code: Code, message: str, signature_name: str) -> RequestError:
        return RequestError(code, message, transport=TRANSPORT, model=str(self._directory), signature=signature_name)


class _TooLateError(Exception):
    """The time is over."""


class _EndedError(Exception):
    """The process has ended, or says what is no frame: how, and its last words."""


class _Process:
    """The child, and whole frames to and from it in bounded time."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # has no name, so it ends with us
        self._child = subprocess.Popen(
            [sys.executable, "-m", "pytest_tfserving.reference", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            # -m would look in the working directory first, where a repository may well have a tensorflow/.
            env={**os.environ, "PYTHONSAFEPATH": "1"},
        )
        assert self._child.stdin is not None and self._child.stdout is not None
        self._requests, self._answers = self._child.stdin.fileno(), self._child.stdout.fileno()
        for descriptor in (self._requests, self._answers):
            os.set_blocking(descriptor, False)

    def send(self, kind: bytes, message: bytes, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        for part in (HEAD.pack(kind, len(message)), message):
            rest = memoryview(part)
            while rest:
                self._wait(self._requests, selectors.EVENT_WRITE, deadline)
                try:
                    rest = rest[os.write(self._requests, rest[:_CHUNK]) :]
                except BlockingIOError:  # the pipe has less room than was asked for
                    continue
                except BrokenPipeError:
                    raise _EndedError(self._last_words()) from None

    def receive(self, timeout: float) -> tuple[bytes, bytes]:
        deadline = time.monotonic() + timeout
        kind, length = HEAD.unpack(self._read(HEAD.size, deadline))
        if kind not in (READY, ANSWER, ERROR, NOT_LOADED):
            raise _EndedError(f"it answered {kind!r}, which is no answer of ours: {self._last_words()}")
        return kind, self._read(length, deadline)

    def end(self, grace: float) -> None:
        assert self._child.stdin is not None and self._child.stdout is not None
        self._child.stdin.close()  # it ends by itself, unless it cannot even read
        self._child.stdout.close()
        try:
            self._child.wait(grace)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._log.close()

    def _read(self, size: int, deadline: float) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            self._wait(self._answers, selectors.EVENT_READ, deadline)
            try:
                part = os.read(self._answers, min(size - len(parts), _CHUNK))
            except BlockingIOError:
                continue
            if not part:
                raise _EndedError(self._last_words())
            parts += part
        return bytes(parts)

    def _wait(self, descriptor: int, event: int, deadline: float) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, event)
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise _TooLateError

    def _last_words(self) -> str:
        """How the process ended, and the end of what it wrote."""
        status: int | None = None
        with suppress(subprocess.TimeoutExpired):
            status = self._child.wait(_GRACE_SECONDS)
        how = "it still runs" if status is None else f"exit status {status}"
        if status is not None and status < 0:
            how = f"killed by {signal.Signals(-status).name}"
        size = os.fstat(self._log.fileno()).st_size  # not seek(): the child writes where our position is
        words = os.pread(self._log.fileno(), _LAST_WORDS, max(0, size - _LAST_WORDS)).decode(errors="replace").strip()
        return how + (f"\n{words}" if words else "")
