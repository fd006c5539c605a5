"""What is asked of one output's values, where one tolerance for all outputs does not serve.

A marker writes `outputs={"scores": {"cosine": 0.999}}`, a contract `[goldens] outputs.scores = { cosine = 0.999 }`.
comparators/ has what each key means of arrays; nothing here needs numpy, so that collecting tests costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pytest_tfserving.errors import SpecError
from pytest_tfserving.suggestion import did_you_mean


@dataclass(frozen=True)
class OutputRule:
    """What must hold of one output; of several keys, all. With none of them the values are compared as elsewhere.

    `exact`, `ulps`, `rtol` and `atol` are of each value; `cosine`, `argmax`, `top_k` and `unordered` of each row along
    the last axis; `psnr`, in dB below `peak`, of each entry along the first; `mean_absolute` and `custom` of the whole.
    Beside `argmax` and `top_k`, `rtol` and `atol` say which scores are a tie. `base` is the directory from which
    `custom` is looked for. `differing` is the share of values, rows or entries that may be wrong all the same.
    """

    exact: bool = False
    ulps: int | None = None
    cosine: float | None = None
    psnr: float | None = None
    peak: float | None = None
    argmax: bool = False
    top_k: int | None = None
    unordered: bool = False
    custom: str | None = None
    base: str = ""
    mean_absolute: float | None = None
    rtol: float | None = None
    atol: float | None = None
    equal_nan: bool | None = None
    differing: float = 0.0

    @property
    def limits_values(self) -> bool:
        """Whether rtol or atol limit each value; beside classes they are of ties."""
        return not self.names_classes and (self.rtol is not None or self.atol is not None)

    @property
    def compares_values(self) -> bool:
        """Whether each value is compared within rtol and atol: where they are given, or nothing else counts values."""
        counting = self.exact or self.unordered or self.names_classes
        counting = counting or any(given is not None for given in (self.ulps, self.cosine, self.psnr))
        whole = self.custom is not None or self.mean_absolute is not None
        return self.limits_values or not (counting or (whole and not self.differing))

    @property
    def names_classes(self) -> bool:
        """Whether the rule is about which classes score best."""
        return self.argmax or self.top_k is not None


def read_output_rules(where: str, given: object, base: Path) -> dict[str, OutputRule]:
    """The rules by output of a marker or a contract. Raises SpecError that begins with `where`."""
    if not isinstance(given, Mapping):
        raise SpecError(f"{where}: outputs={given!r}; rules by output expected, such as {_EXAMPLE}")
    return {str(name): read_output_rule(f"{where}: outputs[{name!r}]", rule, base) for name, rule in given.items()}


def read_overall_rules(where: str, given: object, base: Path) -> dict[str, OutputRule]:
    """The rules by output of a whole set of cases. Raises SpecError that begins with `where`."""
    if not isinstance(given, Mapping):
        raise SpecError(f"{where}: overall={given!r}; rules by output expected, such as {_EXAMPLE_OVERALL}")
    return {str(name): read_overall_rule(f"{where}: overall[{name!r}]", rule, base) for name, rule in given.items()}


def read_overall_rule(where: str, given: object, base: Path) -> OutputRule:
    """What is asked of one output of all cases together. Raises SpecError that begins with `where`."""
    rule = read_output_rule(where, given, base)
    if rule.custom is not None:
        raise SpecError(f"{where}: custom is of one answer; give it in outputs")
    return rule


def read_output_rule(where: str, given: object, base: Path) -> OutputRule:
    """One output's rule. Raises SpecError that begins with `where`."""
    if not isinstance(given, Mapping) or not given:
        raise SpecError(f"{where} is {given!r}; a mapping of {', '.join(KEYS)} expected, such as {_EXAMPLE}")
    for key, value in given.items():
        if key not in _TAKES:
            meant = did_you_mean(str(key), KEYS, repr)
            raise SpecError(f"{where}: unknown key {key!r}{meant} (known: {', '.join(KEYS)})")
        expected, takes = _TAKES[key]
        if not takes(value):
            raise SpecError(f"{where}: {key} is {value!r}; {expected} expected")
    rule = OutputRule(**given, base=str(base) if given.get("custom") else "")
    _check_together(where, rule)
    return rule


def _check_together(where: str, rule: OutputRule) -> None:
    of_values = {"exact": rule.exact, "ulps": rule.ulps is not None, "rtol and atol": rule.limits_values}
    named = [name for name, given in of_values.items() if given]
    if len(named) > 1:
        raise SpecError(f"{where}: {' and '.join(named)} exclude each other; each limits every value; give one")
    if rule.peak is not None and rule.psnr is None:
        raise SpecError(f"{where}: peak belongs to psnr, such as 'psnr': 40, 'peak': 255")


def _number(least: float, most: float = float("inf"), *, beyond: bool = False) -> Callable[[object], bool]:
    def takes(value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return (least < value if beyond else least <= value) and value <= most

    return takes


def _whole(least: int) -> Callable[[object], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= least


def _flag(value: object) -> bool:
    return isinstance(value, bool)


FUNCTION_FORM = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$"


def _function(value: object) -> bool:
    return isinstance(value, str) and re.match(FUNCTION_FORM, value) is not None


_TAKES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "exact": ("True or False", _flag),
    "ulps": ("a whole number that is not negative", _whole(0)),
    "cosine": ("a number from -1 to 1", _number(-1, 1)),
    "psnr": ("a number of dB", _number(float("-inf"))),
    "peak": ("a number above 0", _number(0, beyond=True)),
    "argmax": ("True or False", _flag),
    "top_k": ("a whole number from 1 on", _whole(1)),
    "unordered": ("True or False", _flag),
    "custom": ("the name of a function, such as 'comparisons:same_boxes',", _function),
    "mean_absolute": ("a number that is not negative", _number(0)),
    "rtol": ("a number that is not negative", _number(0)),
    "atol": ("a number that is not negative", _number(0)),
    "equal_nan": ("True or False", _flag),
    "differing": ("a share from 0 to 1", _number(0, 1)),
}
KEYS = tuple(_TAKES)
_EXAMPLE = "{'scores': {'cosine': 0.999}}"
_EXAMPLE_OVERALL = "{'label': {'argmax': True, 'differing': 0.005}}"

assert {field.name for field in fields(OutputRule)} == {*KEYS, "base"}
