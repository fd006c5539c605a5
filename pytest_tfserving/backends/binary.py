"""A local tensorflow_model_server."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
from pathlib import Path
from urllib.parse import quote

from pytest_tfserving.backends.base import Say, ServerSpec, link_models, model_config
from pytest_tfserving.backends.process import Deadline, ProcessServer
from pytest_tfserving.endpoint import Endpoint
from pytest_tfserving.errors import StartupError

HOST = "127.0.0.1"

# Between the choice of a free port and the server's own bind, somebody else may take it.
_ATTEMPTS = 3


def start(spec: ServerSpec, workdir: Path, log: Path, say: Say) -> ProcessServer:
    """Starts the server on two free ports and waits until it has proved that it is the one that answers on both.

    A free port can be lost before the server binds it, and a bind need not fail then: gRPC shares ports through
    SO_REUSEPORT, REST goes on without its port (tensorflow_serving/model_servers/server.cc), and macOS lets a
    narrower address win. So the server is given a version label that nobody else can know, and is believed only
    where both ports know it.
    """
    proof = f"pytest-tfserving-{os.urandom(8).hex()}"
    models, config = workdir / "models", workdir / "models.config"
    link_models(spec, models)
    version = spec.models[0].versions[-1][0]
    config.write_text(model_config(spec, str(models), ((proof, version),)), encoding="utf-8")
    deadline = Deadline(spec.startup_timeout)
    for _ in range(_ATTEMPTS):
        grpc_port, rest_port = free_ports()
        argv = [spec.program, f"--port={grpc_port}", f"--rest_api_port={rest_port}"]
        argv.append("--grpc_channel_arguments=grpc.so_reuseport=0")
        server = ProcessServer([*argv, *spec.flags(str(config))], log)
        with server.stopped_on_error():
            if _is_ours(server, spec, proof, grpc_port, rest_port, deadline):
                endpoint = Endpoint.at(HOST, rest_port=rest_port, grpc_port=grpc_port)
                return server.started_at(endpoint, {"backend": "binary", **_version(spec.program)})
        server.stop()
        say(f"port {grpc_port} or {rest_port} was taken by somebody else meanwhile; trying others")
    raise StartupError(f"{spec.program}: its ports were taken by somebody else {_ATTEMPTS} times in a row")


def free_ports() -> tuple[int, int]:
    """Two ports of the loopback interface that are free now."""
    with socket.socket() as first, socket.socket() as second:
        first.bind((HOST, 0))
        second.bind((HOST, 0))
        return first.getsockname()[1], second.getsockname()[1]


def _is_ours(
    server: ProcessServer, spec: ServerSpec, proof: str, grpc_port: int, rest_port: int, deadline: Deadline
) -> bool:
    """Whether our server answers on both ports; False where somebody else does. Waits while nobody does."""
    name = spec.models[0].name
    rest_is_ours = False
    while True:
        rest_is_ours = rest_is_ours or _ask_rest(name, proof, rest_port) is True
        if rest_is_ours:
            return _ask_grpc(name, proof, grpc_port)
        ended = server.ended
        if ended and (_answers(grpc_port) or _answers(rest_port)):
            return False
        if ended:
            raise StartupError(f"{spec.program} ended before it was ready: {ended}")
        if _ask_rest(name, proof, rest_port) is False:
            return False
        if deadline.passed:
            raise StartupError(
                f"{spec.program} was not ready after {spec.startup_timeout:g} s (--tfserving-startup-timeout)"
            )
        deadline.pause()


def _ask_rest(name: str, proof: str, port: int) -> bool | None:
    """Whether the server at the REST port knows the label; None where nobody answers."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", f"/v1/models/{quote(name, safe='')}/labels/{proof}/metadata")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException) as error:
        return None if isinstance(error, ConnectionError) else False
    finally:
        connection.close()


def _ask_grpc(name: str, proof: str, port: int) -> bool:
    """Whether the server at the gRPC port knows the label. gRPC opens before REST, so it answers by now."""
    import grpc  # not before it is needed: the server loads meanwhile

    from pytest_tfserving.wire import serving_pb2 as serving

    request = serving.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = name
    request.model_spec.version_label = proof
    with grpc.insecure_channel(f"{HOST}:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
        call = channel.unary_unary("/tensorflow.serving.PredictionService/GetModelMetadata")
        try:
            call(request.SerializeToString(), timeout=5)
        except grpc.RpcError:
            return False
    return True


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def _version(program: str) -> dict[str, str]:
    """The lines of --version: `TensorFlow ModelServer: 2.19.1` and `TensorFlow Library: 2.19.1`."""
    try:
        run = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.SubprocessError):
        return {}
    facts = dict(line.split(": ", 1) for line in run.stdout.splitlines() if ": " in line)
    names = {"TensorFlow ModelServer": "server", "TensorFlow Library": "tensorflow"}
    return {key: facts[label].strip() for label, key in names.items() if label in facts}
