"""HTTP as the REST port speaks it: what libevent accepts and refuses, byte for byte where clients could notice."""

from __future__ import annotations

import gzip
import json
import socket
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

PREDICT = "/v1/models/versions:predict"
BODY = b'{"instances": [1, 2]}'
ANSWER = b'{\n    "predictions": [3.0, 6.0\n    ]\n}'


def talk(server: Any, sent: bytes) -> bytes:
    """All that comes back before the server closes, or for a second."""
    with server.connect() as client:
        client.settimeout(1)
        client.sendall(sent)
        received = b""
        try:
            while data := client.recv(65536):
                received += data
        except TimeoutError:
            pass
        return received


def request(
    body: bytes = BODY, *headers: str, method: str = "POST", path: str = PREDICT, version: str = "1.1"
) -> bytes:
    lines = [f"{method} {path} HTTP/{version}", "Host: x", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(b"nonsense\r\n\r\n", "400 Bad Request", id="no-request-line"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\n", "400 Bad Request", id="a-TLS-hello"),
        pytest.param(b"GET /v1/models/m HTTP/2.0\r\n\r\n", "400 Bad Request", id="version"),
        pytest.param(b"GET /v1/models/m HTTP/1.1\r\nno colon\r\n\r\n", "400 Bad Request", id="header-without-colon"),
        pytest.param(b"GET /v1/a b HTTP/1.1\r\n\r\n", "400 Bad Request", id="space-in-target"),
        pytest.param(b'GET /v1/"a" HTTP/1.1\r\n\r\n', "400 Bad Request", id="quote-in-target"),
        pytest.param(b"GET /v1/models/a%zz HTTP/1.1\r\n\r\n", "400 Bad Request", id="broken-escape"),
        pytest.param("GET /v1/é HTTP/1.1\r\n\r\n".encode(), "400 Bad Request", id="non-ASCII-target"),
        pytest.param(b"POST /v1/m HTTP/1.1\r\nContent-Length: x\r\n\r\n", "400 Bad Request", id="length-no-number"),
        pytest.param(b"POST /v1/m HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "400 Bad Request", id="length-negative"),
        pytest.param(
            b"POST /v1/m HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "400 Bad Request", id="chunk-size"
        ),
        pytest.param(b"get /v1/models/m HTTP/1.1\r\n\r\n", "501 Not Implemented", id="lower-case-method"),
        pytest.param(b"TRACE /v1/models/m HTTP/1.1\r\n\r\n", "501 Not Implemented", id="unknown-method"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", "404 Not Found", id="outside-of-v1"),
        pytest.param(b"GET /v1 HTTP/1.1\r\n\r\n", "404 Not Found", id="v1-without-slash"),
        pytest.param(request(BODY, "Expect: miracles"), "417 Expectation Failed", id="expect"),
    ],
)
def test_error_pages(server: Any, sent: bytes, status: str) -> None:
    answer = talk(server, sent)
    phrase = status.partition(" ")[2]
    head, _, page = answer.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == f"HTTP/1.1 {status}"
    assert lines[1:3] == ["Content-Type: text/html", "Connection: close"]
    assert page.decode() == (
        f"<HTML><HEAD>\n<TITLE>{status}</TITLE>\n</HEAD><BODY>\n<H1>{phrase}</H1>\n</BODY></HTML>\n"
    )


def test_header_order(server: Any) -> None:
    head = talk(server, request(BODY, "Connection: close")).partition(b"\r\n\r\n")[0].decode().split("\r\n")
    assert [line.partition(":")[0] for line in head] == [
        "HTTP/1.1 200 OK", "Content-Type", "Date", "Content-Length", "Connection",
    ]  # fmt: skip


def test_pipelined_requests_are_answered_in_order(server: Any) -> None:
    sent = request(b'{"instances": [1]}') + request(b'{"instances": [2]}') + request(b"{}", "Connection: close")
    received = talk(server, sent)
    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert received.index(b"[3.0") < received.index(b"[6.0") < received.index(b"Missing 'inputs'")


def test_bare_line_feeds_and_folded_headers(server: Any) -> None:
    sent = b"POST %s HTTP/1.1\nX-Long: a\n b\nContent-Length: %d\nConnection: close\n\n%s"
    assert ANSWER in talk(server, sent % (PREDICT.encode(), len(BODY), BODY))


def test_chunked_body(server: Any) -> None:
    head = request(b"", "Connection: close").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    chunks = b"5;ext=1\r\n" + BODY[:5] + b"\r\n%x\r\n" % len(BODY[5:]) + BODY[5:] + b"\r\n0\r\nTrailer: x\r\n\r\n"
    assert ANSWER in talk(server, head + chunks)


def test_expect_continue(server: Any) -> None:
    with server.connect() as client:
        client.sendall(request(BODY, "Expect: 100-continue")[: -len(BODY)])
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(BODY)
        assert ANSWER in client.recv(65536)


def test_http_1_0(server: Any) -> None:
    closed = talk(server, request(version="1.0"))
    assert closed.startswith(b"HTTP/1.0 200 OK\r\n") and closed.endswith(ANSWER)
    assert b"Content-Length" not in closed and b"Date" not in closed
    kept = talk(server, request(BODY, "Connection: keep-alive", version="1.0") * 2)
    assert kept.count(b"Connection: keep-alive\r\n") == 2 and kept.count(b"Content-Length") == 2


def test_absolute_target(server: Any) -> None:
    assert ANSWER in talk(server, request(BODY, "Connection: close", path=f"http://elsewhere:1{PREDICT}"))


def test_head_has_no_body(server: Any) -> None:
    answer = talk(server, b"HEAD /v1/models/versions HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n") and answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(("origin", "status"), [("http://a", 200), ("https://a", 200), ("null", 400), (None, 400)])
def test_options(server: Any, origin: str | None, status: int) -> None:
    answer = server.rest("OPTIONS", PREDICT, headers={"Origin": origin} if origin else {})
    assert answer == (status, "text/html; charset=ISO-8859-1", b"")


def test_cors_headers(start_server: Any, models: Any) -> None:
    server = start_server(f"--model_base_path={models}/versions", "--rest_api_enable_cors_support")
    answer = talk(server, request(BODY, "Connection: close", path="/v1/models/default:predict"))
    assert [line.partition(b":")[0] for line in answer.split(b"\r\n")[1:5]] == [
        b"Content-Type", b"Access-Control-Allow-Origin", b"Access-Control-Allow-Methods",
        b"Access-Control-Allow-Headers",
    ]  # fmt: skip


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "deflate, gzip"])
def test_gzip_body(server: Any, encoding: str) -> None:
    headers = {"Content-Encoding": encoding}
    assert server.rest("POST", PREDICT, gzip.compress(BODY), headers)[2] == ANSWER


