"""`pytest-tfserving diff OLD NEW`: what clients of OLD must change for NEW."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from pytest_tfserving.commands.address import FORMS, as_tensorflow_serving, is_address, read_address
from pytest_tfserving.commands.plainly import plainly
from pytest_tfserving.commands.stdout import print_out
from pytest_tfserving.compatibility import PromisedSignatures, find_changes
from pytest_tfserving.contracts.accepted import read_accepted, read_level, read_severity
from pytest_tfserving.contracts.baseline import contract_file, read_promised
from pytest_tfserving.errors import SpecError
from pytest_tfserving.export import find_export
from pytest_tfserving.findings import Policy, Verdict
from pytest_tfserving.report.ci import findings_github, findings_json, findings_junit
from pytest_tfserving.report.findings import findings_text, printable
from pytest_tfserving.rules.rule import LEVELS
from pytest_tfserving.savedmodel import DEFAULT_TAGS
from pytest_tfserving.schema import ModelSchema

HOLDS, FAILS = 0, 1

_TIMEOUT = 30.0  # seconds that a running server has for its metadata

_EPILOG = f"""\
OLD and NEW are each one of
  an export         exports/1, or exports, whose newest version it is then
  a contract file   half_plus_two.tfserving.toml; FILE::NAME where it has several models
  a running server  {FORMS}

The exit status is 0 where nothing fails, 1 where a finding does, 2 where OLD, NEW or an option cannot be used.
docs/rules.md says what each rule finds and what to do about it.
"""


@plainly
def run(arguments: Sequence[str]) -> int:
    """Prints the findings; the exit status."""
    given = _parser().parse_args(arguments)
    policy = _policy(given)
    tags = tuple(tag for tag in given.tags.split(",") if tag)
    verdict = policy.judge(find_changes(_read(given.old, tags), _read(given.new, tags)))
    print_out(_rendered(verdict, given))
    return HOLDS if verdict.holds else FAILS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pytest-tfserving diff",
        description="Compare what clients of OLD rely on with NEW: every difference, and which clients it breaks.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("old", metavar="OLD", help="what clients rely on")
    parser.add_argument("new", metavar="NEW", help="what shall take its place")
    parser.add_argument("--format", choices=("text", "json", "github", "junit"), default="text", help="default: text")
    parser.add_argument(
        "--fail-on", metavar="LEVEL", default=Policy.fail_on, help=f"{', '.join(LEVELS)}; default: {Policy.fail_on}"
    )
    parser.add_argument(
        "--severity", metavar="RULE=LEVEL", action="append", default=[],
        help="set the level of a rule, or `off`; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--accept", metavar="FILE", action="append", default=[],
        help="a TOML file of [[accepted]] findings, each with a reason; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--tags", default=",".join(DEFAULT_TAGS), help=f"of the exports' graph, with commas; default: {DEFAULT_TAGS[0]}"
    )
    parser.add_argument("--all", action="store_true", help="show the safe findings too, in text")
    return parser


def _policy(given: argparse.Namespace) -> Policy:
    severities = {}
    for text in given.severity:
        rule, equals, level = text.partition("=")
        if not equals:
            raise SpecError(f"--severity: {text!r} is no RULE=LEVEL, such as output-added=off")
        severities[rule.strip()] = read_severity(rule.strip(), level.strip(), "--severity")
    accepted = tuple(acceptance for file in given.accept for acceptance in read_accepted(Path(file)))
    return Policy(read_level(given.fail_on, "--fail-on"), severities, accepted)


def _read(place: str, tags: tuple[str, ...]) -> PromisedSignatures:
    return _read_served(place) if is_address(place) else read_promised(Path(place), tags)


def _read_served(address: str) -> ModelSchema:
    """The signatures that a running server lists."""
    from pytest_tfserving.clients.grpc import GrpcClient  # exports and contracts are compared without the clients
    from pytest_tfserving.clients.rest import RestClient

    endpoint, servable = read_address(address)
    with as_tensorflow_serving(address):
        if endpoint.rest_url:
            return RestClient(endpoint, servable, _TIMEOUT).metadata()
        return GrpcClient(endpoint, servable, _TIMEOUT).metadata()


def _rendered(verdict: Verdict, given: argparse.Namespace) -> str:
    if given.format == "json":
        return findings_json(verdict, {"old": given.old, "new": given.new})
    if given.format == "github":
        return findings_github(verdict, _annotated(given))
    if given.format == "junit":
        return findings_junit(verdict, f"pytest-tfserving diff {given.old} {given.new}")
    return printable(f"{given.old} -> {given.new}") + "\n\n" + findings_text(verdict, safe=given.all)


def _annotated(given: argparse.Namespace) -> str | None:
    """The file that an annotation is shown beside: what was exported, else the contract that it breaks."""
    for place in (given.new, given.old):
        if is_address(place):
            continue
        contract = contract_file(Path(place))
        if contract is not None:
            return str(contract)
        directory = find_export(Path(place))
        file = next(directory.versions[directory.latest].glob("saved_model.pb*"))
        return os.path.relpath(file)
    return None
