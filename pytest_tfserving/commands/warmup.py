"""`pytest-tfserving warmup GOLDENS... -o FILE`: goldens' requests as an export's warm-up file, and back with --read."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from pytest_tfserving.commands.plainly import plainly
from pytest_tfserving.commands.stdout import print_out
from pytest_tfserving.errors import GoldenError, SpecError, TensorError
from pytest_tfserving.export import find_export, holds_saved_model, name_of_path
from pytest_tfserving.files import replaced, shown, write_text
from pytest_tfserving.golden.case import Case, DamagedGoldenError
from pytest_tfserving.golden.case_arrays import case_inputs
from pytest_tfserving.golden.exact import read_tensor
from pytest_tfserving.golden.store import find_files, read_cases
from pytest_tfserving.golden.text import dumps, is_exact
from pytest_tfserving.inspection import Inspection, inspect
from pytest_tfserving.schema import DEFAULT_SIGNATURE
from pytest_tfserving.tensors import Array, name_of
from pytest_tfserving.warmup_file import MOST_RECORDS, WARMUP_FILE
from pytest_tfserving.warmup_requests import WarmupContent, WarmupRequest

_EPILOG = f"""\
A server replays EXPORT/{WARMUP_FILE} before a version becomes available, at most
{MOST_RECORDS:,} requests, and does not load a version of which one fails. So the requests are looked at first, by the
lint rule warmup-fails, and where one would fail nothing is written. Cases that expect an error are left out.

