"""Warm-up files: replayed before a version is available; one that fails, fails the load."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_tfserving import tensors
from pytest_tfserving.commands import warmup as command
from pytest_tfserving.server import warmup
from pytest_tfserving.server.failure import ServingError
from pytest_tfserving.tfrecord import masked_crc32c
from pytest_tfserving.warmup_file import WARMUP_FILE
from pytest_tfserving.wire import serving_pb2 as serving


def _record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked_crc32c(length)) + data + struct.pack("<I", masked_crc32c(data))


def _log(field: int, request: bytes) -> bytes:
    """A PredictionLog: the log's field, the request in its field 1."""
    inner = b"\x0a" + bytes([len(request)]) + request
    return bytes([field << 3 | 2, len(inner)]) + inner


def _predict(**inputs: Any) -> bytes:
    # Another model's name and version: neither counts.
    request = serving.PredictRequest(model_spec=serving.ModelSpec(name="recorded"))
    request.model_spec.version.value = 77
    for alias, array in inputs.items():
        request.inputs[alias].CopyFrom(tensors.to_proto(array))
    return _log(6, request.SerializeToString())


X = np.array([1, 2], dtype=np.float32)


def _write(folder: Path, content: bytes) -> None:
    file = folder / WARMUP_FILE
    file.parent.mkdir()
    file.write_bytes(content)


@pytest.fixture
def export(models: Path, tmp_path: Path) -> Path:
    shutil.copytree(models / "versions" / "1", tmp_path / "export" / "1")
    return tmp_path / "export"


def test_records_are_replayed(start_server: Any, export: Path) -> None:
    without_model_spec = serving.PredictRequest()
    without_model_spec.inputs["x"].CopyFrom(tensors.to_proto(X))
    records = [_predict(x=X), _log(6, without_model_spec.SerializeToString()), b""]
    _write(export / "1", b"".join(map(_record, records)))
    log = start_server(f"--model_base_path={export}", "--num_request_iterations_for_warmup=2").log()
    assert "Number of warmup records read: 3." in log


def test_a_record_that_fails_fails_the_start(start_server: Any, fail_to_start: Any, export: Path) -> None:
    _write(export / "1", _record(_predict(y=X)))
    status, output = fail_to_start("--port=0", f"--model_base_path={export}")
    assert status == 255
    assert "{name: default version: 1} due to error: INVALID_ARGUMENT: Signature input alias: x(feed name: " in output
    start_server(f"--model_base_path={export}", "--enable_model_warmup=false")


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"no records at all", "DATA_LOSS: corrupted record at 0 (Is this even a TFRecord file?). Please verify"),
        (_record(b"")[:-5], "DATA_LOSS: truncated record at 0. Please verify your warmup data is in TFRecord format."),
        (_record(b"") + _record(b"\x32")[:9], "DATA_LOSS: truncated record at 16. Please verify"),
        (_record(b"\xff"), "INVALID_ARGUMENT: Failed to parse warmup record: \udcff from "),
        (_record(_log(6, b"\xff")), "INVALID_ARGUMENT: Failed to parse warmup record: "),
        (_record(_log(5, b"")), "UNIMPLEMENTED: Unsupported log_type for warmup: 5"),
        (_record(b"") * 1001, "INVALID_ARGUMENT: Number of warmup records exceeds the maximum (1000) at "),
    ],
)
def test_damaged_files(tmp_path: Path, content: bytes, error: str) -> None:
    _write(tmp_path, content)
    with pytest.raises(ServingError) as caught:
        warmup.replay(None, tmp_path, 1)  # type: ignore[arg-type]  # no record gets as far as the model
    assert str(caught.value).startswith(error)


def test_a_file_that_the_command_wrote_is_run_before_the_model_is_available(
    start_server: Any, fail_to_start: Any, export: Path, tmp_path: Path
) -> None:
    golden = tmp_path / "golden.json"
    golden.write_text('{"cases": {"a": {"inputs": [1.0, 2.0]}, "b": {"instances": [3.0]}}}')
    assert command.run([str(golden), "-o", str(export)]) == 0
    log = start_server(f"--model_base_path={export}").log()
    assert f"Starting to read warmup data for model at {export}/1/{WARMUP_FILE}" in log
    assert "Number of warmup records read: 2." in log


def test_a_flipped_bit_in_a_record_fails_the_start(fail_to_start: Any, export: Path) -> None:
    content = bytearray(_record(_predict(x=X)))
    content[-6] ^= 1  # in the data
    _write(export / "1", bytes(content))
    _, output = fail_to_start("--port=0", f"--model_base_path={export}")
    assert "DATA_LOSS: corrupted record at 0. Please verify your warmup data is in TFRecord format." in output
