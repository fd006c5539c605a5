"""The JSON object of a golden's file, and its tensors that lie in the .npz beside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytest_tfserving.errors import GoldenError
from pytest_tfserving.golden.case import ANSWER_KEYS, REQUEST_KEYS
from pytest_tfserving.golden.text import is_in_npz, loads


def read_object(file: Path) -> dict[str, Any]:
    """The object in a file. Raises GoldenError where there is none."""
    document = loads(read_text(file), str(file))
    if not isinstance(document, dict):
        raise GoldenError(f"{file}: a golden is a JSON object, this is {type(document).__name__}")
    return document


def read_text(file: Path) -> str:
    """A file's text. Raises GoldenError where it cannot be read, or is not UTF-8."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise GoldenError(f"{file} cannot be read: {error}") from error


def with_stored(case: Any, file: Path, place: str) -> Any:
    """A case of a file, with the tensors of the file's .npz in place of what refers to them.

    Raises GoldenError, which begins with `place`, for a reference of another form.
    """
    if not isinstance(case, dict):
        return case
    found = {}
    for form in (*REQUEST_KEYS, *ANSWER_KEYS):
        value = case.get(form)
        if is_in_npz(value) or (isinstance(value, dict) and any(map(is_in_npz, value.values()))):
            from pytest_tfserving.golden.formats.npz import resolved  # few goldens have such a file

            found[form] = resolved(value, file, place)
    return {**case, **found}