@pytest.mark.parametrize(
    "body", [BODY, gzip.compress(BODY)[:-4], gzip.compress(BODY) * 2], ids=["plain", "cut-short", "two-members"]
)
def test_a_damaged_gzip_body_counts_as_empty(server: Any, body: bytes) -> None:
    status, _, text = server.rest("POST", PREDICT, body, {"Content-Encoding": "gzip"})
    assert (status, json.loads(text)) == (400, {"error": "JSON Parse error: The document is empty"})


def test_nested_deeper_than_any_tensor(server: Any) -> None:
    body = b'{"instances": %s1%s}' % (b"[" * 100_000, b"]" * 100_000)
    status, _, text = server.rest("POST", PREDICT, body)
    assert (status, json.loads(text)["error"]) == (400, "tensor parsing error: x")


def test_clients_that_go_away(server: Any) -> None:
    for sent in (b"", b"POST ", request()[:-5], request(b'{"instances": [%s]}' % b",".join([b"1.5"] * 200_000))):
        client = server.connect()
        client.sendall(sent)
        # Closing with a reset, as a client does that is killed.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
    assert server.rest("POST", PREDICT, BODY) == (200, "application/json", ANSWER)


def test_a_slow_client_holds_up_nobody(server: Any) -> None:
    with server.connect() as slow:
        for byte in request()[:40]:
            slow.sendall(bytes([byte]))
        assert server.rest("POST", PREDICT, BODY)[0] == 200
        slow.sendall(request()[40:])
        assert ANSWER in slow.recv(65536)


def test_eight_connections_at_once(server: Any) -> None:
    barrier = threading.Barrier(8)

    def ask(number: int) -> list[bytes]:
        with server.connect() as client:
            barrier.wait()
            answers = []
            for _ in range(50):
                client.sendall(request(b'{"instances": [%d]}' % number))
                answers.append(client.recv(65536).rpartition(b"\r\n\r\n")[2])
            return answers

    with ThreadPoolExecutor(8) as pool:
        for number, answers in enumerate(pool.map(ask, range(8))):
            assert answers == [b'{\n    "predictions": [%d.0\n    ]\n}' % (3 * number)] * 50
