"""What a server is asked to be, and what every backend gives."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from pytest_tfserving.endpoint import Endpoint

# A broken export must end the server, not keep it silent: five retries a minute apart are the server's default
# (tensorflow_serving/model_servers/main.cc). A label may name a version before that is loaded, since a server's first
# configuration names both at once.
TEST_SERVER_ARGS = (
    "--max_num_load_retries=0",
    "--load_retry_interval_micros=0",
    "--allow_version_labels_for_unavailable_models=true",
)


# Named tuples rather than dataclasses: a server waits for its keeper, half of whose imports these would be.
class ServableSpec(NamedTuple):
    """One model of a server: its name, the SavedModel directory of each version served, its version labels.

    `stamp` tells the files as they are from those that may be written in their place (identity.files_stamp).
    """

    name: str
    versions: tuple[tuple[int, str], ...]
    labels: tuple[tuple[str, int], ...] = ()
    stamp: str = ""


class ServerSpec(NamedTuple):
    """A server as it is asked for. Equal specifications share one server in a run.

    `program` is the image for docker, the executable for binary, the interpreter for embedded. One that is `isolated`
    is for tests that change it: it is no other's, although that has the same models and flags.
    """

    backend: str
    program: str
    models: tuple[ServableSpec, ...]
    tags: tuple[str, ...] = ("serve",)
    args: tuple[str, ...] = ()
    startup_timeout: float = 60.0
    isolated: bool = False

    @property
    def fingerprint(self) -> str:
        """A short name that equal specifications share and others do not."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """The specification as JSON, in a stable order."""
        return json.dumps({**self._asdict(), "models": [model._asdict() for model in self.models]}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> ServerSpec:
        """The inverse of to_json."""
        data: dict[str, Any] = json.loads(text)
        models = tuple(
            ServableSpec(
                name=model["name"],
                versions=tuple((number, path) for number, path in model["versions"]),
                labels=tuple((label, number) for label, number in model["labels"]),
                stamp=model["stamp"],
            )
            for model in data.pop("models")
        )
        return cls(models=models, tags=tuple(data.pop("tags")), args=tuple(data.pop("args")), **data)

    def flags(self, config_file: str) -> list[str]:
        """tensorflow_model_server's flags for this specification; the caller adds the ports.

        The user's own come last: the last occurrence of a flag wins.
        """
        tags = [] if self.tags == ("serve",) else [f"--saved_model_tags={','.join(self.tags)}"]
        return [f"--model_config_file={config_file}", *TEST_SERVER_ARGS, *tags, *self.args]


class Started(NamedTuple):
    """A server that answers or soon will: its endpoint, and what made it (for the header, goldens and leftovers)."""

    endpoint: Endpoint
    provenance: dict[str, str]


# Shows one line to the person who waits.
Say = Callable[[str], None]


class Server(Protocol):
    """A server that a keeper owns."""

    started: Started

    def wait(self) -> str:
        """Blocks until the server has ended by itself; says how, such as `exit status 255`."""

    def stop(self) -> None:
        """Ends the server and what belongs to it. Safe to call more than once, and after its own end."""


class Launcher(Protocol):
    """Starts a server; one function a backend. `workdir` is the server's own directory, `log` receives its output.

    `say` tells a person who waits what is going on (a pull). Raises BackendError where no server can be had, and
    leaves nothing behind then.
    """

    def __call__(self, spec: ServerSpec, workdir: Path, log: Path, say: Say) -> Server:
        """The server, started. Its ports are known; its models may still be loading."""


def model_config(spec: ServerSpec, base_path: str, extra_labels: tuple[tuple[str, int], ...] = ()) -> str:
    """The text of a ModelServerConfig (tensorflow_serving/config/model_server_config.proto).

    Each model lies at `base_path`/NAME; only the versions asked for are served. `extra_labels` go to the first model.
    """
    blocks = []
    for index, model in enumerate(spec.models):
        versions = " ".join(f"versions: {number}" for number, _ in model.versions)
        labels = "".join(
            f"    version_labels {{ key: {_quoted(label)} value: {number} }}\n"
            for label, number in model.labels + (extra_labels if index == 0 else ())
        )
        blocks.append(
            f"  config {{\n    name: {_quoted(model.name)}\n    base_path: {_quoted(f'{base_path}/{model.name}')}\n"
            f'    model_platform: "tensorflow"\n'
            f"    model_version_policy {{ specific {{ {versions} }} }}\n{labels}  }}\n"
        )
    return "model_config_list {\n" + "".join(blocks) + "}\n"


def link_models(spec: ServerSpec, directory: Path) -> None:
    """Lays out every version as a link `directory`/NAME/NUMBER, the form that a server's base path must have.

    An export without a numbered directory is served as version 1 that way, and is never written to.
    """
    for model in spec.models:
        base = directory / model.name
        base.mkdir(parents=True)
        for number, path in model.versions:
            (base / str(number)).symlink_to(path, target_is_directory=True)


def _quoted(text: str) -> str:
    """Text format's string literal: JSON's escapes of quotes, backslashes and control characters serve."""
    return json.dumps(text, ensure_ascii=False)
