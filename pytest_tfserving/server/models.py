"""The models being served: their versions, each with its state, and the labels that point to them.

Model specs resolve as in tensorflow_serving/model_servers/server_core.cc; states and what is said of them are those
of core/servable_state_monitor.cc and core/basic_manager.cc.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from pytest_tfserving.errors import Code
from pytest_tfserving.server import versions
from pytest_tfserving.server.failure import ServingError, invalid
from pytest_tfserving.server.servable import Servable
from pytest_tfserving.wire import serving_pb2 as serving

State = serving.ModelVersionStatus

_log = logging.getLogger(__name__)


@dataclass
class _Version:
    """What is known of one version, whether it can be served or not."""

    state: State.State
    error: ServingError | None = None
    servable: Servable | None = None


@dataclass(frozen=True)
class Retries:
    """How often a load that failed is tried again, and the pause before each time."""

    count: int = 0
    pause_s: float = 60.0


@dataclass
class Models:
    """Every model that is served. `find` and `statuses` may be called from any thread.

    `open_servable` loads one version (its model's name, its number, its folder) or raises ServingError.
    """

    open_servable: Callable[[str, int, Path], Servable]
    retries: Retries = field(default_factory=Retries)
    labels_for_unavailable: bool = False
    _versions: dict[str, dict[int, _Version]] = field(default_factory=dict, init=False)
    _labels: dict[str, dict[str, int]] | None = field(default=None, init=False)  # None until a config was applied

    def load(self, configs: Sequence[serving.ModelConfig]) -> None:
        """Load every version that the configs ask for, several at a time.

        Raises ServingError when one of them fails, with the text that tensorflow_model_server ends with.
        """
        self._check_labels(configs)
        wanted = [(config.name, *found) for config in configs for found in versions.aspired(config).items()]
        for name, version, _ in wanted:
            self._versions.setdefault(name, {})[version] = _Version(State.START)
        with ThreadPoolExecutor(4 * (os.cpu_count() or 1), thread_name_prefix="load") as pool:
            list(pool.map(lambda one: self._load(*one), wanted))
        failed = [
            "{{" + _id(name, version) + f"}} due to error: {known.error}}}, "
            for name, known_versions in sorted(self._versions.items())
            for version, known in sorted(known_versions.items())
            if known.error
        ]
        if failed:
            raise ServingError(
                Code.UNKNOWN, f"{len(failed)} servable(s) did not become available: {{{''.join(failed)}}}"
            )
        self._labels = {config.name: dict(config.version_labels) for config in configs}

    def find(self, spec: serving.ModelSpec) -> Servable:
        """The version that a request means. Raises ServingError where there is none."""
        if not spec.name:
            raise invalid("ModelSpec has no name specified.")
        known = self._versions.get(spec.name, {})
        choice = spec.WhichOneof("version_choice")
        if choice is None:
            for version in known.values():  # highest first
                if version.servable:
                    return version.servable
            raise ServingError(Code.NOT_FOUND, f"Servable not found for request: Latest({spec.name})")
        number = spec.version.value if choice == "version" else self._labelled(spec.name, spec.version_label)
        found = known.get(number)
        if found is None or found.servable is None:
            raise ServingError(Code.NOT_FOUND, f"Servable not found for request: Specific({spec.name}, {number})")
        return found.servable

    def statuses(self, name: str) -> dict[int, State]:
        """The state of every version of a model that this process has seen, highest first; empty for no such model."""
        return {
            number: State(
                version=number,
                state=known.state,
                status=serving.StatusProto(
                    error_code=known.error.code if known.error else Code.OK,
                    error_message=known.error.message if known.error else "",
                ),
            )
            for number, known in self._versions.get(name, {}).items()
        }

    def close(self) -> None:
        """Free every session that no request is using."""
        for known_versions in self._versions.values():
            for known in known_versions.values():
                if known.servable:
                    known.servable.session.close()
                known.servable, known.state = None, State.END

    def _labelled(self, name: str, label: str) -> int:
        if self._labels is None:
            raise ServingError(Code.UNAVAILABLE, f"Model labels does not init yet.{label}")
        try:
            return self._labels[name][label]
        except KeyError:
            raise invalid(f"Unrecognized servable version label: {label}") from None

    def _check_labels(self, configs: Sequence[serving.ModelConfig]) -> None:
        # At a start no version is available yet, so that a label needs the flag whatever it points to.
        if self.labels_for_unavailable:
            return
        for config in configs:
            for version in config.version_labels.values():
                raise ServingError(
                    Code.FAILED_PRECONDITION,
                    f"Request to assign label to version {version} of model {config.name}, "
                    "which is not currently available for inference",
                )

    def _load(self, name: str, number: int, folder: Path) -> None:
        known = self._versions[name][number]
        known.state = State.LOADING
        _log.info("Loading servable version {%s}", _id(name, number))
        for attempt in range(1 + self.retries.count):
            if attempt:
                time.sleep(max(self.retries.pause_s, 0))
                _log.info("Retrying of Loading servable: {%s} retry: %d", _id(name, number), attempt)
            try:
                versions.check_export(_id(name, number), folder)
                known.servable = self.open_servable(name, number, folder)
            except ServingError as error:
                _log.error("Loading servable: {%s} failed: %s", _id(name, number), error)
                known.error = error
            else:
                known.state, known.error = State.AVAILABLE, None
                _log.info("Successfully loaded servable version {%s}", _id(name, number))
                return
        known.state = State.END


def _id(name: str, version: int) -> str:
    return f"name: {name} version: {version}"
