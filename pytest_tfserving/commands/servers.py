"""`pytest-tfserving servers [--stop [ID ...]]`: the servers that --tfserving-reuse left up, and the end of them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

from pytest_tfserving.backends.lease import duration
from pytest_tfserving.backends.lease_record import KeptLease
from pytest_tfserving.backends.leases import Leases
from pytest_tfserving.commands.plainly import plainly
from pytest_tfserving.commands.stdout import print_out
from pytest_tfserving.errors import SpecError
from pytest_tfserving.report.findings import printable
from pytest_tfserving.report.terminal import table
from pytest_tfserving.suggestion import did_you_mean

DONE, FAILED = 0, 1

_HEADS = ["id", "backend", "models", "address", "pid", "up", "users", "idle", "ends in"]

_EPILOG = """\
Only servers of this user on this machine are listed, from all checkouts with the same temporary directory. A server
that a run uses has no idle time; --stop stops it all the same, and the run says so. pid is the process that keeps the
server.

The exit status is 0, or 1 where a server does not stop, or 2 where an ID is unknown or the list cannot be read.
"""


@plainly
def run(arguments: Sequence[str]) -> int:
    """Lists the servers, or stops some of them and waits until they have; the exit status."""
    given = _parser().parse_args(arguments)
    kept = Leases.of_this_user().kept()
    if given.stop is not None:
        return _stop(kept, given.stop)
    documents = [_document(lease) for lease in kept]
    print_out(json.dumps(documents, indent=2) if given.format == "json" else _text(documents))
    return DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pytest-tfserving servers",
        description="List or stop the servers that --tfserving-reuse left up.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--stop", nargs="*", metavar="ID", help="stop these servers, or all of them, and wait")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="of the list; default: text")
    return parser


def _stop(kept: Sequence[KeptLease], wanted: Sequence[str]) -> int:
    names = [lease.name for lease in kept]
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise SpecError("; ".join(f"no server {name}{did_you_mean(name, names)}" for name in unknown))
    status = DONE
    for lease in kept:
        if not wanted or lease.name in wanted:
            problem = lease.stop()
            print_out(f"{lease.name}: {problem or 'stopped'}")
            status = FAILED if problem else status
    if not kept:
        print_out("no servers")
    return status


def _document(lease: KeptLease) -> dict[str, Any]:
    spec = lease.spec
    return {
        "id": lease.name,
        "state": lease.status["state"],
        "backend": spec.backend if spec else None,
        "models": {model.name: {str(number): path for number, path in model.versions} for model in spec.models}
        if spec
        else {},
        "rest_url": lease.addresses.get("rest_url"),
        "grpc_target": lease.addresses.get("grpc_target"),
        "directory": str(lease.directory),
        **{key: lease.status.get(key) for key in ("pid", "up", "users", "idle", "ends_in")},
    }


def _text(documents: Sequence[dict[str, Any]]) -> str:
    if not documents:
        return "no servers"
    return "\n".join(line[2:] for line in table([_HEADS, *map(_row, documents)], most=len(documents)))


def _row(document: dict[str, Any]) -> list[str]:
    address = str(document["rest_url"] or "-")
    if document["state"] != "serving":
        address = f"({document['state']})"
    seconds = ["-" if document[key] is None else duration(document[key]) for key in ("up", "idle", "ends_in")]
    cells = [
        document["id"], document["backend"] or "-", ", ".join(document["models"]) or "-", address,
        document["pid"], seconds[0], document["users"], *seconds[1:],
    ]  # fmt: skip
    return ["-" if cell is None else printable(str(cell)) for cell in cells]
