"""REST and gRPC give the same arrays, status, metadata and errors, on every backend that starts a server"""

from __future__ import annotations

import numpy as np
import pytest

from pytest_tfserving.errors import Code, RequestError, TensorError
from pytest_tfserving.serve_request import ModelRequest, ServeRequest
from pytest_tfserving.tensors import numpy_dtype
from tests.conftest import MODELS

SAMPLES = {
    "float32": [0.1, -0.0, 1e38, -2e-38],
    "float64": [0.1, 1 / 3, 1e300, -5e-300],
    "int8": [-128, 127],
    "int16": [-(2**15), 2**15 - 1],
    "int32": [-(2**31), 2**31 - 1],
    "int64": [-(2**63), 2**63 - 1, 2**53 + 1],
    "uint8": [0, 255],
    "uint32": [0, 2**32 - 1],
    "uint64": [0, 2**64 - 1],
    "bool": [True, False],
    "string": ["", "text", "ü€"],
}
GRPC_ONLY = {
    "float16": [0.1, 65504.0],
    "bfloat16": [1.5, -3.0],
    "uint16": [0, 65535],
    "complex64": [1 + 2j],
    "complex128": [1 - 2j],
}


@pytest.fixture(params=["embedded", "docker", "binary"])
def serve(request, serving_of):
    """serve(model): one of the conformance models on this backend."""
    settings = {"backend": request.param}
    if request.param == "docker":
        settings["image"] = request.getfixturevalue("image")
    if request.param == "binary":
        settings["binary"] = request.getfixturevalue("binary")
    serving = serving_of(**settings)

    def serve(name):
        [served] = serving.serve(ServeRequest((ModelRequest(MODELS / name),))).values()
        return served

    return serve


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def test_every_dtype_of_rest(serve):
    served = serve("dtypes")
    for dtype, values in SAMPLES.items():
        for signature, value in ((f"id_{dtype}", values), (f"scalar_{dtype}", values[-1])):
            [rest] = served.rest.predict(inputs={"x": value}, signature_name=signature).values()
            [grpc] = served.grpc.predict(inputs={"x": value}, signature_name=signature).values()
            assert rest.dtype == numpy_dtype(dtype), signature
            assert same(rest, grpc), signature


def test_dtypes_that_grpc_alone_carries(serve):
    served = serve("dtypes")
    for dtype, values in GRPC_ONLY.items():
        array = np.array(values, numpy_dtype(dtype))
        [answer] = served.grpc.predict(inputs={"x": array}, signature_name=f"id_{dtype}").values()
        assert same(answer, array), dtype
        with pytest.raises((RequestError, TensorError)):
            served.rest.predict(inputs={"x": array}, signature_name=f"id_{dtype}")


def test_nan_and_infinities(serve):
    served = serve("dtypes")
    values = [np.nan, np.inf, -np.inf]
    for dtype in ("float32", "float64"):
        answers = [
            client.predict(inputs={"x": values}, signature_name=f"id_{dtype}") for client in (served.rest, served.grpc)
        ]
        assert same(*(answer["y"] for answer in answers))


def test_bytes_and_several_outputs(serve):
    served = serve("multi_io")
    inputs = {"a": [[1.0, 2.0]], "b": [3], "s": [b"\x00\xff"]}
    names = set(served.signatures["serving_default"].inputs)
    inputs = dict(zip(sorted(names), inputs.values(), strict=True))
    rest = served.rest.predict(inputs=inputs)
    grpc = served.grpc.predict(inputs=inputs)
    assert set(rest) == set(grpc) == set(served.signatures["serving_default"].outputs)
    assert all(same(rest[name], grpc[name]) for name in rest)
    rows = served.rest.predict(instances=[{name: value[0] for name, value in inputs.items()}])
    assert all(same(rows[name], grpc[name]) for name in grpc)


def test_an_empty_batch_keeps_its_inner_sizes(serve):
    served = serve("shapes")
    for client in (served.rest, served.grpc):
        answer = client.predict(inputs={"x": []}, signature_name="wide")["y"]
        assert (answer.dtype, answer.shape) == (np.float32, (0, 1000))


def test_metadata_and_status_agree(serve):
    served = serve("shapes")
    assert served.rest.metadata() == served.grpc.metadata() == served.schema
    assert served.export_schema == served.schema
    assert served.rest.status() == served.grpc.status()
    [status] = served.rest.status()
    assert (status.version, status.state, status.code, status.message) == (1, "AVAILABLE", Code.OK, "")


def test_errors_are_one_type_with_code_message_transport_and_signature(serve):
    served = serve("errors")
    for client in (served.rest, served.grpc):
        with pytest.raises(RequestError) as refused:
            client.predict(inputs={"wrong": [1.0]}, signature_name="matmul")
        error = refused.value
        assert (error.code, error.transport, error.signature) == (Code.INVALID_ARGUMENT, client.transport, "matmul")
        assert error.message


def test_classify_and_regress_agree(serve):
    served = serve("examples")
    examples = [{"x": 1.0}, {"x": [-2.5]}]
    signature = served.signatures["regress"]
    assert signature.method_name == "tensorflow/serving/regress"
    answers = []
    for client in (served.rest, served.grpc):
        try:
            answers.append((client.regress(examples, signature_name="regress"), client.classify(examples)))
        except RequestError as error:
            answers.append(error.code)
    assert answers[0] == answers[1]
