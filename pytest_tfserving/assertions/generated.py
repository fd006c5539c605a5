"""Asserts that generated requests are answered as promised, and invalid ones refused."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_tfserving.assertions.properties import find_broken
from pytest_tfserving.assertions.subject import Subject
from pytest_tfserving.assertions.ways import ask_over, ways_of, why_unaskable
from pytest_tfserving.contracts import generated
from pytest_tfserving.contracts.check import find_size_conflicts
from pytest_tfserving.contracts.checks import GeneratedCheck
from pytest_tfserving.contracts.promises import check_promises
from pytest_tfserving.report.generated import generated_failure, refusals_failure
from pytest_tfserving.report.promises import broken_lines
from pytest_tfserving.tensors import Array

# Enough for the usual mistakes, and over before anybody waits.
_USUAL_EXAMPLES = 25


def check_generated(subject: Subject, check: GeneratedCheck) -> str | None:
    """Sends requests that hypothesis makes up from the signature, over every transport of the run."""
    promises, settings, served = check.promises, subject.session.settings, subject.served
    signature, expected = subject.signature(promises.signature), subject.expected(promises.signature)
    check_promises(promises, signature.inputs, signature.outputs, f"properties of {signature.name}")
    asks = {transport: ask_over(served, transport, signature.name) for transport in settings.transports}
    ways = ways_of(subject, promises, subject.transport)
    unaskable = why_unaskable(promises, ways)
    if unaskable:
        subject.note(f"generated {signature.name}", held=False)
        return unaskable

    def judge(inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> list[str]:
        conflicts = find_size_conflicts(expected, inputs, outputs) if expected else []
        ask = asks[subject.transport]
        broken = find_broken(promises, signature, expected, inputs, outputs, ask, ways, check.tolerance)
        return conflicts + broken_lines(broken, inputs)

    examples = check.examples or _USUAL_EXAMPLES
    if settings.max_examples is not None:
        examples = min(examples, settings.max_examples)
    failures = []
    broken = generated.check_generated(
        signature, expected, promises, asks, judge, examples=examples, seed=settings.seed
    )
    if broken:
        failures.append(generated_failure(broken, subject.name, subject.node_id))
    if check.invalid and not (broken and broken.is_final):
        senders = [served.client(transport) for transport in settings.transports]
        harmed = generated.check_refusals(
            signature,
            expected,
            promises,
            senders,
            examples=examples,
            seed=settings.seed,
            kinds=check.invalid,
            tolerance=check.tolerance,
        )
        if harmed:
            failures.append(refusals_failure(harmed, subject.name, subject.node_id))
    subject.note(f"generated {signature.name}", held=not failures)
    return "\n\n".join(failures) or None
