"""Asserts what an export promises and holds; only a remote server is asked for anything."""

from __future__ import annotations

from pytest_tfserving.assertions.subject import Subject
from pytest_tfserving.compatibility import find_changes
from pytest_tfserving.contracts.baseline import read_promised
from pytest_tfserving.contracts.checks import CompatibleCheck, LintCheck
from pytest_tfserving.findings import Verdict
from pytest_tfserving.report.findings import compatibility_failure, lint_failure


def check_compatible(subject: Subject, check: CompatibleCheck) -> str | None:
    """Compares what clients of the baseline rely on with what the model promises now."""
    promised = read_promised(check.baseline, subject.request.tags)
    verdict = check.policy.judge(find_changes(promised, subject.schema))
    subject.note(f"compatible {check.baseline}", held=verdict.holds)
    _warn(subject, verdict)
    where = {"baseline": str(check.baseline), "model": subject.place}
    return None if verdict.holds else compatibility_failure(verdict, subject.name, where)


def check_lint(subject: Subject, check: LintCheck) -> str | None:
    """Looks through the export's files for what will hurt when it is served."""
    from pytest_tfserving.inspection import inspect
    from pytest_tfserving.lint import find_problems

    directory = subject.directory
    verdict = check.policy.judge(find_problems(inspect(directory, subject.request.tags)))
    subject.note("lint", held=verdict.holds)
    _warn(subject, verdict)
    return None if verdict.holds else lint_failure(verdict, subject.name, {"export": str(directory)})


def _warn(subject: Subject, verdict: Verdict) -> None:
    """Notes what does not fail and should be read: risky findings, and acceptances of what is no longer there."""
    failing = set(verdict.failing)
    for finding in verdict.findings:
        if finding.level == "risky" and finding.accepted is None and finding not in failing:
            place = f"{subject.name}.{finding.where}" if finding.where else subject.name
            subject.notes.append(f"{finding.rule.id} at {place}: {finding.sentence}")
    for acceptance in verdict.unused:
        of = [part for part in (acceptance.signature, acceptance.tensor) if part]
        what = f"{acceptance.rule} of {'.'.join(of)}" if of else acceptance.rule
        subject.notes.append(f"{what} is accepted and no longer found; remove it ({acceptance.reason})")
