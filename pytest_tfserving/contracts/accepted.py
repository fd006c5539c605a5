"""Policies as people write them: from which level findings fail, levels of single rules, accepted findings.

    fail_on = "risky"
    severities = {input-added-with-default = "safe", output-added = "off"}
    accepted = [{rule = "output-renamed", signature = "serving_default", tensor = "y", reason = "gRPC clients moved"}]

`accepted` may also be a path to a TOML file with [[accepted]] tables of the same keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pytest_tfserving.errors import SpecError
from pytest_tfserving.findings import Acceptance, Policy
from pytest_tfserving.rules.rule import LEVELS, Level
from pytest_tfserving.rules.table import RULES, unknown_rule
from pytest_tfserving.suggestion import did_you_mean
from pytest_tfserving.toml import load

__tracebackhide__ = True  # a failing test's report ends at the test's own line

_KEYS = ("fail_on", "severities", "accepted")
_ACCEPTANCE_KEYS = ("rule", "signature", "tensor", "reason")
_EXAMPLE = '{rule = "output-renamed", tensor = "y", reason = "..."}'


def read_policy(table: Mapping[str, object], where: str, base: Path) -> Policy:
    """The policy that a table of the keys fail_on, severities and accepted asks for; a missing key has its default.

    `where` is how messages name the table; a path in `accepted` that is relative starts at the directory `base`.
    Raises SpecError for an unknown key, level or rule, for an acceptance without a reason, for a file that cannot be
    read.
    """
    for key in table:
        if key not in _KEYS:
            raise SpecError(f"{where}: unknown key {key!r}{_meant(key, _KEYS)}")
    accepted = table.get("accepted", ())
    if isinstance(accepted, str | Path):
        acceptances = read_accepted(base / accepted)
    else:
        acceptances = _acceptances(accepted, f"{where}: accepted")
    return Policy(
        read_level(table.get("fail_on", Policy.fail_on), f"{where}: fail_on"),
        _severities(table.get("severities", {}), f"{where}: severities"),
        acceptances,
    )


def read_accepted(file: Path) -> tuple[Acceptance, ...]:
    """The accepted findings of a TOML file with [[accepted]] tables. Raises SpecError with the file and the line."""
    document = load(file)
    for key in document.values:
        if key != "accepted":
            raise SpecError(
                f"{document.where([key])}: unknown key {key!r}{_meant(key, ['accepted'])}; a file of accepted "
                f"findings has [[accepted]] tables"
            )
    entries = document.values.get("accepted", [])
    if not isinstance(entries, list):
        raise SpecError(f"{document.where(['accepted'])}: [accepted] is one table; write [[accepted]] for each finding")
    return tuple(_acceptance(entry, document.where(["accepted", i])) for i, entry in enumerate(entries))


def read_level(value: object, where: str) -> Level:
    """A level by its name. Raises SpecError for another."""
    for level in LEVELS:
        if level == value:
            return level
    raise SpecError(f"{where}: {value!r} is no level; levels are {', '.join(LEVELS)}{_meant(value, LEVELS)}")


def read_severity(rule: object, value: object, where: str) -> Level | Literal["off"]:
    """A level that is set for a rule, or `off`. Raises SpecError for another, and for a rule that is not there."""
    if not isinstance(rule, str) or rule not in RULES:
        raise SpecError(f"{where}: {unknown_rule(str(rule))}")
    return "off" if value == "off" else read_level(value, f"{where}: {rule} (a level, or 'off')")


def _severities(value: object, where: str) -> dict[str, Level | Literal["off"]]:
    if not isinstance(value, Mapping):
        raise SpecError(f'{where}: {value!r} is no table of rules and levels, such as {{output-added = "off"}}')
    return {rule: read_severity(rule, level, where) for rule, level in value.items()}


def _acceptances(value: object, where: str) -> tuple[Acceptance, ...]:
    if not isinstance(value, list | tuple):
        raise SpecError(f"{where}: {value!r} is no list of accepted findings, such as [{_EXAMPLE}], and no file's path")
    return tuple(_acceptance(entry, f"{where}[{index}]") for index, entry in enumerate(value))


def _acceptance(entry: object, where: str) -> Acceptance:
    if isinstance(entry, Acceptance):
        return entry
    if not isinstance(entry, Mapping):
        raise SpecError(f"{where}: {entry!r} is no accepted finding, such as {_EXAMPLE}")
    for key, value in entry.items():
        if key not in _ACCEPTANCE_KEYS:
            raise SpecError(f"{where}: unknown key {key!r}{_meant(key, _ACCEPTANCE_KEYS)}")
        if not isinstance(value, str):
            raise SpecError(f"{where}: {key} is text, not {value!r}")
    if "rule" not in entry:
        raise SpecError(f"{where}: which rule? an accepted finding is {_EXAMPLE}")
    if entry["rule"] not in RULES:
        raise SpecError(f"{where}: {unknown_rule(entry['rule'])}")
    if not entry.get("reason", "").strip():
        raise SpecError(f'{where}: why is {entry["rule"]} accepted? write reason = "..." for who reads this next year')
    return Acceptance(entry["rule"], entry["reason"].strip(), entry.get("signature"), entry.get("tensor"))


def _meant(value: object, known: tuple[str, ...] | list[str]) -> str:
    return did_you_mean(str(value), known, repr)
