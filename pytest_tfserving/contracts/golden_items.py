"""Golden files -> one check a case and transport, each with the id of its test."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pytest_tfserving.contracts.checks import GoldenCheck, GoldenRequest
from pytest_tfserving.errors import TFServingError
from pytest_tfserving.golden.store import Case, DamagedGoldenError, find_files, read_cases
from pytest_tfserving.golden.tolerance import Tolerance


class GoldenItem(NamedTuple):
    """One golden case over one transport; without a check, the `problem` that the item fails with."""

    id: str
    check: GoldenCheck | None
    problem: str = ""


def find_golden_items(requests: Iterable[GoldenRequest], transports: Sequence[str]) -> list[GoldenItem]:
    """The items of the golden cases asked for. One that cannot be used is an item that fails, and hides no other."""
    items = []
    for request in requests:
        try:
            files = find_files(request.files.pattern, request.files.base)
        except TFServingError as error:
            items.append(GoldenItem(request.files.pattern, None, str(error)))
            continue
        for file in files:
            damage = None
            try:
                cases = read_cases(file)
            except DamagedGoldenError as error:
                cases, damage = error.cases, GoldenItem(f"{file.stem}-damaged", None, str(error))
            except TFServingError as error:
                cases, damage = [], GoldenItem(file.stem, None, str(error))
            items += [item for case in cases for item in items_of(case, transports, request.tolerance)]
            items += [damage] if damage else []
    return items


def items_of(case: Case, transports: Sequence[str], tolerance: Tolerance, *, inline: bool = False) -> list[GoldenItem]:
    """The items of one case: one for each transport that can carry it."""
    return [
        GoldenItem(f"{case.id}-{transport}", GoldenCheck(case, transport, tolerance, inline))
        for transport in transports
        if case.transport in (None, transport)
    ]
