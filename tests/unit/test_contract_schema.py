"""The JSON schema of contract files: written from the table of keys, and of one mind with the parser"""

from __future__ import annotations

import json
import subprocess
import sys

import jsonschema
import pytest

from pytest_tfserving.commands.schema import run
from pytest_tfserving.contracts.keys import CONTRACT, SCHEMA_FILE, schema, schema_text
from pytest_tfserving.contracts.tables import Either, Key, Many, Named, Table
from tests.conftest import EXAMPLES, ROOT
from tests.unit.contract_texts import ACCEPTED, REFUSED, REFUSED_BESIDE_OTHERS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CONTRACTS = sorted(EXAMPLES.rglob("*.tfserving.toml"))

# Taplo, which most editors check TOML with, reads draft 4; the schema's words mean the same in both.
DRAFTS = (jsonschema.Draft4Validator, jsonschema.Draft7Validator)


@pytest.fixture(params=DRAFTS, ids=lambda draft: draft.__name__)
def refusals(request):
    """refusals(text) are what the schema has against a contract's text, read as the draft."""
    validator = request.param(schema())

    def refusals(text):
        return [error.message for error in validator.iter_errors(tomllib.loads(text))]

    return refusals


def test_the_file_is_what_the_table_says():
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text(), "run: python tools/write_contract_schema.py"


def test_the_tool_finds_nothing_to_write():
    tool = ROOT / "tools" / "write_contract_schema.py"
    assert subprocess.run([sys.executable, tool, "--check"], capture_output=True, text=True, check=True).stdout == ""


@pytest.mark.parametrize("draft", DRAFTS)
def test_it_is_a_schema(draft):
    draft.check_schema(schema())


@pytest.mark.parametrize("text", ACCEPTED.values(), ids=ACCEPTED)
def test_it_accepts_what_the_parser_accepts(refusals, text):
    assert refusals(text) == []


@pytest.mark.parametrize("file", CONTRACTS, ids=lambda file: file.name)
def test_it_accepts_the_contracts_of_the_examples(refusals, file):
    assert refusals(file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("case", [case for case in REFUSED if case.form], ids=lambda case: case.id)
def test_it_refuses_what_the_parser_refuses_for_its_form(refusals, case):
    assert refusals(case.text)


@pytest.mark.parametrize(
    "text",
    [case.text for case in REFUSED if not case.form and "stands twice" not in case.message]
    + [case.text for case in REFUSED_BESIDE_OTHERS],
)
def test_what_it_cannot_know_it_leaves_to_the_parser(refusals, text):
    assert refusals(text) == []


def keys_of(kind, path=()):
    """Every key of the table, by where it stands: `*` for a name that a person chose."""
    if isinstance(kind, Table):
        for name, key in kind.keys.items():
            yield (*path, name), key
            yield from keys_of(key.kind, (*path, name))
    elif isinstance(kind, Named):
        yield from keys_of(kind.of, (*path, "*"))
    elif isinstance(kind, Many):
        yield from keys_of(kind.of, path)
    elif isinstance(kind, Either):
        for choice in kind.kinds:
            yield from keys_of(choice, path)


def used_in(kind, value, path=()):
    """The keys of the table that a contract uses."""
    if isinstance(kind, Table) and isinstance(value, dict):
        for name in value:
            yield (*path, name)
            yield from used_in(kind.keys[name].kind, value[name], (*path, name))
    elif isinstance(kind, Named):
        for item in value.values():
            yield from used_in(kind.of, item, (*path, "*"))
    elif isinstance(kind, Many) and isinstance(value, list):
        for item in value:
            yield from used_in(kind.of, item, path)
    elif isinstance(kind, Either):
        for choice in kind.kinds:
            if choice.takes(value):
                yield from used_in(choice, value, path)


KEYS = dict(keys_of(CONTRACT))


def test_every_key_is_used_by_some_contract_of_the_tests():
    used = {path for text in ACCEPTED.values() for path in used_in(CONTRACT, tomllib.loads(text))}
    alone = {path for path in KEYS if path[0] != "models"}  # [models.NAME] has the keys of [model] and the tables
    assert {".".join(path) for path in alone - used} == set()
    assert {path[2:] for path in KEYS if len(path) > 2 and path[0] == "models"} == {
        path[1:] if path[0] == "model" else path
        for path in alone
        if path not in (("include",), ("model",), ("models",))
    }


@pytest.mark.parametrize("key", KEYS.values(), ids=[".".join(path) for path in KEYS])
def test_every_key_says_what_it_is_and_its_example_is_one(key: Key):
    assert key.description.endswith(".") or "=" in key.description
    [value] = tomllib.loads(f"key = {key.kind.example}").values()
    assert list(key.kind.problems(value, ("key",))) == []
    assert list(key.kind.gaps(value, ("key",))) == []


def test_the_command_prints_the_schema_or_where_it_lies(capsys):
    assert run([]) == 0
    assert json.loads(capsys.readouterr().out) == schema()
    assert run(["--path"]) == 0
    assert capsys.readouterr().out == f"{SCHEMA_FILE}\n"
