"""Every option, marker, fixture and method is in the docs, and what the docs name is there."""

from __future__ import annotations

import re

import pytest

import pytest_tfserving
from pytest_tfserving import plugin
from pytest_tfserving.clients.grpc import GrpcClient
from pytest_tfserving.clients.rest import RestClient
from pytest_tfserving.endpoint import Endpoint, Servable
from pytest_tfserving.errors import Code
from pytest_tfserving.fixtures import GoldenChecker, ServerFactory
from pytest_tfserving.grammar import DTYPES
from pytest_tfserving.options import OPTIONS
from pytest_tfserving.report.junit import properties_of_suite, properties_of_test
from pytest_tfserving.report.results import CheckResult
from pytest_tfserving.served import Served
from pytest_tfserving.usage import USAGE
from tests.conftest import ROOT
from tests.docs.snippets import PAGES

DOCS = ROOT / "docs"


def rows_of(name: str) -> list[list[str]]:
    """The rows of all tables of a page, as cells."""
    lines = (DOCS / name).read_text().splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]


def section_of(name: str, heading: str) -> str:
    """A page's section of the second level."""
    sections = re.split(r"^## ", (DOCS / name).read_text(), flags=re.MULTILINE)
    [section] = [section for section in sections if section.startswith(f"{heading}\n")]
    return section


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_an_option_has_a_row_with_its_names_and_default(option):
    rows = [row for row in rows_of("options.md") if re.match(rf"`{option.flag}[ `\[=]", row[0])]
    assert len(rows) == 1, f"{option.flag} has {len(rows)} rows in docs/options.md"
    _, ini, env, default, meaning = rows[0]
    assert (ini, env) == (f"`{option.ini}`", f"`{option.env}`")
    if isinstance(option.default, float):
        assert default == f"{option.default:g}"
    elif option.default is not None:
        assert default == f"`{option.default}`"
    for choice in option.choices:
        assert f"`{choice}`" in meaning
    assert ("may be repeated" in meaning) == option.repeatable


def test_the_options_that_the_docs_name_exist():
    flags = {option.flag for option in OPTIONS}
    variables = {option.env for option in OPTIONS} | {
        "TFSERVING_TEST_IMAGE",
        "TFSERVING_TEST_BINARY",
        "TFSERVING_FUZZ_EXAMPLES",
    }
    for page in PAGES:
        text = page.read_text()
        assert set(re.findall(r"--tfserving-[a-z]+(?:-[a-z]+)*", text)) <= flags, page.name
        assert set(re.findall(r"\bTFSERVING_[A-Z_]+\b", text)) <= variables, page.name


@pytest.mark.parametrize("marker", USAGE)
def test_a_marker_has_a_section_with_its_keywords(marker):
    section = section_of("markers.md", marker)
    documented = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert tuple(documented) == USAGE[marker].keywords


FIXTURES = {"tfserving" if name == "tfserving_fixture" else name for name in plugin.__all__}


@pytest.mark.parametrize("fixture", sorted(FIXTURES))
def test_a_fixture_has_a_section_and_is_in_readme(fixture):
    assert section_of("fixtures.md", fixture)
    assert f"| `{fixture}` |" in (ROOT / "README.md").read_text()


def test_the_fixtures_that_the_docs_name_exist():
    junit = [
        *properties_of_test([CheckResult("golden", "m", "one", "rest", "held")], [], "embedded"),
        *properties_of_suite(["m"], {"embedded": "tensorflow"}),
    ]
    known = {*FIXTURES, *USAGE, *(option.ini for option in OPTIONS), *dict(junit), "tfserving_golden_case"}
    for page in PAGES:
        named = set(re.findall(r"(?<![\w-])(?<!pytest_)tfserving_\w+", page.read_text()))
        assert named <= known, page.name


def public(cls: type) -> list[str]:
    return [name for name in vars(cls) if not name.startswith("_")]


MEMBERS = [
    (fixture, name)
    for fixture, value in {
        "tfserving": Served(
            Servable("a"),
            type("Started", (), {"endpoint": Endpoint(), "provenance": {"backend": ""}})(),
            version=None, export=None, export_directory=None, export_schema=None, server=None, request_timeout=1.0,
        ),
        "tfserving_rest": RestClient(Endpoint("http://127.0.0.1:1", "127.0.0.1:1"), Servable("a"), 1.0),
        "tfserving_grpc": GrpcClient(Endpoint("http://127.0.0.1:1", "127.0.0.1:1"), Servable("a"), 1.0),
    }.items()
    for name in sorted({*public(type(value)), *(name for name in vars(value) if not name.startswith("_"))})
]  # fmt: skip


@pytest.mark.parametrize(("fixture", "member"), MEMBERS, ids=[f"{fixture}.{name}" for fixture, name in MEMBERS])
def test_a_member_is_documented(fixture, member):
    assert re.search(rf"`[^`\n]*\.{member}\b", section_of("fixtures.md", fixture))


def test_the_factory_and_the_checker_are_documented():
    section = section_of("fixtures.md", "tfserving_server")
    assert all(f"{name}=" in section for name in (ServerFactory.__call__.__kwdefaults__ or {}))
    section = section_of("fixtures.md", "tfserving_golden")
    assert public(GoldenChecker) == ["check"]
    assert all(f"{name}=" in section for name in (GoldenChecker.check.__kwdefaults__ or {}))


def test_errors_codes_and_dtypes_are_documented():
    fixtures, contracts = ((DOCS / name).read_text() for name in ("fixtures.md", "contracts.md"))
    assert [name for name in pytest_tfserving.__all__ if name not in fixtures] == []
    assert f"`{' '.join(code.name for code in Code)}`" in fixtures
    assert f"`{' '.join(DTYPES)}`" in contracts
