"""Findings of rules as values, and the policy that judges them: levels that were set, findings that were accepted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from pytest_tfserving.rules.rule import LEVELS, Level, Rule

Side = Literal["input", "output"]


@dataclass(frozen=True)
class Finding:
    """One thing that a rule found.

    `signature`, `side` and `tensor` say where: all None for what concerns the whole model. `old` and `new` are what
    stood there before and stands there now, where two models are compared (a spec, a name, a method). `sentence` is
    for the person whose client breaks: what happens to it, and what to do. `level` is the rule's own until a policy
    sets another; `accepted` is the reason for which it was accepted.
    """

    rule: Rule
    sentence: str
    signature: str | None = None
    side: Side | None = None
    tensor: str | None = None
    old: str | None = None
    new: str | None = None
    level: Level = "safe"
    accepted: str | None = None

    @classmethod
    def of(cls, rule: Rule, sentence: str, **place: str | None) -> Finding:
        """A finding at its rule's own level."""
        return cls(rule, sentence, level=rule.level, **place)  # type: ignore[arg-type]  # keywords are the fields

    @property
    def direction(self) -> str | None:
        """What breaks: the `request` that a client sends, the `response` that it gets, None where it is both."""
        return {"input": "request", "output": "response", None: None}[self.side]

    @property
    def where(self) -> str:
        """`serving_default.inputs.x`, `serving_default`, or nothing for the whole model."""
        place = [self.signature, f"{self.side}s" if self.side else None, self.tensor]
        return ".".join(part for part in place if part)


@dataclass(frozen=True)
class Acceptance:
    """Findings that are accepted for a reason: those of a rule, of one signature or tensor where these are given."""

    rule: str
    reason: str
    signature: str | None = None
    tensor: str | None = None

    def covers(self, finding: Finding) -> bool:
        """Whether it is meant for the finding."""
        return (
            self.rule == finding.rule.id
            and self.signature in (None, finding.signature)
            and self.tensor in (None, finding.tensor)
        )


@dataclass(frozen=True)
class Policy:
    """How findings are judged: the level from which they fail, levels of single rules (`off`: not looked at)."""

    fail_on: Level = "breaking"
    severities: Mapping[str, Level | Literal["off"]] = field(default_factory=dict)
    accepted: tuple[Acceptance, ...] = ()

    def judge(self, findings: Iterable[Finding]) -> Verdict:
        """The findings at their levels, those that matter most first."""
        judged = []
        used: set[Acceptance] = set()
        for finding in findings:
            level = self.severities.get(finding.rule.id, finding.level)
            if level == "off":
                continue
            covering = [acceptance for acceptance in self.accepted if acceptance.covers(finding)]
            used.update(covering)
            judged.append(replace(finding, level=level, accepted=covering[0].reason if covering else None))
        judged.sort(key=lambda finding: LEVELS.index(finding.level))
        unused = tuple(acceptance for acceptance in self.accepted if acceptance not in used)
        return Verdict(tuple(judged), self.fail_on, unused)


@dataclass(frozen=True)
class Verdict:
    """Judged findings. `unused` are acceptances that no finding needed: what they were for is gone."""

    findings: tuple[Finding, ...]
    fail_on: Level
    unused: tuple[Acceptance, ...] = ()

    def fails(self, finding: Finding) -> bool:
        """Whether a finding of this verdict fails a check: not accepted, and at or above the level."""
        return finding.accepted is None and LEVELS.index(finding.level) <= LEVELS.index(self.fail_on)

    @property
    def failing(self) -> tuple[Finding, ...]:
        """The findings that fail a check."""
        return tuple(finding for finding in self.findings if self.fails(finding))

    @property
    def holds(self) -> bool:
        """Whether nothing fails."""
        return not self.failing
