"""Every dtype goes in and comes out unchanged; what one transport cannot carry it says."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from pytest_tfserving import tensors
from pytest_tfserving.wire import serving_pb2 as serving
from pytest_tfserving.wire import tensorflow_pb2 as tf

PREDICT = "/tensorflow.serving.PredictionService/Predict"

VALUES: dict[str, list[Any]] = {
    "float16": [0, -1.5, 65504, float("inf")],
    "bfloat16": [0, -1.5, 3e38, float("inf")],
    "float32": [0.1, -1.5, 3.4028235e38, float("inf"), float("nan"), -0.0],
    "float64": [0.1, -1.5, 1.7976931348623157e308, float("-inf"), 1e-300],
    "int8": [-128, 0, 127],
    "int16": [-(2**15), 0, 2**15 - 1],
    "int32": [-(2**31), 0, 2**31 - 1],
    "int64": [-(2**63), 0, 2**63 - 1],
    "uint8": [0, 255],
    "uint16": [0, 65535],
    "uint32": [0, 2**32 - 1],
    "uint64": [0, 2**64 - 1],
    "bool": [True, False],
    "string": [b"", b"short", b"more than twenty-two bytes long", "é😀".encode(), b"\x00\xff" * 40],
    "complex64": [1 + 2j, -0.5j],
    "complex128": [1 + 2j, -0.5j],
}
NOT_IN_JSON = {"float16", "bfloat16", "uint16", "complex64", "complex128"}
SHAPES = [(-1,), (1, -1), (-1, 1, 1)]


def _array(dtype: str, shape: tuple[int, ...]) -> Any:
    return np.array(VALUES[dtype], dtype=tensors.numpy_dtype(dtype)).reshape(shape)


def _predict(server: Any, signature: str, **inputs: Any) -> serving.PredictResponse:
    request = serving.PredictRequest(model_spec=serving.ModelSpec(name="dtypes", signature_name=signature))
    for alias, array in inputs.items():
        request.inputs[alias].CopyFrom(tensors.to_proto(array))
    return serving.PredictResponse.FromString(server.call(PREDICT, request.SerializeToString(), timeout=None))


@pytest.mark.parametrize("dtype", VALUES)
def test_grpc(server: Any, dtype: str) -> None:
    for shape in [*SHAPES, (0,)]:
        array = _array(dtype, shape) if shape != (0,) else _array(dtype, (-1,))[:0]
        (proto,) = _predict(server, f"id_{dtype}", x=array).outputs.values()
        assert not proto.tensor_content  # typed lists, as clients that read float_val expect
        np.testing.assert_array_equal(tensors.from_proto(proto), array, strict=True)


@pytest.mark.parametrize("dtype", [dtype for dtype in VALUES if dtype not in NOT_IN_JSON])
@pytest.mark.parametrize(("key", "answer"), [("instances", "predictions"), ("inputs", "outputs")])
def test_rest(server: Any, dtype: str, key: str, answer: str) -> None:
    array = _array(dtype, (-1,))
    values = [v for v in array.tolist() if dtype != "string" or v.isascii()]
    array = array[: len(values)] if dtype == "string" else array
    body = {"signature_name": f"id_{dtype}", key: tensors.to_json(np.array(values, dtype=array.dtype))}
    status, _, text = server.rest("POST", "/v1/models/dtypes:predict", json.dumps(body))
    assert status == 200, text
    got = np.array(json.loads(text)[answer], dtype=array.dtype if dtype != "string" else object)
    if dtype == "string":
        got = np.array([v.encode() for v in got], dtype=object)
    np.testing.assert_array_equal(got, np.array(values, dtype=array.dtype))


@pytest.mark.parametrize("dtype", sorted(NOT_IN_JSON))
def test_rest_has_no_form_for(server: Any, dtype: str) -> None:
    name = {"float16": "half"}.get(dtype, dtype)
    for key, status, message in [
        ("inputs", 501, f"Conversion of JSON Value: 1 to type: {name}"),
        (
            "instances",
            400,
            "Failed to process element: 0 of 'instances' list. Error: UNIMPLEMENTED: "
            f"Conversion of JSON Value: 1 to type: {name}",
        ),
    ]:
        body = json.dumps({"signature_name": f"id_{dtype}", key: [1]})
        got, _, text = server.rest("POST", "/v1/models/dtypes:predict", body)
        assert (got, json.loads(text)["error"]) == (status, message)


def test_bytes_go_over_rest_in_base64(server: Any) -> None:
    data = bytes(range(256))
    body = {"signature_name": "bytes_out", "inputs": {"b64": base64.b64encode(data).decode()}}
    status, _, text = server.rest("POST", "/v1/models/multi_io:predict", json.dumps(body))
    assert status == 200, text
    assert base64.b64encode(data) in text


@pytest.mark.parametrize(
    "shape",
    [[2**62, 4], [2**32, 2**32], [2**31, 2**33, 1, 0], [2**40], [-1], [1] * 255],
    ids=lambda shape: str(shape[:4]),
)
def test_shapes_that_cannot_be(server: Any, shape: list[int]) -> None:
    request = serving.PredictRequest(model_spec=serving.ModelSpec(name="dtypes", signature_name="id_float32"))
    request.inputs["x"].dtype = tf.DT_FLOAT
    for size in shape:
        request.inputs["x"].tensor_shape.dim.add(size=size)
    with pytest.raises(grpc.RpcError) as caught:
        server.call(PREDICT, request.SerializeToString())
    assert (caught.value.code(), caught.value.details()) == (
        grpc.StatusCode.INVALID_ARGUMENT, "tensor parsing error: x",
    )  # fmt: skip


def test_any_byte_but_zero_is_true(server: Any) -> None:
    request = serving.PredictRequest(model_spec=serving.ModelSpec(name="dtypes", signature_name="id_bool"))
    proto = request.inputs["x"]
    proto.dtype, proto.tensor_content = tf.DT_BOOL, b"\x00\x02\xff"
    proto.tensor_shape.dim.add(size=3)
    outputs = serving.PredictResponse.FromString(server.call(PREDICT, request.SerializeToString())).outputs
    assert [list(output.bool_val) for output in outputs.values()] == [[False, True, True]]


def test_inputs_with_defaults_may_be_left_out_over_grpc(start_server: Any, models: Path, tmp_path: Path) -> None:
    """Over REST every input has to be there, as in the original."""
    shutil.copytree(models / "versions" / "1", tmp_path / "m" / "1")
    file = tmp_path / "m" / "1" / "saved_model.pb"
    export = tf.SavedModel.FromString(file.read_bytes())
    signature = export.meta_graphs[0].signature_def["serving_default"]
    signature.defaults["x"].CopyFrom(tensors.to_proto(np.array([7], dtype=np.float32)))
    file.write_bytes(export.SerializeToString())
    server = start_server("--model_name=m", f"--model_base_path={tmp_path}/m")
    request = serving.PredictRequest(model_spec=serving.ModelSpec(name="m"))
    outputs = serving.PredictResponse.FromString(server.call(PREDICT, request.SerializeToString())).outputs
    assert [tensors.from_proto(output).tolist() for output in outputs.values()] == [[7]]
    request.inputs["z"].CopyFrom(tensors.to_proto(np.array([1], dtype=np.float32)))
    with pytest.raises(grpc.RpcError) as caught:
        server.call(PREDICT, request.SerializeToString())
    assert caught.value.details() == "Inputs contains invalid name. Used request inputs: , request input: z"
    assert b"keys must be equal to: x" in server.rest("POST", "/v1/models/m:predict", '{"instances": [{}]}')[2]


def test_large_messages_pass_both_ways(server: Any) -> None:
    array = np.arange(3_000_000, dtype=np.float32)  # 12 MB: beyond gRPC's default of 4
    (proto,) = _predict(server, "id_float32", x=array).outputs.values()
    np.testing.assert_array_equal(tensors.from_proto(proto), array)


def test_details_are_cut(server: Any) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        _predict(server, "é" * 1000)
    details = caught.value.details()
    assert details.startswith('Serving signature key "éé') and details.endswith("...TRUNCATED")


@pytest.mark.parametrize(
    "path", ["/tensorflow.serving.PredictionService/Nothing", "/tensorflow.ProfilerService/Profile"]
)
def test_missing_methods(server: Any, path: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        server.call(path, b"")
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.UNIMPLEMENTED, "")


def test_bytes_that_are_no_message(server: Any) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        server.call(PREDICT, b"\xff\xff")
    assert caught.value.code() is grpc.StatusCode.INTERNAL
