"""Generated requests and expected refusals, on real servers over both transports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_tfserving.clients.grpc import GrpcClient
from pytest_tfserving.clients.rest import RestClient
from pytest_tfserving.contracts.check import ExpectedSignature, find_size_conflicts
from pytest_tfserving.contracts.generated import check_generated, check_refusals
from pytest_tfserving.contracts.promises import Promises, Values
from pytest_tfserving.endpoint import Endpoint, Servable
from pytest_tfserving.errors import Code, ServerDiedError
from pytest_tfserving.golden.check import check_case
from pytest_tfserving.golden.store import case_of
from pytest_tfserving.golden.tolerance import Tolerance
from pytest_tfserving.grammar import parse_tensor_spec
from tests.server.conftest import Server


def clients_of(server: Server, model: str) -> tuple[GrpcClient, RestClient]:
    endpoint = Endpoint(f"http://127.0.0.1:{server.rest_port}", f"127.0.0.1:{server.grpc_port}")
    return GrpcClient(endpoint, Servable(model), 30), RestClient(endpoint, Servable(model), 30)


class Model:
    """A model on the server, and its two clients."""

    def __init__(self, server: Server, name: str) -> None:
        self.clients = clients_of(server, name)
        self.schema = self.clients[0].schema

    def find(self, signature_name: str, promises: Promises | None = None, **specs: str) -> Any:
        """What generated requests find; `specs` are those of the inputs that a contract gives names and limits."""
        signature = self.schema.signatures[signature_name]
        parsed = {name: parse_tensor_spec(spec) for name, spec in specs.items()}
        expected = ExpectedSignature(signature_name, {**signature.inputs, **parsed}, signature.outputs)

        def asking(client: Any) -> Callable[[Any], Any]:
            return lambda inputs: client.predict(inputs=inputs, signature_name=signature_name)

        ask = {client.transport: asking(client) for client in self.clients}
        judge = lambda inputs, outputs: find_size_conflicts(expected, inputs, outputs)  # noqa: E731
        return check_generated(signature, expected, promises, ask, judge, examples=25)


@pytest.fixture
def model(server: Server) -> Iterator[Callable[[str], Model]]:
    """A model of the recording by its name."""
    models: list[Model] = []

    def named(name: str) -> Model:
        models.append(Model(server, name))
        return models[-1]

    yield named
    for one in models:
        for client in one.clients:
            client.close()


HOLDING = [
    ("dtypes", "id_float32"), ("dtypes", "id_bfloat16"), ("dtypes", "id_complex64"), ("dtypes", "id_string"),
    ("dtypes", "id_uint64"), ("dtypes", "id_int8"), ("dtypes", "id_bool"), ("dtypes", "scalar_float64"),
    ("dtypes", "scalar_string"), ("shapes", "serving_default"), ("shapes", "mixed"), ("shapes", "rank4"),
    ("shapes", "unknown_rank"), ("shapes", "two_outs"), ("multi_io", "serving_default"), ("multi_io", "bytes_in"),
    ("ids", "serving_default"), ("keras_export", "serving_default"), ("counter", "get"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "signature"), HOLDING, ids=[f"{name}-{signature}" for name, signature in HOLDING])
def test_a_model_that_takes_what_its_signature_says(model: Any, name: str, signature: str) -> None:
    assert model(name).find(signature) is None


@pytest.mark.parametrize(
    ("signature", "smallest", "message"),
    [
        ("div", {"x": [0]}, "Integer division by zero"),
        ("gather", {"i": [-1]}, "indices[0] = -1 is not in [0, 3)"),
        ("serving_default", {"x": [-1.0]}, "negative input"),
        ("png", {"s": [b""]}, "Input is empty."),
        ("matmul", {"a": [[0.0, 0.0]], "b": [[0.0]]}, "Matrix size-incompatible: In[0]: [1,2], In[1]: [1,1]"),
    ],
    ids=["div", "gather", "assert", "png", "matmul"],
)
def test_a_model_that_refuses_what_its_signature_allows(
    model: Any, signature: str, smallest: dict[str, Any], message: str
) -> None:
    failure = model("errors").find(signature)
    assert failure.kind == "refused"
    assert {name: array.tolist() for name, array in failure.inputs.items()} == smallest
    assert failure.is_smallest
    assert message in failure.error.message


@pytest.mark.parametrize(
    ("signature", "promises", "specs"),
    [
        ("div", Promises("div", {"x": Values(min=1)}), {}),
        ("gather", Promises("gather", {"i": Values(min=0, max=2)}), {}),
        ("serving_default", Promises("serving_default", {"x": Values(min=0)}), {}),
        ("matmul", None, {"a": "float32[rows, inner]", "b": "float32[inner, columns]"}),
    ],
    ids=["div", "gather", "assert", "matmul"],
)
def test_the_same_model_with_what_its_clients_send(
    model: Any, signature: str, promises: Promises | None, specs: dict[str, str]
) -> None:
    assert model("errors").find(signature, promises, **specs) is None


@pytest.mark.parametrize(("name", "signature"), HOLDING, ids=[f"{name}-{signature}" for name, signature in HOLDING])
def test_what_breaks_the_signature_is_refused_and_does_no_harm(model: Any, name: str, signature: str) -> None:
    one = model(name)
    assert check_refusals(one.schema.signatures[signature], None, None, one.clients, examples=25) is None


def test_the_server_leaves_shapes_to_the_graph(model: Any) -> None:
    one = model("shapes")
    failure = check_refusals(
        one.schema.signatures["serving_default"], None, None, one.clients, examples=25, kinds=["size"]
    )
    assert (failure.kind, failure.invalid.kind) == ("answered", "size")
    wide = one.schema.signatures["wide"]
    assert check_refusals(wide, None, None, one.clients, examples=25, kinds=["rank"]) is None


def test_a_request_that_ends_the_server_is_told(start_server: Any, exports: Path) -> None:
    server = start_server("--model_name=m", f"--model_base_path={exports / 'aborting'}")
    one = Model(server, "m")
    one.clients[1].schema  # noqa: B018  # asked for while it lives
    failure = one.find("serving_default")
    assert (failure.kind, failure.tried, failure.transport) == ("gone", 1, "grpc")
    assert failure.error.code is Code.UNAVAILABLE
    assert failure.inputs.keys() == {"x"}
    assert server.process.wait(timeout=20) != 0


def test_a_server_that_is_killed_meanwhile_is_told(start_server: Any, models: Path) -> None:
    server = start_server("--model_name=m", f"--model_base_path={models / 'dtypes'}")
    one = Model(server, "m")
    sent = []

    def ask(inputs: Any) -> Any:
        sent.append(inputs)
        if len(sent) == 5:
            server.process.kill()
            server.process.wait()
            raise ServerDiedError("the server of m ended: killed by signal 9")
        return one.clients[0].predict(inputs=inputs)

    signature = one.schema.signatures["serving_default"]
    failure = check_generated(signature, None, None, {"grpc": ask}, lambda i, o: [], examples=25)
    assert failure is not None
    assert (failure.kind, failure.tried, len(sent)) == ("gone", 5, 5)
    refused = check_refusals(signature, None, None, one.clients[:1], examples=25)
    assert refused is not None
    assert (refused.kind, refused.tried) == ("gone", 1)


EXACT = {"dtype": "string", "shape": [1], "values": ["a"]}


@pytest.mark.parametrize(
    ("name", "case", "over_grpc", "over_rest"),
    [
        ("multi_io", {"inputs": {"y": [[1, 2]]}, "signature_name": "single"}, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        ("multi_io", {"inputs": {}, "signature_name": "single"}, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        ("multi_io", {"inputs": {"x": EXACT}, "signature_name": "single"}, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        ("multi_io", {"instances": [{"x": 1, "z": 2}], "signature_name": "single"}, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        ("multi_io", {"inputs": {"x": [[1, 2]]}, "signature_name": "none"}, "FAILED_PRECONDITION", "INVALID_ARGUMENT"),
        ("multi_io", {"inputs": {"x": "a"}, "signature_name": "single"}, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        ("errors", {"inputs": {"a": [1, 2], "b": [3]}, "signature_name": "matmul"}, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        ("errors", {"inputs": [1, 0], "signature_name": "div"}, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        ("dtypes", {"inputs": [0.5], "signature_name": "id_int32"}, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        ("dtypes", {"inputs": [1], "signature_name": "id_float16"}, None, "UNIMPLEMENTED"),
        ("multi_io", {"inputs": {"x": [[1, 2]], "z": 1}, "signature_name": "single"}, "INVALID_ARGUMENT", None),
    ],
    ids=["other name", "missing", "exact dtype", "rows", "no signature", "text", "rank", "division", "fraction",
         "half over REST", "extra"],
)  # fmt: skip
def test_a_request_that_expects_to_be_refused(
    model: Any, name: str, case: dict[str, Any], over_grpc: str | None, over_rest: str | None
) -> None:
    one = model(name)
    for client, code in zip(one.clients, (over_grpc, over_rest), strict=True):
        golden = case_of(Path("g.json"), "a", {**case, "expect_error": code or "INVALID_ARGUMENT"})
        outcome = check_case(golden, client, one.schema, Tolerance(), None)
        assert outcome.holds is (code is not None), (client.transport, outcome.refusal)
        assert bool(outcome.refusal.answered) is (code is None)
        other = case_of(Path("g.json"), "a", {**case, "expect_error": {"code": "INTERNAL", "text": "no such text"}})
        assert not check_case(other, client, one.schema, Tolerance(), None).holds
