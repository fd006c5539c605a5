"""What the requests of a warm-up file ask for: enough to see which of them a model refuses, without their values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf.message import DecodeError

from pytest_tfserving.dtypes import dtype_name
from pytest_tfserving.schema import DEFAULT_SIGNATURE
from pytest_tfserving.warmup_file import Warmup, WarmupError, read_warmups, unparsable

_MAX_ERROR = 300  # the server's text holds a whole record


@dataclass(frozen=True)
class WarmupRequest:
    """One request. `record` counts from 1. `inputs` (dtypes by alias) and `output_filter` are of Predict alone."""

    record: int
    method: str
    signature: str
    inputs: Mapping[str, str] = field(default_factory=dict)
    output_filter: tuple[str, ...] = ()


@dataclass(frozen=True)
class WarmupContent:
    """The requests up to where a server would stop reading, and what it says there; None where it reads all."""

    requests: tuple[WarmupRequest, ...]
    error: str | None


def read_warmup_content(file: Path) -> WarmupContent | None:
    """The content of a warm-up file; None where there is no such file, which is as well."""
    if not file.is_file():
        return None
    requests: list[WarmupRequest] = []
    error = None
    try:
        for record, found in enumerate(read_warmups(file), 1):
            for warmup in found:
                try:
                    requests += _requests(record, warmup)
                except DecodeError:
                    raise unparsable(warmup.record, file) from None
    except WarmupError as problem:
        error = problem.message if len(problem.message) <= _MAX_ERROR else f"{problem.message[:_MAX_ERROR]}..."
    except OSError as problem:
        error = f"{file} cannot be read: {problem.strerror or problem}"
    return WarmupContent(tuple(requests), error)


def _requests(record: int, warmup: Warmup) -> Iterator[WarmupRequest]:
    from pytest_tfserving.wire import serving_pb2 as serving  # few exports have such a file

    if warmup.method == "Predict":
        predict = serving.PredictRequest.FromString(warmup.request)
        dtypes = {alias: dtype_name(tensor.dtype) for alias, tensor in predict.inputs.items()}
        name = predict.model_spec.signature_name or DEFAULT_SIGNATURE
        yield WarmupRequest(record, "Predict", name, dtypes, tuple(predict.output_filter))
    elif warmup.method == "MultiInference":
        for task in serving.MultiInferenceRequest.FromString(warmup.request).tasks:
            method = task.method_name.rpartition("/")[2].capitalize()
            yield WarmupRequest(record, method, task.model_spec.signature_name or DEFAULT_SIGNATURE)
    else:
        kind = serving.ClassificationRequest if warmup.method == "Classify" else serving.RegressionRequest
        name = kind.FromString(warmup.request).model_spec.signature_name or DEFAULT_SIGNATURE
        yield WarmupRequest(record, warmup.method, name)
