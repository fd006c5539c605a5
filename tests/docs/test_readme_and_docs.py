"""What README and docs show is so: test files are run, outputs compared, files parsed, commands known, links resolved.

docs/development.md says what the comments before fences mean.
"""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_tfserving.contracts.accepted import read_policy
from pytest_tfserving.golden.store import read_answer, read_cases
from pytest_tfserving.options import OPTIONS
from tests.conftest import EXAMPLES, ROOT
from tests.docs.run_pytest import run_pytest
from tests.docs.snippets import FENCES, PAGES, Fence

LANGUAGES = {"python", "json", "sh", "text", "ini", "toml", "yaml"}
FLAGS = {option.flag: option for option in OPTIONS}
PROGRAMS = {
    "bash",
    "curl",
    "docker",
    "echo",
    "export",
    "make",
    "pip",
    "pytest",
    "pytest-tfserving",
    "python",
    "tools/docker-engine",
    "uv",
}

PASSING = [fence for fence in FENCES if fence.language == "python" and fence.test == "passes"]
FAILING = [fence for fence in FENCES if fence.language == "python" and fence.test == "fails, output below"]
CONTRACTS = [fence for fence in FENCES if fence.language == "toml" and fence.test == "contract passes"]


def of(language: str) -> list[Fence]:
    return [fence for fence in FENCES if fence.language == language]


def ids(fences: list[Fence]) -> list[str]:
    return [fence.id for fence in fences]


