"""What clients rely on, read from where a person says it is: an export, or a contract file."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from pytest_tfserving.compatibility import PromisedSignatures
from pytest_tfserving.errors import ExportError, SpecError
from pytest_tfserving.export import find_export, name_of_path
from pytest_tfserving.savedmodel import DEFAULT_TAGS, read_schema
from pytest_tfserving.suggestion import did_you_mean

__tracebackhide__ = True  # a failing test's report ends at the test's own line

_MODEL_MARK = "::"


def read_promised(path: Path, tags: Sequence[str] = DEFAULT_TAGS) -> PromisedSignatures:
    """The signatures of an export, of its newest version where there are several, or those that a contract writes.

    `FILE::NAME` is one model of a contract of several. Raises ExportError or SpecError where there is neither, or
    where it cannot be read.
    """
    file, name = _split(path)
    if file.suffix == ".toml":
        return _contract(file, name)
    if name is not None:
        raise SpecError(f"{path}: {_MODEL_MARK}NAME is for contract files, NAME.tfserving.toml; {file} is none")
    export = find_export(path)
    return read_schema(export.versions[export.latest], tags)


def contract_file(path: Path) -> Path | None:
    """The contract file that a path means, or means one model of; None for an export."""
    file, _ = _split(path)
    return file if file.suffix == ".toml" else None


def _split(path: Path) -> tuple[Path, str | None]:
    head, mark, name = str(path).rpartition(_MODEL_MARK)
    return (Path(head), name) if mark and not path.exists() else (path, None)


def _contract(file: Path, name: str | None) -> PromisedSignatures:
    from pytest_tfserving.contracts.file import read_contract  # an export is compared without reading any TOML

    if not file.is_file():
        beside = sorted(str(other) for other in file.parent.glob("*.toml")) if file.parent.is_dir() else []
        close = get_close_matches(str(file), beside, n=1, cutoff=0)
        raise ExportError(f"no such contract file: {file}" + (f"; did you mean {close[0]}?" if close else ""))
    models = {
        model.key or str(model.model.get("name") or name_of_path(Path(str(model.model["path"])))): model
        for model in read_contract(file).models
    }
    if name is None and len(models) > 1:
        raise SpecError(f"{file} has several models; say which: {', '.join(f'{file}{_MODEL_MARK}{n}' for n in models)}")
    if name is not None and name not in models:
        raise SpecError(f"{file} has no model {name!r}{did_you_mean(name, models)} (it has {', '.join(models)})")
    [model] = models.values() if name is None else [models[name]]
    if not model.signatures:
        raise SpecError(f"{file} promises no signature: write [signatures.NAME] with inputs and outputs")
    return model.signatures
