"""Tensor specs as text: `float32[batch, 28, 28, 1]`, one grammar for markers, contracts, `show` and messages.

    spec     =  dtype "[" [ "..." | dim { "," dim } ] "]" [ "=" default ]
    dim      =  size | [ size "<=" ] open [ "<=" size ]
    open     =  name | "?"
    size     =  0, 1, 2, ...            name:  a letter, then letters, digits, "_"
    default  =  "..." | a JSON value

A name or `?` is a dimension that the signature leaves open (-1); a name is one number within any one request, and
`batch<=64` limits it. `float32[]` is a scalar, `float32[...]` a tensor of unknown rank. An input with a default may be
left out of a request: `int32[] = 5` says which value the server then takes, `int32[] = ...` that there is one.
str(TensorSpec) writes the same form.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from pytest_tfserving.errors import SpecError
from pytest_tfserving.schema import SOME_DEFAULT, Dimension, Range, TensorSpec

DTYPES = (
    "float32", "float64", "float16", "bfloat16", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32",
    "uint64", "bool", "string", "complex64", "complex128",
)  # fmt: skip

# Other names of the same dtype: TensorFlow's C++ names, numpy's, and the enum's.
DTYPE_ALIASES = {
    "float": "float32", "double": "float64", "half": "float16", "str": "string", "bytes": "string",
    "boolean": "bool",
}  # fmt: skip

_NAME = re.compile(r"[A-Za-z_]\w*")
_TOKEN = re.compile(r"\s*(?:(?P<ellipsis>\.\.\.)|(?P<size>\d+)|(?P<name>[A-Za-z_]\w*)|(?P<mark><=|[\[\],?]))")

_HINTS = {
    "=": "; limits are written with '<=', as in batch<=64",
    "-": "; an open dimension is written '?' or as a name",
    "<": "; limits are written with '<=', as in 1<=batch<=64",
    ">": "; limits are written with '<=', as in 1<=batch<=64",
}

# Words for an open dimension in Python and JSON: as a name each would tie what is meant to be free.
_OPEN_ELSEWHERE = ("None", "null")

_LONGEST_DEFAULT = 60

EXAMPLES = "examples: float32[batch, 28, 28, 1]  string[?]  int64[]  float32[...]"


def parse_tensor_spec(text: str) -> TensorSpec:
    """The spec that `text` writes.

    >>> parse_tensor_spec("float32[batch<=64, 3]").shape
    (Range(name='batch', at_least=0, at_most=64), 3)

    Raises SpecError with a caret under what does not fit the grammar.
    """
    shown, default = _split_default(text)
    tokens = _tokens(text, len(shown.rstrip()))
    position, kind, word = tokens.pop(0)
    if kind != "name":
        raise _error(text, position, "a dtype comes first")
    dtype = parse_dtype(word, within=text)
    if tokens[0][2] != "[":
        raise _error(text, tokens[0][0], f"a shape in brackets follows the dtype, such as {dtype}[batch]")
    tokens.pop(0)
    shape: list[Dimension] | None = []
    if tokens[0][1] == "ellipsis":
        tokens.pop(0)
        shape = None
    while shape is not None and tokens[0][2] != "]":
        if shape:
            if tokens[0][2] != ",":
                raise _error(text, tokens[0][0], "',' or ']' comes here")
            tokens.pop(0)
        shape.append(_parse_dimension(text, tokens))
    if tokens[0][2] != "]":
        raise _error(text, tokens[0][0], "']' comes here")
    tokens.pop(0)
    if tokens[0][1] != "end":
        raise _error(text, tokens[0][0], "nothing but a default, such as `= 5`, may follow ']'")
    return TensorSpec(dtype, None if shape is None else tuple(shape), default)


def check_dimensions(specs: Mapping[str, TensorSpec]) -> None:
    """Raises SpecError where two of a signature's tensors, by how a message names them, give one name two limits.

    A name is one number within a request, so `batch<=64` of one input holds wherever `batch` stands; a second range
    would be another meaning.
    """
    first: dict[str, tuple[Range, str]] = {}
    for where, spec in specs.items():
        for dimension in spec.shape or ():
            if not isinstance(dimension, Range) or dimension.name is None:
                continue
            known, there = first.setdefault(dimension.name, (dimension, where))
            if known != dimension:
                raise SpecError(
                    f"dimension {dimension.name!r} has two meanings: {known} in {there}, {dimension} in {where}; it is "
                    f"one number within a request, so write its limits once, or give one of them another name"
                )


def as_tensor_spec(value: object) -> TensorSpec:
    """A spec from what a marker may give: text, a TensorSpec, or a pair such as ("float32", [None, 28]).

    In a pair None is an open dimension, and a shape of None an unknown rank.
    """
    if isinstance(value, TensorSpec):
        return value
    if isinstance(value, str):
        return parse_tensor_spec(value)
    if isinstance(value, Sequence) and len(value) == 2 and isinstance(value[0], str):
        dtype, shape = value
        if shape is None:
            return TensorSpec(parse_dtype(dtype), None)
        if isinstance(shape, Sequence) and not isinstance(shape, str):
            return TensorSpec(parse_dtype(dtype), tuple(_dimension(size, value) for size in shape))
    raise SpecError(f"{value!r} is no tensor spec; {EXAMPLES}, or a pair such as ('float32', [None, 28])")


def parse_dtype(word: str, within: str | None = None) -> str:
    """TensorFlow's name of a dtype that may be written otherwise (`float`, `DT_FLOAT`, `half`).

    `within` is the whole spec, where the dtype is part of one, for the message.
    """
    name = word.lower().removeprefix("dt_")
    name = DTYPE_ALIASES.get(name, name)
    if name in DTYPES:
        return name
    close = get_close_matches(name, DTYPES, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise _error(within or word, (within or word).find(word), f"no such dtype; {hint}dtypes: {' '.join(DTYPES)}")


def _parse_dimension(text: str, tokens: list[tuple[int, str, str]]) -> Dimension:
    """Takes one dimension off the tokens."""
    first, kind, word = tokens.pop(0)
    at_least = 0
    if kind == "size":
        if tokens[0][2] != "<=":
            return int(word)
        at_least = int(word)
        tokens.pop(0)
        position, kind, word = tokens.pop(0)
        if kind != "name" and word != "?":
            raise _error(text, position, "a name or '?' comes between the limits, as in 1<=batch<=64")
    elif kind != "name" and word != "?":
        raise _error(text, first, "a dimension comes here: a size, a name or '?'")
    name = word if kind == "name" else None
    if name in _OPEN_ELSEWHERE:
        raise _error(
            text,
            first,
            f"{name} would be a name, and so one number wherever it stands; an open dimension is written '?'",
        )
    at_most = None
    if tokens[0][2] == "<=":
        tokens.pop(0)
        position, kind, word = tokens.pop(0)
        if kind != "size":
            raise _error(text, position, "a size comes after '<=', as in batch<=64")
        at_most = int(word)
        if at_most < at_least:
            raise _error(text, position, f"no size is at least {at_least} and at most {at_most}")
    return name if at_least == 0 and at_most is None else Range(name, at_least, at_most)


def _split_default(text: str) -> tuple[str, str | None]:
    """The part of a spec before its `=`, and the default behind it in canonical form."""
    equals = re.search(r"(?<=\])\s*=", text)
    if not equals:
        return text, None
    written = text[equals.end() :].strip()
    if written == SOME_DEFAULT:
        return text[: equals.start()], written
    try:
        return text[: equals.start()], default_text(json.loads(written))
    except (ValueError, RecursionError):
        at = equals.end() + len(text[equals.end() :]) - len(text[equals.end() :].lstrip())
        raise _error(text, at, 'a default is JSON, such as 5 or [0.5, 1.0] or "en", or ... for any') from None


def default_text(value: object) -> str:
    """A default's JSON value as a spec has it; SOME_DEFAULT where it is too long to be read."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_DEFAULT else SOME_DEFAULT


