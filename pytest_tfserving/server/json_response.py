"""Results -> the JSON text of TF Serving's REST answers, byte for byte.

The layouts are rapidjson's PrettyWriter's (indent 4), as tensorflow_serving/util/json_tensor.cc drives it: in the row
format arrays inside a row stay on one line, in the columnar format every value has its own. Numbers are WriteDecimal's.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from pytest_tfserving import tensors
from pytest_tfserving.dtypes import dtype_enum
from pytest_tfserving.server.failure import invalid
from pytest_tfserving.server.json_request import Format
from pytest_tfserving.server.json_tensor import dtype_string, flush_subnormals
from pytest_tfserving.server.json_value import quoted
from pytest_tfserving.server.tensor import Tensor
from pytest_tfserving.tensors import Array

_STEP = "    "
_INTEGERS = frozenset({"int8", "int16", "int32", "int64", "uint8", "uint32", "uint64"})


def error(message: str) -> bytes:
    """The body of every answer that is not OK."""
    return _encoded(f'{{\n    "error": {quoted(message)}\n}}')


def predictions(outputs: Mapping[str, Tensor], layout: Format) -> bytes:
    """The body of a predict answer. Raises ServingError for outputs that the format has no form for."""
    if not outputs:
        raise invalid("Cannot convert empty tensor map to JSON")
    return _encoded(_rows(outputs) if layout is Format.ROW else _columns(outputs))


def classifications(results: Iterable[Sequence[tuple[str, float]]]) -> bytes:
    """The body of a classify answer: for each example its [label, score] pairs."""
    examples = []
    for classes in results:
        scores = float_texts(np.array([score for _, score in classes], dtype=np.float32))
        labels = [quoted(label) for label, _ in classes]
        examples.append(f"[{', '.join(f'[{label}, {score}]' for label, score in zip(labels, scores, strict=True))}]")
    if not examples:
        raise invalid("Cannot convert empty ClassificationResults to JSON")
    return _encoded(f'{{\n    "results": [{", ".join(examples)}\n    ]\n}}')


def regressions(values: Sequence[float]) -> bytes:
    """The body of a regress answer: one number for each example."""
    if not values:
        raise invalid("Cannot convert empty RegressionResults to JSON")
    return _encoded(f'{{\n    "results": [{", ".join(float_texts(np.array(values, dtype=np.float32)))}]\n}}')


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _rows(outputs: Mapping[str, Tensor]) -> str:
    batch_size: int | None = None
    for alias, tensor in outputs.items():
        if not tensor.shape:
            raise invalid(f"Tensor name: {alias} has no shape information ")
        if batch_size is not None and tensor.shape[0] != batch_size:
            raise invalid(
                f"Tensor name: {alias} has inconsistent batch size: {tensor.shape[0]} expecting: {batch_size}"
            )
        batch_size = tensor.shape[0]
    if not batch_size:
        return '{\n    "predictions": []\n}'
    if len(outputs) == 1:
        ((alias, tensor),) = outputs.items()
        # Elements are written while arrays stay on one line, the bracket behind them is not.
        return f'{{\n    "predictions": [{", ".join(_row_texts(alias, tensor, 2))}\n    ]\n}}'
    columns = [_row_texts(alias, tensor, 3) for alias, tensor in outputs.items()]
    members = [f"\n            {quoted(alias)}: " for alias in outputs]
    rows = (
        ",".join(f"{member}{text}" for member, text in zip(members, texts, strict=True))
        for texts in zip(*columns, strict=True)
    )
    return '{\n    "predictions": [' + ",".join(f"\n        {{{row}\n        }}" for row in rows) + "\n    ]\n}"


def _row_texts(alias: str, tensor: Tensor, depth: int) -> list[str]:
    """One text a row; `depth` is how many brackets are open around a row's value."""
    inner = tensor.shape[1:]
    texts = _element_texts(alias, tensor, depth + len(inner))
    for axis in range(len(inner) - 1, -1, -1):
        count = math.prod(tensor.shape[: axis + 1])
        texts = [f"[{', '.join(group)}]" for group in _groups(texts, inner[axis], count)]
    return texts


