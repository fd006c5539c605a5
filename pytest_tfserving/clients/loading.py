"""Loads the clients, which is most of what a run imports: requests, grpc and numpy come with them."""

from __future__ import annotations

import gc
from collections.abc import Iterable
from importlib import import_module


def load(transports: Iterable[str]) -> None:
    """Imports the clients of the transports, `rest` or `grpc`.

    The garbage collector rests meanwhile. Of the 20 000 functions, classes and tables that are made none is garbage,
    and it would look through them some sixty times, which is a tenth of the time that the import takes.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        for transport in transports:
            import_module(f"pytest_tfserving.clients.{transport}")
    finally:
        if was_enabled:
            gc.enable()
