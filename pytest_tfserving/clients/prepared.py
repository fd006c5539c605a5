"""Requests that are made ready before they are sent: for measuring, where making and reading values must not count.

What counts is a call alone. Over gRPC: the message as bytes through grpc's Python, to the answer's bytes. Over REST:
the body as bytes through http.client on a connection that is kept, to the answer's bytes. An answer's status is looked
at, its values are not.
"""

from __future__ import annotations

import http.client
import os
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import grpc
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.util import wait_for_read

from pytest_tfserving.clients.grpc import PREDICT, GrpcClient
from pytest_tfserving.clients.rest import RestClient


class Request(NamedTuple):
    """What predict() takes: inputs by name or, over REST, rows in place of them; gRPC filters outputs."""

    inputs: Mapping[str, object] | None = None
    instances: Sequence[Any] | None = None
    output_filter: Sequence[str] = ()


class PreparedGrpc:
    """Sends Predict requests of one signature on a client's channel."""

    def __init__(self, client: GrpcClient, requests: Sequence[Request], signature_name: str) -> None:
        self._client = client
        self._requests = [
            client._predict_request(request.inputs or {}, signature_name, request.output_filter).SerializeToString()
            for request in requests
        ]
        self._signature_name = signature_name
        self._call = client.channel.unary_unary(PREDICT)  # without serializers bytes are what is sent and received

    def connect(self) -> None:
        """Connects, and asks what runs no model: what the first call takes is the model's. Raises RequestError."""
        self._client.status()

    def __call__(self, number: int) -> None:
        """Sends the request of a number, counted round. Raises RequestError."""
        self._client.has_asked = True
        try:
            self._call(self._requests[number % len(self._requests)], timeout=self._client._timeout)
        except grpc.RpcError as error:
            raise self._client._refusal(error, self._signature_name) from None

    def close(self) -> None:
        """The channel is the client's."""


class PreparedRest:
    """Sends predict requests of one signature.

    There are as many connections as requests were ever under way at a time, straight to the server: a proxy would be
    measured too.
    """

    def __init__(self, client: RestClient, requests: Sequence[Request], signature_name: str) -> None:
        self._client = client
        self._requests = [
            client._predict_body(request.inputs, request.instances, signature_name) for request in requests
        ]
        self._signature_name = signature_name
        url = urlsplit(client.base_url)
        self._host, self._port = url.hostname or "", url.port
        self._model_path = f"{url.path}{client._model_path}"
        self._predict_path = f"{self._model_path}:predict"
        self._tls = None
        if url.scheme == "https":
            self._tls = ssl.create_default_context(
                cafile=os.environ.get("REQUESTS_CA_BUNDLE") or DEFAULT_CA_BUNDLE_PATH
            )
        self._free: list[http.client.HTTPConnection] = []

    def connect(self) -> None:
        """Connects, and asks what runs no model: what the first call takes is the model's. Raises RequestError."""
        self._exchange("GET", self._model_path, None)

    def __call__(self, number: int) -> None:
        """Sends the request of a number, counted round. Raises RequestError."""
        self._client.has_asked = True
        self._exchange("POST", self._predict_path, self._requests[number % len(self._requests)])

    def close(self) -> None:
        """Closes the connections."""
        while self._free:
            self._free.pop().close()

    def _exchange(self, method: str, path: str, body: bytes | None) -> None:
        connection = self._kept_connection() or self._connect()
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"} if body is not None else {})
            response = connection.getresponse()
            content = response.read()
        except TimeoutError:
            connection.close()
            raise self._client._no_answer(self._signature_name) from None
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise self._client._no_answer(self._signature_name, error) from None
        self._free.append(connection)
        if response.status != 200:
            raise self._client._refusal(response.status, response.reason, content, self._signature_name)

    def _kept_connection(self) -> http.client.HTTPConnection | None:
        """One that no request is under way on, and that the server has not closed, as servers do with idle ones."""
        with suppress(IndexError):  # several threads take them
            while True:
                connection = self._free.pop()
                if connection.sock is None or not wait_for_read(connection.sock, timeout=0):
                    return connection
                connection.close()
        return None

    def _connect(self) -> http.client.HTTPConnection:
        if self._tls:
            return http.client.HTTPSConnection(self._host, self._port, timeout=self._client._timeout, context=self._tls)
        return http.client.HTTPConnection(self._host, self._port, timeout=self._client._timeout)


def prepare(
    client: GrpcClient | RestClient, requests: Sequence[Request], signature_name: str
) -> PreparedGrpc | PreparedRest:
    """What sends the requests, at least one, each with the client's timeout. Raises TensorError."""
    if isinstance(client, GrpcClient):
        return PreparedGrpc(client, requests, signature_name)
    return PreparedRest(client, requests, signature_name)
