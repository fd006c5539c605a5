"""What every kind of golden file can do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from pytest_tfserving.golden.case import Case

# Recorded outputs by case (its key in the file) and name: exact tensors, or their bytes (npz.py, plain_tensor).
Answers = Mapping[str | None, Mapping[str, Any]]


class Written(NamedTuple):
    """The file that holds the answers, how many cases had none before, and how many had another.

    Where both are 0 the file was not touched.
    """

    file: Path
    new: int
    changed: int


class Format(Protocol):
    """One kind of golden file."""

    def read(self, file: Path) -> list[Case]:
        """The cases of a file. Raises GoldenError; DamagedGoldenError where those before the damage can be used."""

    def write(self, file: Path, answers: Answers, provenance: Mapping[str, str], asked: Mapping[str, str]) -> Written:
        """Keeps recorded answers, in one step; those that are there already, to the last bit, are left alone.

        `asked` are the marks of the requests that were answered, by case, of a file whose requests have any.
        Raises OSError, and GoldenError where the file is no longer what it was.
        """