def _columns(outputs: Mapping[str, Tensor]) -> str:
    if len(outputs) == 1:
        ((alias, tensor),) = outputs.items()
        return f'{{\n    "outputs": {_column_text(alias, tensor, 1)}\n}}'
    members = ",".join(
        f"\n        {quoted(alias)}: {_column_text(alias, tensor, 2)}" for alias, tensor in outputs.items()
    )
    return f'{{\n    "outputs": {{{members}\n    }}\n}}'


def _column_text(alias: str, tensor: Tensor, depth: int) -> str:
    """A whole tensor, each element on its own line; `depth` is how many brackets are open around it."""
    texts = _element_texts(alias, tensor, depth + len(tensor.shape))
    for axis in range(len(tensor.shape) - 1, -1, -1):
        outer = "\n" + _STEP * (depth + axis)
        between = f",{outer}{_STEP}"
        count = math.prod(tensor.shape[:axis])
        texts = [
            f"[{outer}{_STEP}{between.join(group)}{outer}]" if group else "[]"
            for group in _groups(texts, tensor.shape[axis], count)
        ]
    return texts[0]


def _groups(texts: list[str], size: int, count: int) -> Iterable[list[str]]:
    return (texts[index * size : (index + 1) * size] for index in range(count))


def _element_texts(alias: str, tensor: Tensor, depth: int) -> list[str]:
    values = tensor.flat
    name = tensors.name_of(values)
    if name == "string":
        if alias.endswith("_bytes"):
            start, end = "{\n" + _STEP * (depth + 1) + '"b64": "', '"\n' + _STEP * depth + "}"
            return [f"{start}{base64.b64encode(value).decode()}{end}" for value in values]
        return [quoted(value.decode("utf-8", "surrogateescape")) for value in values]
    if name == "bool":
        return ["true" if value else "false" for value in values]
    if name in _INTEGERS:
        return list(map(str, values.tolist()))
    if name in ("float32", "float64"):
        return float_texts(flush_subnormals(values))
    if len(values):
        enum = dtype_enum(name)
        raise invalid(f"Failed to write JSON value for tensor type: {dtype_string(enum)}")
    return []


# How a number is written: whole ones with one zero, six digits where they suffice, all that the type has otherwise.
_WHOLE, _SIX, _FULL = 0, 1, 2
# Up to 10**22 powers of ten are exact doubles, and so is the comparison below.
_EXACT_POWER = 22


def float_texts(values: Array) -> list[str]:
    """Numbers of one float dtype as WriteDecimal writes them.

    `%g` if that reads back as the same number, else `%.9g` (`%.17g` for double), and `.0` behind what would look like
    an integer; NaN, Infinity and -Infinity bare.

    >>> float_texts(np.array([1.0, 0.1, 1 / 3, 1e6, 16777216.0], dtype=np.float32))
    ['1.0', '0.1', '0.333333343', '1e+06', '16777216.0']
    """
    digits = 9 if values.dtype == np.float32 else 17
    wide = values.astype(np.float64)
    with np.errstate(all="ignore"):
        six = _has_six_digits(wide, values)
        magnitude = np.abs(wide)
        whole = (wide == np.rint(wide)) & (magnitude < np.where(six, 1e6, 10.0**digits))
    style = np.where(whole, _WHOLE, np.where(six, _SIX, _FULL))
    formats = np.array(["%.1f", "%g", f"%.{digits}g"], dtype=object)[style].tolist()
    texts = (" ".join(formats) % tuple(wide.tolist())).split(" ") if formats else []
    for index in np.flatnonzero(~np.isfinite(wide)):
        texts[index] = "NaN" if np.isnan(wide[index]) else "Infinity" if wide[index] > 0 else "-Infinity"
    return texts


def _has_six_digits(wide: Array, values: Array) -> Array:
    """Which numbers `%g` loses nothing of. Computed, since printing and reading a million takes half a second."""
    power = 5 - np.floor(np.log10(np.abs(wide)))
    power = np.where(np.isfinite(power), power, 0)
    scale = 10.0 ** np.abs(power)
    rounded = np.where(power >= 0, np.rint(wide * scale) / scale, np.rint(wide / scale) * scale)
    six: Array = rounded.astype(values.dtype) == values
    if values.dtype == np.float64:
        for index in np.flatnonzero(np.abs(power) > _EXACT_POWER):
            six[index] = float(f"{wide[index]:g}") == wide[index]
    return six
