"""One version of a model that is ready to run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pytest_tfserving.server.runtime import Session
from pytest_tfserving.wire import tensorflow_pb2 as tf


@dataclass(frozen=True)
class Servable:
    """A loaded version, under the name and number that requests use."""

    name: str
    version: int
    session: Session

    @property
    def signatures(self) -> Mapping[str, tf.SignatureDef]:
        return self.session.signatures

    def __str__(self) -> str:
        return f"{{name: {self.name} version: {self.version}}}"
