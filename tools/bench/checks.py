"""One check beside the bare calls that it consists of: a golden by transport and size, and generated requests."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from tools.bench.cold import EXPORT

SIZES = (3, 1_000, 100_000)
EXAMPLES = 25


def rows(calls: int = 300) -> Iterator[tuple[str, str, str, str, str]]:
    """(what, measured, baseline, ratio or size, limit) of each figure, on the embedded server."""
    import grpc
    import numpy as np
    import requests

    from pytest_tfserving.golden.case import Case
    from pytest_tfserving.golden.check import check_case
    from pytest_tfserving.golden.tolerance import Tolerance
    from pytest_tfserving.options import Settings
    from pytest_tfserving.serve_request import ModelRequest, ServeRequest
    from pytest_tfserving.session import Session
    from pytest_tfserving.tensors import to_proto
    from pytest_tfserving.wire import serving_pb2 as serving

    settings = Settings.resolve(lambda option: {"backend": "embedded"}.get(option.name), lambda _: None, {})
    session = Session(settings, print)
    try:
        [served] = session.serving.serve(ServeRequest((ModelRequest(EXPORT),))).values()
        url = f"{served.endpoint.rest_url}/v1/models/half_plus_two:predict"
        http = requests.Session()
        call = grpc.insecure_channel(
            served.endpoint.grpc_target, options=[("grpc.max_receive_message_length", -1)]
        ).unary_unary(
            "/tensorflow.serving.PredictionService/Predict",
            request_serializer=serving.PredictRequest.SerializeToString,
            response_deserializer=serving.PredictResponse.FromString,
        )
        for size in SIZES:
            x = (np.arange(size) % 100).astype(np.float32)
            case = Case(
                "bench",
                Path("bench.json"),
                None,
                None,
                {"instances": x.tolist()},
                {"predictions": (x / 2 + 2).tolist()},
                {},
            )
            body = json.dumps({"signature_name": "serving_default", "instances": x.tolist()})
            request = serving.PredictRequest(inputs={"x": to_proto(x)})
            request.model_spec.name = "half_plus_two"

            def bare_rest(body: str = body, size: int = size) -> None:
                assert len(http.post(url, data=body, timeout=30).json()["predictions"]) == size

            def bare_grpc(request: serving.PredictRequest = request) -> None:
                assert call(request, timeout=30).outputs["y"].dtype == 1

            for transport, bare in (("REST", bare_rest), ("gRPC", bare_grpc)):
                client, schema = served.client(transport.lower()), served.schema

                def check(case: Case = case, client: object = client, schema: object = schema) -> None:
                    outcome = check_case(case, client, schema, Tolerance(rtol=1e-5), None)
                    assert outcome.comparison is not None
                    assert outcome.comparison.holds

                mine, theirs = in_turns(check, bare, max(10, calls * 10 // max(size // 100, 10)))
                what = f"golden check over {transport}, {size:,} floats in and out"
                limit = "1.5" if size == SIZES[0] else ""
                yield what, f"{mine * 1e3:.2f} ms", f"{theirs * 1e3:.2f} ms bare call", f"{mine / theirs:.2f}", limit
        yield generated(served, calls // 10)
    finally:
        session.close()


def generated(served: Any, calls: int) -> tuple[str, str, str, str, str]:
    """A check by generated requests, valid and invalid ones, beside the same requests by the same clients."""
    from pytest_tfserving.contracts.generated import check_generated, check_refusals
    from pytest_tfserving.errors import RequestError

    signature, clients = served.signatures["serving_default"], {"rest": served.rest, "grpc": served.grpc}
    sent: list[tuple[str, dict[str, Any]]] = []

    class Noted:
        """A client whose requests are noted."""

        def __init__(self, transport: str) -> None:
            self.transport = transport

        def predict(self, **request: Any) -> Any:
            sent.append((self.transport, request))
            return clients[self.transport].predict(**request)

    noted = {transport: Noted(transport) for transport in clients}
    asks = {
        transport: lambda inputs, client=client: client.predict(inputs=inputs, signature_name="serving_default")
        for transport, client in noted.items()
    }

    def check() -> None:
        sent.clear()
        assert check_generated(signature, None, None, asks, lambda _inputs, _outputs: [], examples=EXAMPLES) is None
        assert check_refusals(signature, None, None, list(noted.values()), examples=EXAMPLES) is None

    def bare() -> None:
        for transport, request in sent:
            with suppress(RequestError):  # half of the examples are to be refused
                clients[transport].predict(**request)

    mine, theirs = in_turns(check, bare, max(3, calls))
    return (
        f"generated requests, {EXAMPLES} valid and {EXAMPLES} invalid ones over both transports",
        f"{mine:.2f} s",
        f"{theirs:.2f} s the same {len(sent)} requests alone",
        f"{mine / theirs:.2f}",
        "",
    )


def in_turns(first: Callable[[], None], second: Callable[[], None], calls: int) -> tuple[float, float]:
    """The median seconds of each, called in turns; the first ones warm up connections and caches."""
    times: tuple[list[float], list[float]] = ([], [])
    warm = min(20, calls // 5)
    for n in range(calls + warm):
        for measured, function in zip(times, (first, second), strict=True):
            begin = time.perf_counter()
            function()
            if n >= warm:
                measured.append(time.perf_counter() - begin)
    return statistics.median(times[0]), statistics.median(times[1])
