"""The suite that one writes without the plugin: start a server, wait, ask over both transports, compare.

It does what tools/bench/ours.py does with two markers, in the way of the usual tutorials: the official stubs, which
import TensorFlow, and the export's signature read by TensorFlow's own loader. SERVER=docker IMAGE=... starts the
server through testcontainers, otherwise it is a subprocess.
"""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import grpc
import numpy as np
import pytest
import requests
import tensorflow as tf
from tensorflow.python.saved_model import loader_impl
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2, prediction_service_pb2_grpc

HERE = Path(__file__).parent
EXPORT = HERE.parents[1] / "example_models" / "half_plus_two" / "exports" / "half_plus_two"
GOLDEN = json.loads((HERE / "golden.json").read_text())


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(rest):
    for _ in range(600):
        try:
            status = requests.get(f"{rest}/v1/models/half_plus_two", timeout=5).json()
            if status["model_version_status"][0]["state"] == "AVAILABLE":
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.1)
    raise TimeoutError(rest)


@pytest.fixture(scope="session")
def server():
    if os.environ.get("SERVER") == "docker":
        from testcontainers.core.container import DockerContainer

        container = DockerContainer(os.environ["IMAGE"]).with_exposed_ports(8500, 8501)
        container.with_volume_mapping(str(EXPORT), "/models/half_plus_two").with_env("MODEL_NAME", "half_plus_two")
        with container:
            host = "127.0.0.1"
            rest = f"http://{host}:{container.get_exposed_port(8501)}"
            wait_for(rest)
            yield rest, f"{host}:{container.get_exposed_port(8500)}"
        return
    grpc_port, rest_port = free_port(), free_port()
    process = subprocess.Popen(
        [
            sys.executable, "-m", "pytest_tfserving.server", f"--port={grpc_port}", f"--rest_api_port={rest_port}",
            "--model_name=half_plus_two", f"--model_base_path={EXPORT}",
        ],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    rest = f"http://127.0.0.1:{rest_port}"
    wait_for(rest)
    yield rest, f"127.0.0.1:{grpc_port}"
    process.terminate()
    process.wait()


def test_signature(server):
    signature = loader_impl.parse_saved_model(str(EXPORT / "1")).meta_graphs[0].signature_def["serving_default"]
    stub = prediction_service_pb2_grpc.PredictionServiceStub(grpc.insecure_channel(server[1]))
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "half_plus_two"
    served = get_model_metadata_pb2.SignatureDefMap()
    stub.GetModelMetadata(request, timeout=30).metadata["signature_def"].Unpack(served)
    for found in (signature, served.signature_def["serving_default"]):
        assert {name: tf.dtypes.as_dtype(t.dtype).name for name, t in found.inputs.items()} == {"x": "float32"}
        assert {name: tf.dtypes.as_dtype(t.dtype).name for name, t in found.outputs.items()} == {"y": "float32"}
        assert [d.size for d in found.inputs["x"].tensor_shape.dim] == [-1]
        assert [d.size for d in found.outputs["y"].tensor_shape.dim] == [-1]


def test_golden_rest(server):
    answer = requests.post(
        f"{server[0]}/v1/models/half_plus_two:predict", json={"instances": GOLDEN["instances"]}, timeout=30
    )
    np.testing.assert_allclose(answer.json()["predictions"], GOLDEN["predictions"], rtol=1e-5)


def test_golden_grpc(server):
    stub = prediction_service_pb2_grpc.PredictionServiceStub(grpc.insecure_channel(server[1]))
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "half_plus_two"
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(GOLDEN["instances"], tf.float32))
    answer = tf.make_ndarray(stub.Predict(request, timeout=30).outputs["y"])
    assert answer.dtype == np.float32
    np.testing.assert_allclose(answer, GOLDEN["predictions"], rtol=1e-5)
