"""`pytest-tfserving init EXPORT`: a first contract and goldens' requests, for pytest to record and to check.

Nothing that exists is written over unless --force or --merge says so, and a golden never. Goldens are written first:
a contract that is there names goldens that are there.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_tfserving.commands.plainly import plainly
from pytest_tfserving.commands.stdout import print_out
from pytest_tfserving.contracts import SUFFIX
from pytest_tfserving.contracts.draft import draft, is_served, merge, one_line
from pytest_tfserving.contracts.file import ModelContract, read_contract
from pytest_tfserving.errors import ExportError, SpecError
from pytest_tfserving.export import find_export, name_of_path
from pytest_tfserving.files import shown, write_text
from pytest_tfserving.golden.sample import Sample, sample_of
from pytest_tfserving.savedmodel import DEFAULT_TAGS, read_saved_model, read_schema
from pytest_tfserving.schema import Signature

_MOST_SHOWN = 10


@dataclass
class _Plan:
    """Files to write, by path, and what to tell about each."""

    written: dict[Path, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    left_out: dict[Path, str] = field(default_factory=dict)


@plainly
def run(arguments: Sequence[str]) -> int:
    """Writes the contract; the exit status."""
    print_out("\n".join(_init(_parser().parse_args(arguments))))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pytest-tfserving init",
        description="Write a first contract (*.tfserving.toml) of an export, and requests for its goldens.",
        epilog="Then `pytest FILE --tfserving-update` records the answers, and `pytest FILE` checks them.",
    )
    parser.add_argument("export", type=Path, metavar="EXPORT", help="a SavedModel, or a directory of its versions")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help=f"the contract; default: NAME{SUFFIX}")
    parser.add_argument(
        "--goldens", type=Path, metavar="DIR", help="where requests are written; default: goldens/NAME beside FILE"
    )
    parser.add_argument(
        "--tags", metavar="TAG,TAG", help="of the graph; default: serve, or those of the only graph there is"
    )
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument("--force", action="store_true", help="replace FILE")
    existing.add_argument(
        "--merge", action="store_true", help="add signatures that FILE lacks, and change nothing else"
    )
    return parser


def _init(options: argparse.Namespace) -> list[str]:
    """Writes what the options ask for; what to say about it."""
    export = find_export(options.export)
    name = name_of_path(export.path)
    file = options.output or Path(f"{name}{SUFFIX}")
    if file.is_dir():
        file = file / f"{name}{SUFFIX}"
    known = _known_model(file, export.path) if options.merge and file.exists() else None
    if file.exists() and not options.force and known is None:
        raise SpecError(f"{file} is there already; --merge adds signatures that it lacks, --force replaces it")
    tags = _tags(export.versions[export.latest], options.tags, known)
    signatures = _signatures(export.versions[export.latest], tags)
    plan = _Plan()
    if known is None:
        directory = options.goldens or file.parent / "goldens" / name
        _plan_goldens(plan, signatures, directory)
        model: dict[str, Any] = {"path": _relative(export.path, file)}
        if tags != DEFAULT_TAGS:
            model["tags"] = list(tags)
        has_goldens = plan.written or any(directory.glob("*.json"))
        goldens = _relative(directory, file) if has_goldens else None
        left_out = [f"{sentence}: write one into {_relative(path, file)}" for path, sentence in plan.left_out.items()]
        plan.written[file] = draft(name, model, signatures, goldens, left_out)
        done = "replaced" if file.exists() else "wrote"
        plan.said.append(f"{done} {shown(file.absolute())}: {_count(signatures)}")
    else:
        new = [signature for signature in signatures if signature.name not in known.signatures and is_served(signature)]
        if not new:
            return [f"{shown(file.absolute())} has every signature of the export; nothing to add"]
        directory = options.goldens or _golden_directory(known)
        if directory is not None:
            _plan_goldens(plan, new, directory)
        text = file.read_bytes().decode("utf-8")
        plan.written[file] = merge(text, known.key, new)
        names = [one_line(signature.name) for signature in new]
        plan.said.append(f"added to {shown(file.absolute())}: {', '.join(names[:_MOST_SHOWN])}{_and_more(names)}")
    _check_contract(file, plan.written[file])
    for path, text in plan.written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
    return [*plan.said, *_closing(plan, file)]


def _tags(directory: Path, given: str | None, known: ModelContract | None) -> tuple[str, ...]:
    """The tags of the graph that is meant: those given, those of the contract, those of an export's only graph."""
    if given:
        return tuple(tag for tag in given.split(",") if tag)
    if known and "tags" in known.model:
        return tuple(known.model["tags"])  # type: ignore[arg-type]  # keys.py says so
    graphs = [tuple(graph.meta_info_def.tags) for graph in read_saved_model(directory).meta_graphs]
    return graphs[0] if len(graphs) == 1 and set(graphs[0]) != set(DEFAULT_TAGS) else DEFAULT_TAGS


