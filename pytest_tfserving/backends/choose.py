"""Which backend serves: the one that was named, or the first that can be had."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from importlib.util import find_spec

from pytest_tfserving.backends import docker_engine
from pytest_tfserving.errors import BackendError

__tracebackhide__ = True  # a failing test's report ends at the test's own line


@dataclass(frozen=True)
class Choice:
    """A backend, its program (see base.ServerSpec), and why each one before it in the order was passed over."""

    backend: str
    program: str = ""
    passed_over: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        """As the header prints it: `embedded (remote: no address given; docker: ...)`."""
        program = f" {self.program}" if self.backend in ("docker", "binary") else ""
        reasons = "; ".join(f"{backend}: {reason}" for backend, reason in self.passed_over)
        return f"{self.backend}{program}" + (f" ({reasons})" if reasons else "")


def choose(backend: str, *, image: str, binary: str | None, has_address: bool) -> Choice:
    """The backend that serves this run.

    A named one is taken as it is and nothing falls back. `auto` takes remote where an address is given, else docker
    where the engine answers and has the image (it never pulls: a first run must not hang on a download), else a
    binary on PATH, else the embedded server. Raises BackendError where that leaves nothing.
    """
    if backend == "auto":
        return _first_of_all(image, binary, has_address)
    if backend == "remote" and not has_address:
        raise BackendError(
            "the remote backend needs an address: --tfserving-rest-url http://host:8501, "
            "--tfserving-grpc-target host:8500, or both"
        )
    if backend == "binary":
        program = _find_binary(binary)
        if program is None:
            raise BackendError(
                f"no executable {binary or 'tensorflow_model_server on PATH'}; give one with --tfserving-binary PATH, "
                f"or choose another backend: --tfserving-backend embedded"
            )
        return Choice("binary", program)
    if backend == "embedded" and (reason := _why_not_embedded()):
        raise BackendError(f"the embedded server cannot run: {reason}")
    return Choice(backend, {"docker": image, "embedded": sys.executable}.get(backend, ""))


def _first_of_all(image: str, binary: str | None, has_address: bool) -> Choice:
    if has_address:
        return Choice("remote")
    passed_over = [("remote", "no address given")]
    reason = _why_not_docker(image)
    if reason is None:
        return Choice("docker", image, tuple(passed_over))
    passed_over.append(("docker", reason))
    program = _find_binary(binary)
    if program is not None:
        return Choice("binary", program, tuple(passed_over))
    passed_over.append(("binary", f"no {binary or 'tensorflow_model_server on PATH'}"))
    reason = _why_not_embedded()
    if reason is None:
        return Choice("embedded", sys.executable, tuple(passed_over))
    reasons = "".join(f"\n  {name}: {why}" for name, why in [*passed_over, ("embedded", reason)])
    raise BackendError(f"nothing here can serve a model:{reasons}")


def _why_not_docker(image: str) -> str | None:
    if docker_engine.configured_address() is None:
        return "no engine"
    try:
        found = docker_engine.image_id(image)
    except BackendError:
        return f"no engine answers at {docker_engine.configured_address()}"
    return None if found else f"image {image} is not there"


def _why_not_embedded() -> str | None:
    # The wheel is looked for, not imported: importing TensorFlow takes seconds.
    return None if find_spec("tensorflow") else f"no tensorflow in {sys.prefix}; pip install tensorflow"


def _find_binary(binary: str | None) -> str | None:
    return shutil.which(binary or "tensorflow_model_server")
