"""What a test says of itself in JUnit XML (--junitxml): the model, how it was asked, and what served it.

The schema of pytest's default family, xunit2, has no properties of a test case, and Jenkins' xUnit plugin refuses a
whole file for one; its test suites have them. So there the properties stand once, for all tests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pytest_tfserving.report.results import CheckResult


def properties_of_test(
    results: Sequence[CheckResult], models: Sequence[str], backend: str | None
) -> list[tuple[str, str]]:
    """The properties of one test. `models` are those that it was given beside those that were checked."""
    values: dict[str, Iterable[str | None]] = {
        "tfserving_model": [*(result.model for result in results), *models],
        "tfserving_check": [result.kind for result in results],
        "tfserving_transport": [result.transport for result in results],
        "tfserving_backend": [backend],
    }
    return [(name, ", ".join(known)) for name, given in values.items() if (known := _once(given))]


def properties_of_suite(models: Iterable[str], backends: Mapping[str, str]) -> list[tuple[str, str]]:
    """The properties of all tests together: the models, what served them, and the software behind that."""
    values = {
        "tfserving_model": sorted(models),
        "tfserving_backend": list(backends),
        "tfserving_software": list(backends.values()),
    }
    return [(name, ", ".join(known)) for name, given in values.items() if (known := _once(given))]


def _once(values: Iterable[str | None]) -> list[str]:
    return [value for value in dict.fromkeys(values) if value]