def _signatures(directory: Path, tags: tuple[str, ...]) -> list[Signature]:
    signatures = list(read_schema(directory, tags).callable_signatures.values())
    if not signatures:
        raise ExportError(
            f"{directory} has no signature that a client could call; export it with signatures=..., such as "
            f"tf.saved_model.save(model, path, signatures=model.predict)"
        )
    return signatures


def _plan_goldens(plan: _Plan, signatures: Sequence[Signature], directory: Path) -> None:
    """A golden file a signature, with a request of made-up values where these can be guessed."""
    names: set[str] = set()
    said: list[str] = []
    for signature in signatures:
        file = directory / f"{_file_name(signature.name, names)}.json"
        sample = (
            sample_of(signature) if is_served(signature) else Sample({}, problem="no client can send all that it takes")
        )
        if file.exists():
            said.append(f"kept {shown(file.absolute())}: a golden is never written over")
        elif sample.problem:
            plan.left_out[file] = f"{one_line(signature.name)} has no request yet, for {sample.problem}"
        else:
            plan.written[file] = _golden(signature, sample)
            said.append(f"wrote {shown(file.absolute())}: a request of made-up values")
    plan.said += _capped(said)


def _golden(signature: Signature, sample: Sample) -> str:
    document: dict[str, Any] = {"signature_name": signature.name}
    if sample.transport:
        document["transport"] = sample.transport
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in document.items()]
    inputs = [f"    {json.dumps(n, ensure_ascii=False)}: {json.dumps(v)}" for n, v in sample.inputs.items()]
    lines.append('  "inputs": {' + ("\n" + ",\n".join(inputs) + "\n  }" if inputs else "}"))
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _file_name(signature: str, taken: set[str]) -> str:
    """A signature's name as a file's: without what a path or a glob would read, and each one once."""
    plain = re.sub(r"[^\w.-]+", "_", signature).strip(".")[:100] or "signature"
    name, count = plain, 1
    while name.lower() in taken:
        count += 1
        name = f"{plain}-{count}"
    taken.add(name.lower())
    return name


def _known_model(file: Path, export: Path) -> ModelContract:
    """The model of a contract that is there whose export it is. Raises SpecError where it is for another."""
    models = read_contract(file).models
    for model in models:
        if _same_export(Path(str(model.model["path"])), export):
            return model
    paths = ", ".join(_relative(Path(str(model.model["path"])), file) for model in models)
    raise SpecError(f"{file} is a contract for another model: its path is {paths}; give another FILE with -o")


def _same_export(one: Path, other: Path) -> bool:
    """Whether two paths are of one model: the same directory, or one of them a version in the other."""
    one, other = one.resolve(), other.resolve()
    return one == other or any(
        version.name.isdigit() and version.parent == base for version, base in ((one, other), (other, one))
    )


def _golden_directory(model: ModelContract) -> Path | None:
    """The first directory among a contract's goldens, for further ones; None where it names none."""
    paths = (request.files.base / request.files.pattern for request in model.goldens)
    return next((path for path in paths if path.is_dir()), None)


def _closing(plan: _Plan, file: Path) -> list[str]:
    """What is left to do."""
    command = f"pytest {shlex.quote(shown(file.absolute()))}"
    lines = _capped([f"{what}: write one into {shown(path.absolute())}" for path, what in plan.left_out.items()])
    if not file.name.endswith(SUFFIX):
        lines.append(f"note: pytest collects contracts by their name, *{SUFFIX}, and {file.name} is none")
    recorded = any(path != file for path in plan.written)
    return [*lines, f"next: {command} --tfserving-update" if recorded else f"next: {command}"]


def _relative(path: Path, file: Path) -> str:
    """A path as a contract file writes it: from the directory of the file."""
    return os.path.relpath(os.path.abspath(path), os.path.abspath(file.parent))  # noqa: PTH100  # links keep their names


def _capped(lines: list[str]) -> list[str]:
    more = _and_more(lines)
    return [*lines[:_MOST_SHOWN], *([more.strip(" ,")] if more else [])]


def _and_more(listed: Sequence[str]) -> str:
    return f", and {len(listed) - _MOST_SHOWN:,} more" if len(listed) > _MOST_SHOWN else ""


def _count(signatures: Sequence[Signature]) -> str:
    return f"{len(signatures):,} signature{'s' if len(signatures) != 1 else ''}"


def _check_contract(file: Path, text: str) -> None:
    """Raises SpecError where the text would be no contract in the file's place, such as for what it includes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", newline="", dir=file.parent, suffix=".toml") as draft_file:
        draft_file.write(text)
        draft_file.flush()
        try:
            read_contract(Path(draft_file.name))
        except SpecError as error:
            told = str(error).replace(shown(Path(draft_file.name)), shown(file.absolute()))
            raise SpecError(f"{file} would be no contract then, so it is left as it is: {told}") from error
