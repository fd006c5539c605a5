"""Every key of a contract file, every relation, and every option of the command line is in docs/contracts.md."""

from __future__ import annotations

import re

import pytest

from pytest_tfserving import cli
from pytest_tfserving.contracts.keys import CONTRACT
from pytest_tfserving.contracts.promises import RELATIONS
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "contracts.md").read_text()
SERVE = "serve"  # docs/server.md, by a test of its own


def section(heading: str) -> str:
    """The part of the page under a heading of the third level."""
    [found] = [part for part in re.split(r"^##+ ", PAGE, flags=re.MULTILINE) if part.startswith(f"{heading}\n")]
    return found


def keys_of(schema: object) -> set[str]:
    """The names of all properties that a JSON schema describes."""
    if isinstance(schema, list):
        return set().union(*map(keys_of, schema)) if schema else set()
    if not isinstance(schema, dict):
        return set()
    names = set(schema["properties"]) if isinstance(schema.get("properties"), dict) else set()
    return names.union(*(keys_of(value) for value in schema.values()))


SECTIONS = {
    "model": "[model]",
    "models": "Several models in one file",
    "signatures": "[signatures.NAME]",
    "goldens": "[goldens]",
    "requests": "[requests.NAME]",
    "compatible": "[compatible]",
    "lint": "[lint]",
    "properties": "[properties.NAME]",
    "generated": "[generated]",
    "latency": "[latency]",
    "include": "include",
}


def test_every_table_has_a_section():
    assert set(CONTRACT.schema()["properties"]) == set(SECTIONS)


@pytest.mark.parametrize("table", [name for name in SECTIONS if name not in ("models", "include")])
def test_every_key_is_in_the_section_of_its_table(table):
    text = section(SECTIONS[table])
    keys = keys_of(CONTRACT.schema()["properties"][table])
    assert keys
    if table == "lint":  # "as above"
        keys -= {"rule", "signature", "tensor", "reason"}
    assert [key for key in sorted(keys) if not re.search(rf"`[^`\n]*\b{key}\b", text)] == []


@pytest.mark.parametrize("relation", RELATIONS)
def test_every_relation_has_a_row(relation):
    assert f"| `{relation}` |" in section("[properties.NAME]")


@pytest.mark.parametrize("command", [name for name in cli.COMMANDS if name != SERVE])
def test_every_option_of_a_command_is_in_its_section(command, capsys):
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", capsys.readouterr().out)) - {"--help", "--tfserving-update"}
    text = section("Editors" if command == "schema" else command)
    assert options
    assert [option for option in sorted(options) if f"`{option}" not in text and f" `{option}" not in text] == []
