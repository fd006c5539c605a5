"""Warm-up requests of an export, replayed before the version becomes available.

The rules and texts are those of servables/tensorflow/saved_model_warmup_util.cc and saved_model_warmup.cc; the file is
warmup_file.py's. A record that fails, fails the load.
"""

from __future__ import annotations

import logging
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from google.protobuf.message import DecodeError

from pytest_tfserving.server import metrics
from pytest_tfserving.server.core import Core
from pytest_tfserving.server.failure import ServingError
from pytest_tfserving.server.methods import prediction_methods
from pytest_tfserving.server.servable import Servable
from pytest_tfserving.warmup_file import WARMUP_FILE, WarmupError, read_warmups, unparsable
from pytest_tfserving.wire import serving_pb2 as serving

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Only:
    """A catalog of one servable: whatever name and version a record has, it is asked, under the record's name."""

    servable: Servable

    def use(self, spec: serving.ModelSpec) -> AbstractContextManager[Servable]:
        return nullcontext(replace(self.servable, name=spec.name))

    def statuses(self, _: str) -> dict[int, serving.ModelVersionStatus]:
        return {}


def replay(servable: Servable, folder: Path, iterations: int) -> None:
    """Run every record of a version's warm-up file, if it has one. Raises ServingError for the first that fails."""
    file = folder / WARMUP_FILE
    if not file.is_file():
        _log.info("No warmup data file found at %s", file)
        return
    _log.info("Starting to read warmup data for model at %s", file)
    began = time.perf_counter_ns()
    served = prediction_methods(Core(_Only(servable)))
    count = 0
    try:
        for requests in read_warmups(file):
            for method, request, record in requests:
                # A record need not have a model_spec; one that is empty merges with any.
                spec = b"" if method == "MultiInference" else b"\x0a\x00"
                for _ in range(iterations):
                    try:
                        served[f"/tensorflow.serving.PredictionService/{method}"](request + spec, None)
                    except DecodeError:
                        raise unparsable(record, file) from None
            count += 1
    except WarmupError as error:
        raise ServingError(error.code, error.message) from error
    metrics.WARMUP_LATENCY.add_since((str(folder), "OK"), began)
    metrics.WARMUP_RECORDS_READ.add((str(folder), "OK"), count)
    _log.info(
        "Finished reading warmup data for model at %s. Number of warmup records read: %d. "
        "Elapsed time (microseconds): %d.",
        file,
        count,
        (time.perf_counter_ns() - began) // 1000,
    )
