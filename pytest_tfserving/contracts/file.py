"""`*.tfserving.toml` -> the models and checks that it asks for, as values; keys.py has the table of its keys.

A file has one model, in [model] with its checks in tables beside it, or several: [models.NAME] holds what [model]
does and tables of checks of its own; those beside [models] are of every model, and a model's own win, key by key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_tfserving.contracts import SUFFIX
from pytest_tfserving.contracts.keys import CHECKS, CONTRACT
from pytest_tfserving.contracts.kinds import Problem
from pytest_tfserving.contracts.model import ModelContract, ModelReader
from pytest_tfserving.contracts.sources import Sources, merged, read_sources
from pytest_tfserving.toml import dotted, quoted

__all__ = ["SUFFIX", "Contract", "ModelContract", "read_contract"]


@dataclass(frozen=True)
class Contract:
    """A contract file: its models, at least one."""

    file: Path
    models: tuple[ModelContract, ...]


def read_contract(path: Path) -> Contract:
    """The contract that the file at `path` writes.

    Raises SpecError for all that cannot be meant, each with `file:line`. Whether exports, goldens and baselines are
    there is not looked at.
    """
    sources = read_sources(path)
    problems = list(CONTRACT.gaps(sources.values, ()))
    tables = _models(path, sources)
    readers = [ModelReader(sources, key, table) for key, table in tables.items()]
    models = [] if problems else [reader.read() for reader in readers]
    problems += [problem for reader in readers for problem in reader.problems]
    if problems:
        raise sources.error(dict.fromkeys(problems))
    return Contract(sources.documents[0].file, tuple(models))


def _models(path: Path, sources: Sources) -> dict[str | None, Mapping[str, Any]]:
    """The table of each model with its checks, by its key."""
    values = sources.values
    shared = {name: values[name] for name in CHECKS if name in values}
    several = values.get("models", {})
    if "model" in values and "models" in values:
        raise sources.error(
            [Problem(("models",), "both [model] and [models] are given: one model has [model], several [models.NAME]")]
        )
    if "model" in values:
        return {None: {**values["model"], **shared}}
    if not several:
        hint = f"; a file that is only there to be included has a name without {SUFFIX}, such as common.toml"
        raise sources.error(
            [
                Problem(
                    (),
                    'no model: a contract has [model] with path = "exports/...", or [models.NAME] for each of several'
                    + (hint if path.name.endswith(SUFFIX) else ""),
                )
            ]
        )
    unfit = [key for key in several if not key or "::" in key or "[" in key]
    if unfit:
        raise sources.error(
            Problem(
                ("models", key),
                f"models.{dotted((key,))}: tests are chosen by this name, FILE::NAME, so that it may hold no :: and "
                f"no [ and is not empty; choose another, and say name = {quoted(key)} for the server's",
            )
            for key in unfit
        )
    return {key: merged(shared, {"name": key, **table}) for key, table in several.items()}
