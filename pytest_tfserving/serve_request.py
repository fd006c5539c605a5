"""What a test asks to be served, as values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pytest_tfserving.endpoint import Servable
from pytest_tfserving.export import name_of_path


@dataclass(frozen=True)
class ModelRequest:
    """One model as a marker or a factory call asks for it.

    `name` defaults to the export's own; `version` or `label` choose among its versions, the newest otherwise;
    `labels` gives a started server its version labels. One that is `fixed` is served from its path whatever
    --tfserving-model says: what the model under test is compared with.
    """

    path: Path
    name: str | None = None
    version: int | None = None
    label: str | None = None
    labels: tuple[tuple[str, int], ...] = ()
    fixed: bool = False

    @property
    def servable(self) -> Servable:
        """What clients ask the server for."""
        return Servable(self.name or name_of_path(self.path), self.version, self.label)


@dataclass(frozen=True)
class ServeRequest:
    """One server as it is asked for: its models, and what they share.

    An `isolated` one serves no other models than these, whatever else the run asks for.
    """

    models: tuple[ModelRequest, ...]
    tags: tuple[str, ...] = ("serve",)
    server_args: tuple[str, ...] = ()
    isolated: bool = False