--read takes any TFRecord file of PredictionLogs, request logs too; responses in it become the goldens' outputs.
"""


@plainly
def run(arguments: Sequence[str]) -> int:
    """Writes the file; the exit status."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if bool(given.goldens) == bool(given.read):
        parser.error("give GOLDENS whose requests are written, or --read FILE")
    print_out("\n".join(_read(given) if given.read else _write(given)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pytest-tfserving warmup",
        description="Write the requests of goldens as a warm-up file, or with --read those of such a file as goldens.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("goldens", nargs="*", metavar="GOLDENS", help="golden files, directories or globs")
    parser.add_argument("--read", type=Path, metavar="FILE", help="the warm-up file or request log to make goldens of")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE",
        help=f"the file to write: an export, or EXPORT/{WARMUP_FILE}; with --read a golden, NAME.json",
    )  # fmt: skip
    parser.add_argument(
        "--export", type=Path, metavar="EXPORT",
        help="whose signatures the requests are of; default: the export that the file is written into",
    )  # fmt: skip
    parser.add_argument("--tags", metavar="TAG,TAG", help="of the export's graph, where it has several")
    parser.add_argument("--model", metavar="NAME", help="the model's name in the requests; default: the export's")
    parser.add_argument("--signature", metavar="NAME", help="only requests of this signature")
    parser.add_argument("--until-damage", action="store_true", help="use the records before a damaged one")
    parser.add_argument("--force", action="store_true", help="replace the file that is there")
    return parser


def _write(given: argparse.Namespace) -> list[str]:
    from pytest_tfserving.golden.formats.prediction_log import write_log

    file = _warmup_file(given.output)
    _refuse_existing(file, given.force)
    inspection = _inspection(given, file)
    name = given.model or (name_of_path(inspection.directory) if inspection else "default")
    files = [found for pattern in given.goldens for found in find_files(pattern, Path.cwd())]
    cases = _cases(files, given)
    found: list[WarmupRequest] = []

    def requests() -> Iterator[tuple[str, str, Mapping[str, Array], None]]:
        for number, case in enumerate(islice(cases, MOST_RECORDS), 1):
            signature, inputs = case.signature_name or DEFAULT_SIGNATURE, _inputs(case, inspection)
            found.append(
                WarmupRequest(number, "Predict", signature, {alias: name_of(a) for alias, a in inputs.items()})
            )
            yield name, signature, inputs, None

    file.parent.mkdir(parents=True, exist_ok=True)
    with replaced(file) as stream:
        count = write_log(stream, requests())
        if not count:
            raise GoldenError(
                f"no request of signature {given.signature!r}" if given.signature else "no request to write"
            )
        _check(found, inspection)
    said = [f"wrote {shown(file.absolute())}: {_count(count)}"]
    more = sum(1 for _ in cases)
    if more:
        said.append(f"left out {more:,} more: a server does not load a version with more than {MOST_RECORDS:,}")
    if inspection is None:
        said.append("not checked against an export: give --export")
    return said


def _warmup_file(output: Path) -> Path:
    """The file that is meant: an export's own where the output is an export."""
    if not output.is_dir():
        return output
    export = find_export(output)
    return export.versions[export.latest] / WARMUP_FILE


def _inspection(given: argparse.Namespace, file: Path) -> Inspection | None:
    """The export that the requests are for; None where none is given and the file is in none."""
    tags = tuple(given.tags.split(",")) if given.tags else None
    if given.export:
        export = find_export(given.export)
        return inspect(export.versions[export.latest], tags)
    around = Path.cwd() / file.parent.parent
    if file.parent.name == WARMUP_FILE.parent.name and holds_saved_model(around):
        return inspect(around, tags)
    return None


def _cases(files: Sequence[Path], given: argparse.Namespace) -> Iterator[Case]:
    """The cases of the files that are answered, of the signature that is wanted."""
    for file in files:
        for case in _readable(lambda file=file: read_cases(file), given.until_damage):
            if case.expected_error is None and _is_wanted(case, given.signature):
                yield case


def _readable(read: Any, until_damage: bool) -> list[Case]:
    try:
        cases: list[Case] = read()
    except DamagedGoldenError as error:
        if not until_damage:
            before = f"; --until-damage takes the {len(error.cases):,} before it" if error.cases else ""
            raise GoldenError(f"{error}{before}") from error
        return error.cases
    return cases


def _is_wanted(case: Case, signature: str | None) -> bool:
    return signature is None or signature == (case.signature_name or DEFAULT_SIGNATURE)


def _inputs(case: Case, inspection: Inspection | None) -> dict[str, Array]:
    """The case's inputs, of the signature's dtypes. Raises GoldenError where they cannot be told."""
    name = case.signature_name or DEFAULT_SIGNATURE
    if inspection:
        if name not in inspection.schema.signatures:
            known = ", ".join(map(repr, inspection.schema.callable_signatures)) or "none"
            raise GoldenError(f"{case.where} is of signature {name!r}; {shown(inspection.directory)} has {known}")
        return case_inputs(case, inspection.schema.signatures[name])
    [(form, values)] = case.request.items()
    if form != "inputs" or not isinstance(values, dict) or not all(map(is_exact, values.values())):
        raise GoldenError(f"{case.where} has plain values, whose dtypes the export knows: give --export EXPORT")
    try:
        return {alias: read_tensor(value, "", alias) for alias, value in values.items()}
    except TensorError as error:
        raise GoldenError(f"{case.where}: {error}") from error


def _check(requests: Sequence[WarmupRequest], inspection: Inspection | None) -> None:
    """Raises GoldenError for requests that would fail the load."""
    if inspection is None:
        return
    from pytest_tfserving.lint.warmup import find_warmup_problems

    for finding in find_warmup_problems(replace(inspection, warmup=WarmupContent(tuple(requests), None))):
        raise GoldenError(f"nothing is written: {finding.sentence}")


def _read(given: argparse.Namespace) -> list[str]:
    from pytest_tfserving.golden.formats.answers import as_json
    from pytest_tfserving.golden.formats.npz import npz_of, plain_tensor, write_npz
    from pytest_tfserving.golden.formats.prediction_log import PredictionLogFile

    file: Path = given.output
    if file.suffix != ".json" or file.is_dir():
        raise SpecError(f"{file}: goldens are written as JSON; give -o NAME.json")
    _refuse_existing(file, given.force)
    arrays: dict[str, Array] = {}

    def tensors(case: Case, values: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return {name: as_json(plain_tensor(read_tensor(values[name], "", name)), arrays) for name in sorted(values)}
        except TensorError as error:
            raise GoldenError(f"{case.where}: {error}") from error

    cases: dict[str, dict[str, Any]] = {}
    for case in _readable(lambda: PredictionLogFile().read(given.read), given.until_damage):
        if not _is_wanted(case, given.signature):
            continue
        written: dict[str, Any] = {"signature_name": case.signature_name} if case.signature_name else {}
        written["inputs"] = tensors(case, case.request["inputs"])
        if case.answer is not None:
            written["outputs"] = tensors(case, case.answer["outputs"])
        cases[str(case.key)] = written
    if not cases:
        raise GoldenError(f"{shown(given.read)} has no predict request of signature {given.signature!r}")
    file.parent.mkdir(parents=True, exist_ok=True)
    if arrays:
        write_npz(npz_of(file), arrays, frozenset())
    write_text(file, dumps({"cases": cases}))
    unanswered = sum("outputs" not in case for case in cases.values())
    said = [f"wrote {shown(file.absolute())}: {_count(len(cases))}"]
    if unanswered:
        said.append(f"next: record {unanswered:,} answers with `pytest --tfserving-update`")
    return said


def _refuse_existing(file: Path, force: bool) -> None:
    if file.exists() and not force:
        raise SpecError(f"{shown(file.absolute())} is there already; --force replaces it")


def _count(number: int) -> str:
    return f"{number:,} request{'s' if number != 1 else ''}"