def _dimension(size: object, value: object) -> Dimension:
    if size is None or (isinstance(size, str) and size == "?"):
        return None
    if isinstance(size, Range):
        return size
    if isinstance(size, str) and not _NAME.fullmatch(size):
        raise SpecError(f"{value!r}: {size!r} is no dimension's name: a letter, then letters, digits and '_'")
    if isinstance(size, bool) or not isinstance(size, int | str) or (isinstance(size, int) and size < -1):
        raise SpecError(f"{value!r}: {size!r} is no dimension: a size, a name or None")
    return None if size == -1 else size


def _tokens(text: str, length: int) -> list[tuple[int, str, str]]:
    """(position, kind, word) of the first `length` characters, with two of kind `end` behind them."""
    tokens, position = [], 0
    while position < length:
        match = _TOKEN.match(text, position)
        if not match or match.lastgroup is None:
            at = position + len(text[position:]) - len(text[position:].lstrip())
            hint = _HINTS.get(text[at], "")
            raise _error(text, at, f"{text[at]!r} is not part of the grammar{hint}")
        tokens.append((match.start(match.lastgroup), match.lastgroup, match[match.lastgroup]))
        position = match.end()
    end = (length, "end", "")
    return [*tokens, end, end]  # twice: a parser may take one and still look at the next


def _error(text: str, position: int, what: str) -> SpecError:
    return SpecError(f"tensor spec does not parse: {what}\n    {text}\n    {' ' * max(position, 0)}^\n{EXAMPLES}")
