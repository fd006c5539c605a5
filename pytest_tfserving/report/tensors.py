"""Tensors as a report shows them: a line each, long ones cut; and a request as a golden case that can be pasted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_tfserving.golden.compare import describe
from pytest_tfserving.golden.exact import write_tensor
from pytest_tfserving.golden.text import dumps
from pytest_tfserving.report.terminal import table
from pytest_tfserving.schema import DEFAULT_SIGNATURE
from pytest_tfserving.tensors import Array

_MOST_VALUES = 8
_MOST_TEXT = 80
_MOST_PASTED = 1000


def tensor_lines(tensors: Mapping[str, Array]) -> list[str]:
    """One line a tensor: its name, spec and first values."""
    return table([[name, describe(array), values_text(array)] for name, array in tensors.items()]) if tensors else []


def request_lines(
    inputs: Mapping[str, Array], signature_name: str, transport: str | None, expect_error: str | None = None
) -> list[str]:
    """The golden case that sends the request again, exactly; of a large one a line a tensor."""
    if sum(array.size for array in inputs.values()) > _MOST_PASTED:
        return ["the request, too large to be shown whole:", *tensor_lines(inputs)]
    case: dict[str, Any] = {}
    if signature_name != DEFAULT_SIGNATURE:
        case["signature_name"] = signature_name
    if transport is not None:
        case["transport"] = transport
    case["inputs"] = {name: write_tensor(array) for name, array in inputs.items()}
    if expect_error is not None:
        case["expect_error"] = expect_error
    return ["the request, as a golden case:", *dumps(case).splitlines()]


def values_text(array: Array) -> str:
    """The first values of a tensor, in a line."""
    flat = array.ravel()
    shown = ", ".join(repr(item) if isinstance(item, bytes) else str(item) for item in flat[:_MOST_VALUES])
    text = shown if len(shown) <= _MOST_TEXT else f"{shown[: _MOST_TEXT - 3]}..."
    if flat.size > _MOST_VALUES:
        text += ", ..."
    return text if array.ndim == 0 else f"[{text}]"
