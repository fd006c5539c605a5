"""Tensor specs as text: what they mean, how they are written back, and what is said of those that do not parse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_tfserving.errors import SpecError
from pytest_tfserving.grammar import DTYPES, as_tensor_spec, check_dimensions, parse_dtype, parse_tensor_spec
from pytest_tfserving.schema import Range, TensorSpec


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("float32[]", TensorSpec("float32", ())),
        ("float32[...]", TensorSpec("float32", None)),
        ("float32[3]", TensorSpec("float32", (3,))),
        ("float32[0]", TensorSpec("float32", (0,))),
        ("string[?]", TensorSpec("string", (None,))),
        ("int64[batch]", TensorSpec("int64", ("batch",))),
        ("uint8[batch, 28, 28, 1]", TensorSpec("uint8", ("batch", 28, 28, 1))),
        ("bool[?, rows, rows]", TensorSpec("bool", (None, "rows", "rows"))),
        ("int8[_, max_len2]", TensorSpec("int8", ("_", "max_len2"))),
        ("float32[float32]", TensorSpec("float32", ("float32",))),
        ("float32[batch<=64]", TensorSpec("float32", (Range("batch", 0, 64),))),
        ("float32[1<=batch]", TensorSpec("float32", (Range("batch", 1),))),
        ("float32[2<=?<=2, 3]", TensorSpec("float32", (Range(None, 2, 2), 3))),
        ("int32[] = 5", TensorSpec("int32", (), "5")),
        ("int32[] = ...", TensorSpec("int32", (), "...")),
        ("float32[2] = [0.1, 1.0]", TensorSpec("float32", (2,), "[0.1, 1.0]")),
        ('string[] = "a=[b]"', TensorSpec("string", (), '"a=[b]"')),
    ],
)
def test_text_and_spec_say_the_same(text, spec):
    assert parse_tensor_spec(text) == spec
    assert str(spec) == text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("  float32 [ batch ,3 ] ", "float32[batch, 3]"),
        ("float32[\n  batch,\n  3\n]", "float32[batch, 3]"),
        ("float32[ ]", "float32[]"),
        ("float32[ ... ]", "float32[...]"),
        ("float32[007]", "float32[7]"),
        ("FLOAT32[2]", "float32[2]"),
        ("float32[ 1<= b <=4 ]=[1,2]", "float32[1<=b<=4] = [1, 2]"),
        ("float32[0<=b]", "float32[b]"),
        (f"string[] = {'x' * 61!r}".replace("'", '"'), "string[] = ..."),
    ],
)
def test_spaces_leading_zeros_and_capitals_do_not_matter(text, written):
    assert str(parse_tensor_spec(text)) == written


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_is_known_by_its_name_and_by_its_enums(dtype):
    assert parse_dtype(dtype) == dtype
    assert parse_dtype(f"DT_{dtype.upper()}") == dtype


@pytest.mark.parametrize(
    ("alias", "dtype"),
    [
        ("float", "float32"),
        ("double", "float64"),
        ("half", "float16"),
        ("str", "string"),
        ("bytes", "string"),
        ("boolean", "bool"),
        ("DT_FLOAT", "float32"),
        ("DT_DOUBLE", "float64"),
        ("DT_HALF", "float16"),
        ("Bool", "bool"),
    ],
)
def test_aliases_of_dtypes(alias, dtype):
    assert parse_dtype(alias) == dtype
    assert parse_tensor_spec(f"{alias}[?]") == TensorSpec(dtype, (None,))


NAMES = st.from_regex(r"[A-Za-z_][A-Za-z_0-9]{0,8}", fullmatch=True)
LIMITS = st.tuples(st.integers(0, 9), st.integers(9, 2**40) | st.none()).filter(lambda limits: limits != (0, None))
RANGES = st.builds(lambda name, limits: Range(name, *limits), st.none() | NAMES, LIMITS)
SHAPES = st.none() | st.lists(st.none() | st.integers(0, 2**40) | NAMES | RANGES, max_size=6).map(tuple)
DEFAULTS = st.sampled_from([None, "...", "5", "0.1", "[1, 2]", '"a<=b]"', "NaN", "true"])


@given(st.builds(TensorSpec, st.sampled_from(DTYPES), SHAPES, DEFAULTS))
def test_a_spec_survives_being_written_and_read(spec):
    assert parse_tensor_spec(str(spec)) == spec


@given(st.text(alphabet="float32[]?,.- _b8é<=5", max_size=14))
def test_any_text_is_a_spec_or_a_spec_error(text):
    try:
        spec = parse_tensor_spec(text)
    except SpecError:
        return
    assert parse_tensor_spec(str(spec)) == spec


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (["", "^"], "a dtype comes first"),
        (["[3]", "^"], "a dtype comes first"),
        (["3[3]", "^"], "a dtype comes first"),
        (
            ["float32", "       ^"],
            "a shape in brackets follows the dtype, such as float32[batch]",
        ),
        (["float32 3", "        ^"], "a shape in brackets follows the dtype, such as float32[batch]"),
        (["float32[", "        ^"], "a dimension comes here: a size, a name or '?'"),
        (["float32[,]", "        ^"], "a dimension comes here: a size, a name or '?'"),
        (["float32[3,", "          ^"], "a dimension comes here: a size, a name or '?'"),
        (["float32[batch,]", "              ^"], "a dimension comes here: a size, a name or '?'"),
        (["float32[3, ...]", "           ^"], "a dimension comes here: a size, a name or '?'"),
        (["float32[3", "         ^"], "',' or ']' comes here"),
        (["float32[3 4]", "          ^"], "',' or ']' comes here"),
        (["float32[2d]", "         ^"], "',' or ']' comes here"),
        (["float32[..., 3]", "           ^"], "']' comes here"),
        (["float32[...", "           ^"], "']' comes here"),
        (["float32[3]]", "          ^"], "nothing but a default, such as `= 5`, may follow ']'"),
        (["float32[3] x", "           ^"], "nothing but a default, such as `= 5`, may follow ']'"),
        (["float32[3.5]", "         ^"], "'.' is not part of the grammar"),
        (["float32(3)", "       ^"], "'(' is not part of the grammar"),
        (["float32[a, -1]", "           ^"], "'-' is not part of the grammar; an open dimension is written '?'"),
        (
            ["float32[None, 3]", "        ^"],
            "None would be a name, and so one number wherever it stands; an open dimension",
        ),
        (["float32[b=4]", "         ^"], "'=' is not part of the grammar; limits are written with '<='"),
        ([f"int8[] = {'[' * 9000}", "         ^"], "a default is JSON, such as 5 or [0.5, 1.0]"),
        (["float32[b<4]", "         ^"], "'<' is not part of the grammar; limits are written with '<='"),
        (["float32[b>=4]", "         ^"], "'>' is not part of the grammar; limits are written with '<='"),
        (["float32[b<=c]", "           ^"], "a size comes after '<=', as in batch<=64"),
        (["float32[3<=4]", "           ^"], "a name or '?' comes between the limits"),
        (["float32[3<=b<=2]", "              ^"], "no size is at least 3 and at most 2"),
        (["float32[b] = [1,", "             ^"], "a default is JSON, such as 5"),
        (["float32[b] =", "            ^"], "a default is JSON, such as 5"),
        (["flaot32[3]", "^"], "no such dtype; did you mean float32?"),
        (["  int[3]", "  ^"], "no such dtype; did you mean int8?"),
        (["variant[]", "^"], "no such dtype; dtypes: float32 float64"),
    ],
    ids=lambda value: repr(value[0]) if isinstance(value, list) else "",
)
def test_what_does_not_parse_is_shown_with_a_caret_under_it(lines, complaint):
    with pytest.raises(SpecError) as caught:
        parse_tensor_spec(lines[0])
    heading, text, caret, examples = str(caught.value).split("\n")
    assert heading.startswith(f"tensor spec does not parse: {complaint}")
    assert [text, caret] == [f"    {line}" for line in lines]
    assert examples == "examples: float32[batch, 28, 28, 1]  string[?]  int64[]  float32[...]"


@pytest.mark.parametrize(
    ("value", "spec"),
    [
        ("float32[batch]", TensorSpec("float32", ("batch",))),
        (TensorSpec("float32", ("batch",)), TensorSpec("float32", ("batch",))),
        (("float32", [None, 28]), TensorSpec("float32", (None, 28))),
        (["float32", (None, 28)], TensorSpec("float32", (None, 28))),
        (("float32", ["batch", "?"]), TensorSpec("float32", ("batch", None))),
        (("float32", [-1, 28]), TensorSpec("float32", (None, 28))),
        (("DT_FLOAT", []), TensorSpec("float32", ())),
        (("float32", None), TensorSpec("float32", None)),
    ],
    ids=repr,
)
def test_a_marker_may_give_text_a_spec_or_a_pair(value, spec):
    assert as_tensor_spec(value) == spec


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (3, "3 is no tensor spec; examples: float32[batch, 28, 28, 1]"),
        (None, "None is no tensor spec"),
        (("float32",), "('float32',) is no tensor spec"),
        (("float32", 3), "('float32', 3) is no tensor spec"),
        (("float32", "28"), "('float32', '28') is no tensor spec"),
        (("float32", [2.5]), "2.5 is no dimension: a size, a name or None"),
        (("float32", [True]), "True is no dimension"),
        (("float32", [-2]), "-2 is no dimension"),
        (("float32", ["3"]), "'3' is no dimension's name"),
        (("float32", ["a b"]), "'a b' is no dimension's name"),
        (("float32", [""]), "'' is no dimension's name"),
        (("flaot32", [3]), "no such dtype; did you mean float32?"),
    ],
    ids=repr,
)
def test_a_value_that_is_no_spec_is_refused(value, complaint):
    with pytest.raises(SpecError) as caught:
        as_tensor_spec(value)
    assert complaint in str(caught.value)


def test_a_name_has_its_limits_written_once():
    specs = {"inputs.x": parse_tensor_spec("float32[batch<=64]"), "inputs.m": parse_tensor_spec("int32[batch, ?<=3]")}
    check_dimensions(specs | {"outputs.y": parse_tensor_spec("float32[batch, ?<=4]")})
    with pytest.raises(SpecError) as caught:
        check_dimensions(specs | {"outputs.y": parse_tensor_spec("float32[batch<=32]")})
    assert str(caught.value).startswith(
        "dimension 'batch' has two meanings: batch<=64 in inputs.x, batch<=32 in outputs.y; "
    )
