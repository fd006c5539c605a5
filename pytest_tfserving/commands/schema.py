"""`pytest-tfserving schema`: the JSON schema of contract files, for editors that complete and check TOML."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from pytest_tfserving.commands.plainly import plainly
from pytest_tfserving.commands.stdout import print_out
from pytest_tfserving.contracts.keys import SCHEMA_FILE


@plainly
def run(arguments: Sequence[str]) -> int:
    """Prints the schema, or with --path where it lies; the exit status."""
    parser = argparse.ArgumentParser(
        prog="pytest-tfserving schema",
        description="Print the JSON schema of contract files (*.tfserving.toml), for editors that read one.",
        epilog='In an editor with Taplo (Even Better TOML): a first line "#:schema PATH" in the contract, or a rule in '
        ".taplo.toml for every *.tfserving.toml.",
    )
    parser.add_argument("--path", action="store_true", help="print where the installed schema file lies")
    given = parser.parse_args(arguments)
    print_out(str(SCHEMA_FILE) if given.path else SCHEMA_FILE.read_text(encoding="utf-8").rstrip())
    return 0
