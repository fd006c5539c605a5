"""Golden files -> one check a case and transport, or one a transport for all; each with the id of its test."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePath
from typing import NamedTuple

from pytest_tfserving.contracts.checks import Baseline, GoldenCheck, GoldenRequest, GoldenSetCheck
from pytest_tfserving.errors import TFServingError
from pytest_tfserving.golden.store import Case, DamagedGoldenError, find_files, read_cases
from pytest_tfserving.golden.tolerance import Tolerance


class GoldenItem(NamedTuple):
    """Golden cases over one transport, one or a set; without a check, the `problem` that the item fails with."""

    id: str
    check: GoldenCheck | GoldenSetCheck | None
    problem: str = ""


def find_golden_items(requests: Iterable[GoldenRequest], transports: Sequence[str]) -> list[GoldenItem]:
    """The items of the golden cases asked for. One that cannot be used is an item that fails, and hides no other."""
    items = []
    for request in requests:
        cases: list[Case] = []
        damage: list[GoldenItem] = []
        try:
            files = find_files(request.files.pattern, request.files.base)
        except TFServingError as error:
            items.append(GoldenItem(request.files.pattern, None, str(error)))
            continue
        for file in files:
            try:
                found = read_cases(file)
            except DamagedGoldenError as error:
                found = error.cases
                damage.append(GoldenItem(f"{file.stem}-damaged", None, str(error)))
            except TFServingError as error:
                found = []
                damage.append(GoldenItem(file.stem, None, str(error)))
            if not request.together:
                items += [item for case in found for item in items_of(case, transports, request)]
                items += damage
                damage.clear()
            cases += found
        if request.together:
            items += [*_set_items(request, cases, transports), *damage]
    return items


def items_of(case: Case, transports: Sequence[str], request: GoldenRequest) -> list[GoldenItem]:
    """The items of one case: one for each transport that can carry it."""
    return [
        GoldenItem(
            f"{case.id}{_suffix(request.against)}-{transport}",
            GoldenCheck(case, transport, request.tolerance, against=request.against),
        )
        for transport in _transports_of(case, transports)
    ]


def inline_items_of(case: Case, transports: Sequence[str]) -> list[GoldenItem]:
    """The items of a case that stands in a contract file."""
    return [
        GoldenItem(f"{case.id}-{transport}", GoldenCheck(case, transport, Tolerance(), inline=True))
        for transport in _transports_of(case, transports)
    ]


def _set_items(request: GoldenRequest, cases: Sequence[Case], transports: Sequence[str]) -> Iterator[GoldenItem]:
    name = PurePath(request.files.pattern).stem
    for transport in transports:
        fitting = tuple(case for case in cases if case.transport in (None, transport))
        if fitting:
            yield GoldenItem(
                f"{name}-together{_suffix(request.against)}-{transport}",
                GoldenSetCheck(
                    request.files.pattern, fitting, transport, request.tolerance, request.overall, request.against
                ),
            )


def _transports_of(case: Case, transports: Sequence[str]) -> list[str]:
    return [transport for transport in transports if case.transport in (None, transport)]


def _suffix(against: Baseline | None) -> str:
    """The same goldens may be compared with a baseline beside being compared as recorded."""
    return "" if against is None else "-against"
