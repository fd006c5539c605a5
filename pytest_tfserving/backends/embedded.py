"""The embedded server: this package's own, through TensorFlow's C API, in a process of its own."""

from __future__ import annotations

import json
from pathlib import Path

from pytest_tfserving.backends.base import Say, ServerSpec, link_models, model_config
from pytest_tfserving.backends.process import Deadline, ProcessServer
from pytest_tfserving.endpoint import Endpoint
from pytest_tfserving.errors import StartupError

HOST = "127.0.0.1"


def start(spec: ServerSpec, workdir: Path, log: Path, say: Say) -> ProcessServer:  # noqa: ARG001  # nothing to tell
    """Starts `python -m pytest_tfserving.server` and waits until it has written its ports, which it chose itself."""
    models, config, ports = workdir / "models", workdir / "models.config", workdir / "ports.json"
    link_models(spec, models)
    config.write_text(model_config(spec, str(models)), encoding="utf-8")
    argv = [spec.program, "-m", "pytest_tfserving.server", f"--host={HOST}", "--port=0", "--rest_api_port=0"]
    server = ProcessServer([*argv, f"--ports_file={ports}", *spec.flags(str(config))], log)
    deadline = Deadline(spec.startup_timeout)
    with server.stopped_on_error():
        from importlib import metadata  # takes a while, and the server starts meanwhile

        provenance = {"backend": "embedded", "tensorflow": metadata.version("tensorflow")}
        while not ports.exists():
            if server.ended:
                raise StartupError(f"the embedded server ended before it was ready: {server.ended}")
            if deadline.passed:
                raise StartupError(
                    f"the embedded server was not ready after {spec.startup_timeout:g} s (--tfserving-startup-timeout)"
                )
            deadline.pause()
    chosen = json.loads(ports.read_text())
    endpoint = Endpoint.at(HOST, rest_port=chosen["rest_port"], grpc_port=chosen["grpc_port"])
    return server.started_at(endpoint, provenance)
