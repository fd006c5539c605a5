"""Tensor specs as text: `float32[batch, 28, 28, 1]`, one grammar for markers, contracts and messages.

    spec  =  dtype "[" [ "..." | dim { "," dim } ] "]"
    dim   =  size | name | "?"          size: 0, 1, 2, ...    name: a letter, then letters, digits, "_"

A name or `?` is a dimension that the signature leaves open (-1); a name is one number within any one request.
`float32[]` is a scalar, `float32[...]` a tensor of unknown rank. str(TensorSpec) writes the same form.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches

from pytest_tfserving.errors import SpecError
from pytest_tfserving.schema import Dimension, TensorSpec

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
_TOKEN = re.compile(r"\s*(?:(?P<ellipsis>\.\.\.)|(?P<size>\d+)|(?P<name>[A-Za-z_]\w*)|(?P<mark>[\[\],?]))")

EXAMPLES = "examples: float32[batch, 28, 28, 1]  string[?]  int64[]  float32[...]"


def parse_tensor_spec(text: str) -> TensorSpec:
    """The spec that `text` writes.

    >>> parse_tensor_spec("float32[batch, 3]")
    TensorSpec(dtype='float32', shape=('batch', 3), tensor_name='')

    Raises SpecError with a caret under what does not fit the grammar.
    """
    tokens = _tokens(text)
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
        position, kind, word = tokens.pop(0)
        if kind == "size":
            shape.append(int(word))
        elif kind == "name":
            shape.append(word)
        elif word == "?":
            shape.append(None)
        else:
            raise _error(text, position, "a dimension comes here: a size, a name or '?'")
    if tokens[0][2] != "]":
        raise _error(text, tokens[0][0], "']' comes here")
    tokens.pop(0)
    if tokens[0][1] != "end":
        raise _error(text, tokens[0][0], "nothing may follow ']'")
    return TensorSpec(dtype, None if shape is None else tuple(shape))


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


def _dimension(size: object, value: object) -> Dimension:
    if size is None or (isinstance(size, str) and size == "?"):
        return None
    if isinstance(size, str) and not _NAME.fullmatch(size):
        raise SpecError(f"{value!r}: {size!r} is no dimension's name: a letter, then letters, digits and '_'")
    if isinstance(size, bool) or not isinstance(size, int | str) or (isinstance(size, int) and size < -1):
        raise SpecError(f"{value!r}: {size!r} is no dimension: a size, a name or None")
    return None if size == -1 else size


def _tokens(text: str) -> list[tuple[int, str, str]]:
    tokens, position = [], 0
    while position < len(text.rstrip()):
        match = _TOKEN.match(text, position)
        if not match or match.lastgroup is None:
            at = position + len(text[position:]) - len(text[position:].lstrip())
            hint = "; an open dimension is written '?' or as a name" if text[at] == "-" else ""
            raise _error(text, at, f"{text[at]!r} is not part of the grammar{hint}")
        tokens.append((match.start(match.lastgroup), match.lastgroup, match[match.lastgroup]))
        position = match.end()
    end = (len(text.rstrip()), "end", "")
    return [*tokens, end, end]  # twice: a parser may take one and still look at the next


def _error(text: str, position: int, what: str) -> SpecError:
    return SpecError(f"tensor spec does not parse: {what}\n    {text}\n    {' ' * max(position, 0)}^\n{EXAMPLES}")
