"""TOML with the line of each key, and what is said of a file that is no TOML."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_tfserving.errors import SpecError
from pytest_tfserving.toml import dotted, line_of, lines_of, load, quoted

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TEXT = """\
# a comment with [a.table] and key = "value"
include = [
    "common.toml",  # ]
    "other.toml",
]

[model]
path = "a # b"  # no comment within

[signatures.serving_default]
inputs.x = "float32[batch]"
outputs."a.b" = '''
[no.table]
key = 1
'''

[[goldens]]
path = "first"
[[goldens]]
path = "second"
[goldens.sub]
key = 1979-05-27 07:32:00
[[goldens.sub.list]]
[lint]
accepted = [
    { rule = "a", reason = "one" },
    { rule = "b", reason.text = "two" },
    {},
]
"last key" = \"\"\"ends in quotes\"\"\"\"\"
after = true
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("include", 2),
        ("include[0]", 3),
        ("include[1]", 4),
        ("model", 7),
        ("model.path", 8),
        ("signatures", 10),
        ("signatures.serving_default", 10),
        ("signatures.serving_default.inputs", 11),
        ("signatures.serving_default.inputs.x", 11),
        ('signatures.serving_default.outputs."a.b"', 12),
        ("goldens", 17),
        ("goldens[0]", 17),
        ("goldens[0].path", 18),
        ("goldens[1]", 19),
        ("goldens[1].path", 20),
        ("goldens[1].sub", 21),
        ("goldens[1].sub.key", 22),
        ("goldens[1].sub.list[0]", 23),
        ("lint", 24),
        ("lint.accepted", 25),
        ("lint.accepted[0].rule", 26),
        ("lint.accepted[1]", 27),
        ("lint.accepted[1].reason.text", 27),
        ("lint.accepted[2]", 28),
        ('lint."last key"', 30),
        ("lint.after", 31),
    ],
)
def test_every_key_has_its_line(path, line):
    [found] = [key for key in lines_of(TEXT) if dotted(key) == path]
    assert line_of(TEXT, found) == line
    assert line_of(TEXT.replace("\n", "\n\n"), found) == line * 2 - 1


@pytest.mark.parametrize(
    ("path", "line"),
    [(("model", "pth"), 7), (("goldens", 1, "rtol"), 19), (("nothing",), 1), ((), 1), (("goldens", 7), 17)],
)
def test_what_is_not_there_has_the_line_of_the_table_around_it(path, line):
    assert line_of(TEXT, path) == line


def paths_of(values, path=()):
    """Every path in a document."""
    pairs = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    for key, value in pairs:
        yield (*path, key)
        yield from paths_of(value, (*path, key))


def test_the_lines_are_of_exactly_what_the_text_holds():
    assert set(lines_of(TEXT)) == set(paths_of(tomllib.loads(TEXT)))


names = st.text(st.sampled_from("ab.\"'\\ ]=#é\n"), max_size=4)
scalars = st.one_of(
    st.integers(0, 9), st.booleans(), st.sampled_from(['"]"', "'#'", '"""\n[x]\n"""', "'''\n=\n'''", "1e5", "07:32:00"])
)
values = st.recursive(
    st.builds(lambda value: str(value).lower(), scalars),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[\n" + ",  # ]\n".join(items) + "\n]"),
        st.dictionaries(names, inner, max_size=2).map(
            lambda items: "{" + ", ".join(f"{quoted(key)} = {value}" for key, value in items.items()) + "}"
        ),
    ),
    max_leaves=5,
)


@given(st.dictionaries(names, st.dictionaries(names, values, max_size=3), max_size=3))
def test_a_key_stands_behind_the_last_line_without_it(tables):
    """The meaning of a line: the lines before it parse and do not hold the key, those up to the value's end do."""
    text = "".join(
        f"[{quoted(name)}]\n" + "".join(f"{quoted(key)} = {value}\n" for key, value in table.items())
        for name, table in tables.items()
    )
    found = lines_of(text)
    assert set(found) == set(paths_of(tomllib.loads(text)))
    lines = text.split("\n")
    for path in (path for path in found if len(path) <= 2):
        before = "\n".join(lines[: found[path] - 1])
        assert path not in set(paths_of(tomllib.loads(before)))


def test_load_gives_values_and_places(tmp_path, monkeypatch):
    file = tmp_path / "a.toml"
    file.write_bytes("\ufeffa = 1\r\n\r\n[b]\r\nc = '''x\r\ny'''\r\n".encode())
    document = load(file)
    assert document.values == {"a": 1, "b": {"c": "x\ny"}}
    assert document.where(("b", "c")) == f"{file}:4"
    monkeypatch.chdir(tmp_path)
    assert document.where(("b", "c")) == "a.toml:4"
    assert document.where() == "a.toml"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = 1\n[b]\nc = 2\nc = 3\n", "a.toml:4: a key or table stands twice, c, first on line 3\n    c = 3\n    ^"),
        ("[a]\n[b]\n[a]\n", "a.toml:3: a key or table stands twice, a, first on line 1\n    [a]\n    ^"),
        ("[b]\nc = 2\n[d]\nc = 3\nc = 4", "a.toml:5: a key or table stands twice, c, first on line 4\n"),
        ("a = { b = 1, b = 2 }", "a.toml:1: a key or table stands twice, a\n"),
        ("a.b = 1\na = 2\n", "a.toml:2: a key or table stands twice, a\n"),
        (
            "[model]\npath = exports/x\n",
            "a.toml:2: invalid value; text stands in quotes, true and false are small letters\n"
            "    path = exports/x\n           ^",
        ),
        ("a = [1,\n", "a.toml:2: "),
        ('a = "b\n', "a.toml:1: illegal character '\\n'\n    a = \"b\n          ^"),
        ("[a\n", "a.toml:1: expected ']'"),
        ("= 3", "a.toml:1: invalid statement\n    = 3\n    ^"),
        ("a = 1\nb = '\xff'".encode("latin-1"), "a.toml:2: not UTF-8, which TOML is"),
        ("a = " + "[" * 100_000, "a.toml: arrays or tables are nested too deep"),
    ],
)
def test_what_is_no_toml_is_shown_with_its_line(tmp_path, monkeypatch, text, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SpecError) as caught:
        load(tmp_path / "a.toml")
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("name", ["missing.toml", "."])
def test_what_cannot_be_read_is_named(tmp_path, name):
    with pytest.raises(SpecError, match="cannot be read: "):
        load(tmp_path / name)


@pytest.mark.parametrize("text", ["", "a", "a.b", 'say "x"', "back\\slash", "tab\t", "é", "\x00\x7f", "\U0001f600"])
def test_quoted_text_reads_back(text):
    assert tomllib.loads(f"{quoted(text)} = {quoted(text)}") == {text: text}
    assert tomllib.loads(f"{dotted((text, 'b'))} = 1") == {text: {"b": 1}}
