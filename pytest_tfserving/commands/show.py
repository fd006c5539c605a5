"""`pytest-tfserving show EXPORT`: what lies in an export, and with --lint what will hurt when it is served."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from pytest_tfserving.commands.plainly import plainly
from pytest_tfserving.commands.stdout import print_out
from pytest_tfserving.errors import ExportError
from pytest_tfserving.export import Export, find_export
from pytest_tfserving.findings import Policy, Verdict
from pytest_tfserving.inspection import Inspection, inspect
from pytest_tfserving.report.findings import findings_text, printable
from pytest_tfserving.report.inspection import inspection_document, inspection_text
from pytest_tfserving.rules.rule import LEVELS

SHOWN, FAILS = 0, 1

_MOST_VERSIONS = 10

_EPILOG = """\
Signatures are printed as a contract file (*.tfserving.toml) has them, with the graph's tensors behind them; the rest
are comments of TOML. TensorFlow is not imported, and nothing of the model is run.

The exit status is 0, or 1 where --lint finds something that fails, or 2 where the export cannot be read.
"""


@plainly
def run(arguments: Sequence[str]) -> int:
    """Prints the export; the exit status."""
    given = _parser().parse_args(arguments)
    tags = None if given.tags is None else tuple(tag for tag in given.tags.split(",") if tag)
    export = find_export(given.export)
    version = export.latest if given.version is None else given.version
    if version not in export.versions:
        raise ExportError(f"{given.export} has no version {version}; it has {_versions(export)}")
    inspection = inspect(export.versions[version], tags)
    verdict = _lint(inspection, given.fail_on) if given.lint else None
    if given.json:
        print_out(json.dumps(_document(given.export, export, version, inspection, verdict), indent=2))
    elif verdict:
        print_out(f"{_head(given.export, export, version)}\n\n{findings_text(verdict, safe=given.all)}")
    else:
        text = inspection_text(inspection, everything=given.all)
        print_out(f"# {_head(given.export, export, version)}\n\n{text}")
    return SHOWN if verdict is None or verdict.holds else FAILS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pytest-tfserving show",
        description="Print the signatures, variables, assets, ops and files of an export.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("export", type=Path, metavar="EXPORT", help="a SavedModel, or a directory of its versions")
    parser.add_argument("--version", type=int, metavar="N", help="of a directory of versions; default: the latest")
    parser.add_argument(
        "--tags", metavar="TAG,TAG", help="of the graph; default: serve, or those of the only graph there is"
    )
    parser.add_argument("--all", action="store_true", help="shorten no list; with --lint, safe findings too")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument("--lint", action="store_true", help="print what will hurt when the export is served")
    parser.add_argument(
        "--fail-on", choices=LEVELS, default=Policy.fail_on, metavar="LEVEL",
        help=f"with --lint, the level from which findings fail: {', '.join(LEVELS)}; default: {Policy.fail_on}",
    )  # fmt: skip
    return parser


def _lint(inspection: Inspection, fail_on: str) -> Verdict:
    from pytest_tfserving.lint import find_problems  # most calls of `show` do without

    return Policy(next(level for level in LEVELS if level == fail_on)).judge(find_problems(inspection))


def _document(
    path: Path, export: Export, version: int, inspection: Inspection, verdict: Verdict | None
) -> dict[str, object]:
    document: dict[str, object] = {
        "path": str(path),
        "version": version,
        "versions": sorted(export.versions),
        **inspection_document(inspection),
    }
    if verdict:
        from pytest_tfserving.report.ci import findings_json

        document["lint"] = json.loads(findings_json(verdict, {}))
    return document


def _head(path: Path, export: Export, version: int) -> str:
    latest = ", the latest" if version == export.latest and len(export.versions) > 1 else ""
    others = f" of {_versions(export)}" if len(export.versions) > 1 else ""
    return printable(f"{path}, version {version}{latest}{others}")


def _versions(export: Export) -> str:
    versions = sorted(export.versions, reverse=True)
    more = f" and {len(versions) - _MOST_VERSIONS} more" if len(versions) > _MOST_VERSIONS else ""
    return ", ".join(map(str, versions[:_MOST_VERSIONS])) + more