@dataclass(frozen=True)
class Ran:
    """What the test files of all pages came to, in one run: the outcomes by module, and what pytest printed."""

    outcomes: dict[str, list[str]]
    output: str


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model repository with the test files and goldens of all pages: one, so that they share their servers."""
    root = tmp_path_factory.mktemp("docs")
    (root / "pytest.ini").write_text("[pytest]\n")
    for copy in ("exports/half_plus_two", "build/candidate"):
        shutil.copytree(EXAMPLES / "half_plus_two" / "exports" / "half_plus_two", root / copy)
    for fence in FENCES:
        kind, _, name = fence.test.partition(" ")
        if kind == "file":
            file = root / name
            assert not file.exists(), f"{fence}: another page writes {name} too"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(fence.text)
    for fence in [*PASSING, *FAILING]:
        (root / f"{module_of(fence)}.py").write_text(fence.text)
    for fence in CONTRACTS:
        (root / f"{module_of(fence)}.tfserving.toml").write_text(fence.text)
    return root


@pytest.fixture(scope="session")
def ran(workspace: Path) -> Ran:
    report = workspace / "report.xml"
    output = run_pytest(workspace, f"--junitxml={report}")
    outcomes: dict[str, list[str]] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        module = re.sub(r"\.tfserving\.toml(\..*)?$", "", case.attrib["classname"]).rpartition(".")[2]
        outcomes.setdefault(module, []).append("failed" if len(case) else "passed")
    return Ran(outcomes, output)


def module_of(fence: Fence) -> str:
    return "test_" + re.sub(r"\W", "_", f"{fence.page.relative_to(ROOT).with_suffix('')}_{fence.line}")


@pytest.mark.parametrize("fence", FENCES, ids=ids(FENCES))
def test_every_fence_is_of_a_kind_that_is_tested(fence):
    assert fence.language in LANGUAGES, fence
    if fence.language == "python":
        assert fence in PASSING or fence in FAILING or fence.test.startswith(("skip because ", "file ")), fence
    if fence in FAILING:
        assert fence.next and fence.next.language == "text", f"{fence}: the output is missing"


@pytest.mark.parametrize("fence", [*PASSING, *CONTRACTS], ids=ids([*PASSING, *CONTRACTS]))
def test_a_test_file_passes(ran, fence):
    outcomes = ran.outcomes.get(module_of(fence), [])
    assert outcomes and set(outcomes) == {"passed"}, f"{fence}: {outcomes}\n{ran.output}"


@pytest.mark.parametrize("fence", FAILING, ids=ids(FAILING))
def test_a_test_file_fails_with_the_output_that_is_shown(ran, fence):
    assert "failed" in ran.outcomes.get(module_of(fence), []), f"{fence}\n{ran.output}"
    lines = iter(ran.output.splitlines())
    for shown in fence.next.text.splitlines():
        pattern = ".*".join(map(re.escape, shown.split("…")))
        assert any(re.fullmatch(pattern, line) for line in lines), f"{fence.next}: not in the output: {shown}"


@pytest.mark.parametrize("fence", of("json"), ids=ids(of("json")))
def test_json_is_a_golden(workspace, fence):
    assert fence.test.startswith("file "), f"{fence}: which file is it?"
    file = workspace / fence.test.removeprefix("file ")
    if file.name.endswith(".response.json"):
        file = file.with_name(file.name.replace(".response.json", ".request.json"))
    if "inputs" in fence.text or "instances" in fence.text or file.name.endswith(".request.json"):
        assert read_cases(file)
    else:
        assert read_answer(file)


@pytest.mark.parametrize("fence", of("ini"), ids=ids(of("ini")))
def test_ini_keys_are_options(fence):
    parser = configparser.ConfigParser()
    parser.read_string(fence.text)
    assert set(parser["pytest"]) <= {option.ini for option in OPTIONS}


CONFIGURATIONS = [fence for fence in [*of("ini"), *of("toml")] if not fence.test]


@pytest.mark.parametrize("fence", CONFIGURATIONS, ids=ids(CONFIGURATIONS))
def test_pytest_accepts_the_configuration(tmp_path, fence):
    (tmp_path / ("pytest.ini" if fence.language == "ini" else "pyproject.toml")).write_text(fence.text)
    keys = re.findall(r"^tfserving_\w+", fence.text, re.MULTILINE)
    (tmp_path / "test_nothing.py").write_text(
        f"def test_options(pytestconfig):\n    assert all(pytestconfig.getini(key) for key in {keys!r})\n"
    )
    output = run_pytest(tmp_path, "-W", "error")
    assert "1 passed" in output, output


@pytest.mark.parametrize("fence", of("toml"), ids=ids(of("toml")))
def test_toml_is_of_a_kind_that_is_tested(fence):
    assert fence in CONFIGURATIONS or fence in CONTRACTS or fence.test.startswith("file "), fence


ACCEPTED = [fence for fence in of("toml") if fence.test.startswith("file accepted")]


@pytest.mark.parametrize("fence", ACCEPTED, ids=ids(ACCEPTED))
def test_accepted_findings_are_read(workspace, fence):
    assert read_policy({"accepted": fence.test.removeprefix("file ")}, "docs", workspace).accepted


@pytest.mark.parametrize("fence", of("yaml"), ids=ids(of("yaml")))
def test_yaml_is_well_formed(fence):
    try:
        import yaml
    except ImportError:
        for line in fence.text.splitlines():
            indent = len(line) - len(line.lstrip(" "))
            assert "\t" not in line and indent % 2 == 0, f"{fence}: {line}"
            assert re.match(r"\s*$|\s*(- )?([\w-]+:(\s|$)|>-$|pytest |pip |--)", line), f"{fence}: {line}"
    else:
        assert isinstance(yaml.safe_load(fence.text), dict)


def commands_of(fence: Fence) -> list[list[str]]:
    """The commands of a sh or yaml fence, as words."""
    if fence.language == "sh":
        lines = fence.text.splitlines()
    else:
        folded = re.sub(r">-\n\s+", "", fence.text)
        folded = re.sub(r"\n\s+(?=--)", " ", folded)
        lines = re.findall(r"^\s*- (?:run: )?((?:python|pip|pytest|docker) .*)$", folded, re.MULTILINE)
    commands = [shlex.split(line, comments=True) for line in lines]
    return [[word for word in words if not re.match(r"[A-Z_]+=", word)] for words in commands if words]


SHELL = [*of("sh"), *of("yaml")]


@pytest.mark.parametrize("fence", SHELL, ids=ids(SHELL))
def test_commands_exist(fence):
    commands = commands_of(fence)
    assert commands, fence
    for words in commands:
        program = words[0]
        if program.endswith("/bin/python"):
            program = "python"
        assert program in PROGRAMS, f"{fence}: {program}"
        if program == "make":
            check_make(words[1:], str(fence))
        elif program.startswith("tools/"):
            assert (ROOT / program).is_file(), f"{fence}: {program}"
        check_flags(words, str(fence))


def check_make(words: list[str], where: str) -> None:
    targets = set(re.findall(r"^([\w-]+):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for word in words:
        assert "=" in word or word in targets, f"{where}: no target {word} in the Makefile"


def check_flags(words: list[str], where: str) -> None:
    for word, value in zip(words, [*words[1:], ""], strict=True):
        if not word.startswith("--tfserving-"):
            continue
        flag, equals, given = word.partition("=")
        assert flag in FLAGS, f"{where}: no option {flag}"
        value = given if equals else value
        if FLAGS[flag].choices and (equals or not FLAGS[flag].when_bare):
            assert value in FLAGS[flag].choices, f"{where}: {flag} {value}"
        if not equals and FLAGS[flag].when_bare:
            assert not value or value.startswith("-"), f"{where}: pytest takes {value!r} for the mode of {flag}"


def inline_code() -> list[tuple[Path, str]]:
    return [
        (page, code)
        for page in PAGES
        for code in re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S))
    ]


def test_make_targets_of_the_text_exist():
    for page, code in inline_code():
        if code.startswith("make "):
            check_make(code.split()[1:], page.name)


def test_the_pytest_commands_of_the_gate_run(workspace):
    commands = {
        " ".join(words)
        for fence in of("yaml")
        for words in commands_of(fence)
        if words[0] == "pytest" and "embedded" in words
    }
    [command] = commands
    (workspace / "test_gate.py").write_text(
        "import pytest\n"
        '@pytest.mark.tfserving("exports/half_plus_two")\n'
        "def test_candidate(tfserving):\n"
        "    assert tfserving.export.path.name == 'candidate'\n"
    )
    output = run_pytest(workspace, "test_gate.py", *shlex.split(command)[1:])
    assert "1 passed" in output, output
    assert (workspace / "report.xml").is_file()


def anchors_of(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_resolve(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name}: {target}"
        if anchor:
            assert anchor in anchors_of(file), f"{page.name}: {target}"


def test_every_page_can_be_reached():
    linked = {
        (page.parent / target.partition("#")[0]).resolve()
        for page in PAGES
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    }
    assert {page for page in PAGES if page.name != "README.md" or page.parent != ROOT} <= linked
