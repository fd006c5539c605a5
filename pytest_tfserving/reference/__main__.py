"""`python -m pytest_tfserving.reference DIRECTORY TAG...`: runs a SavedModel as Python users run it, over pipes.

Requests come on stdin, answers go to stdout, in the frames of frames.py; all else that is written goes to stderr. The
process ends when stdin does, in the middle of a run too: its parent is gone then.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any, BinaryIO

from pytest_tfserving.reference.frames import ANSWER, ERROR, NOT_LOADED, READY, REQUEST, read_frame, write_frame
from pytest_tfserving.savedmodel import read_saved_model
from pytest_tfserving.wire import serving_pb2 as serving
from pytest_tfserving.wire import tensorflow_pb2 as wire


def main(directory: str, tags: list[str]) -> None:
    """Loads the SavedModel, says so, and answers requests one after the other."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)  # what TensorFlow and the model print is no answer
    queue: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_receive, args=(requests, queue), daemon=True).start()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if not getattr(sys.flags, "safe_path", False):
        sys.path.pop(0)  # -m has put the working directory there, where a repository may have a tensorflow/
    import tensorflow as tf  # type: ignore[import-untyped]

    try:
        signatures = tf.saved_model.load(directory, tags).signatures
    except Exception as error:
        write_frame(answers, NOT_LOADED, _status(tf, error))
        return
    defaults = Defaults(Path(directory), tags)
    write_frame(answers, READY, b"")
    while True:
        request = queue.get()
        try:
            answer = _predict(tf, signatures, serving.PredictRequest.FromString(request), defaults)
            write_frame(answers, ANSWER, answer.SerializeToString())
        except BrokenPipeError:
            return
        except Exception as error:
            write_frame(answers, ERROR, _status(tf, error))


def _receive(requests: BinaryIO, queue: SimpleQueue[bytes]) -> None:
    """Reads ahead, so that the end of stdin is seen while a model runs; so is whatever is no request."""
    with suppress(Exception):
        while True:
            kind, message = read_frame(requests)
            if kind != REQUEST:
                break
            queue.put(message)
    os._exit(0)


class Defaults:
    """What TensorFlow Serving takes for inputs that a request leaves out; tf.saved_model.load takes no notice of it."""

    def __init__(self, directory: Path, tags: list[str]) -> None:
        self._directory = directory
        self._tags = tags

    def of(self, signature_name: str) -> dict[str, wire.TensorProto]:
        """The defaults of a signature, from the file, which is read anew: few requests leave an input out."""
        for graph in read_saved_model(self._directory).meta_graphs:
            if set(graph.meta_info_def.tags) == set(self._tags):
                return dict(graph.signature_def[signature_name].defaults)
        return {}


def _predict(tf: Any, signatures: Any, request: serving.PredictRequest, defaults: Defaults) -> serving.PredictResponse:
    name = request.model_spec.signature_name
    if name not in signatures:
        known = ", ".join(map(repr, sorted(signatures))) or "none"
        raise tf.errors.NotFoundError(None, None, f"no signature {name!r}; the SavedModel has {known}")
    function, inputs = signatures[name], dict(request.inputs)
    if set(function.structured_input_signature[1]) - set(inputs):
        inputs = {**defaults.of(name), **inputs}
    tensors = {
        alias: tf.io.parse_tensor(proto.SerializeToString(), tf.dtypes.as_dtype(proto.dtype))
        for alias, proto in inputs.items()
    }
    answer = serving.PredictResponse()
    for alias, tensor in function(**tensors).items():
        answer.outputs[alias].CopyFrom(wire.TensorProto.FromString(tf.io.serialize_tensor(tensor).numpy()))
    return answer


def _status(tf: Any, error: Exception) -> bytes:
    """The error as StatusProto; what Python's own binding of arguments refuses is an invalid argument."""
    if isinstance(error, tf.errors.OpError):
        # Of a "Graph execution error" most lines are where this file called TensorFlow.
        lines = [line for line in error.message.splitlines() if line and not line.startswith(("Detected at", "  File"))]
        status = serving.StatusProto(error_code=error.error_code, error_message="\n".join(lines))
    else:
        code = serving.INVALID_ARGUMENT if isinstance(error, TypeError | ValueError) else serving.UNKNOWN
        status = serving.StatusProto(error_code=code, error_message=f"{type(error).__name__}: {error}")
    return status.SerializeToString()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
