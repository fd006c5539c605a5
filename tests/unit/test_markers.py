"""Markers' arguments that cannot be meant; what the others come to is in tests/plugin."""

from pathlib import Path

import pytest

from pytest_tfserving.errors import SpecError
from pytest_tfserving.markers import checks_of, golden_request, serve_request

MARK = pytest.mark


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        (MARK.tfserving_compatible(), "tfserving_compatible: baseline is missing"),
        (MARK.tfserving_compatible(5), "tfserving_compatible: baseline=5; a path was expected"),
        (MARK.tfserving_compatible("a", severities="x"), "tfserving_compatible: severities: 'x' is no table of rules"),
        (MARK.tfserving_compatible("a", accepted=5), "tfserving_compatible: accepted: 5 is no list of accepted findings"),
        (MARK.tfserving_lint("worst"), "tfserving_lint: fail_on: 'worst' is no level; levels are breaking, risky, safe"),
        (MARK.tfserving_lint(failon="safe"), "tfserving_lint: unknown keyword 'failon'; did you mean fail_on=?"),
        (MARK.tfserving_lint(1, 2, 3, 4), "tfserving_lint takes at most 3 arguments"),
        (MARK.tfserving_lint("safe", fail_on="safe"), "tfserving_lint: fail_on is given twice"),
        (MARK.tfserving_generated(examples=0), "tfserving_generated: examples=0; at least 1 was expected"),
        (MARK.tfserving_generated(examples=True), "tfserving_generated: examples=True; a number of requests was expected"),
        (MARK.tfserving_generated(invalid="no"), "tfserving_generated: invalid='no'; a tuple of text was expected"),
        (MARK.tfserving_generated(invalid=["ranks"]), "tfserving_generated: invalid='ranks'; kinds are missing, extra"),
        (MARK.tfserving_generated(5), "tfserving_generated: signature=5; a signature's name was expected"),
        (MARK.tfserving_latency(), "tfserving_latency: nothing to keep: give p50, p90, p99, max, throughput, or against"),
        (MARK.tfserving_latency("5"), "tfserving_latency: p50='5'; a duration was expected"),
        (MARK.tfserving_latency(p50=5), "tfserving_latency: p50=5; a duration was expected"),
        (MARK.tfserving_latency(p50="1s", transport="http"), "tfserving_latency: transport='http'; rest or grpc was expected"),
        (MARK.tfserving_latency(p50="1s", signature=5), "tfserving_latency: signature=5; a signature's name was expected"),
        (MARK.tfserving_latency(p50="1s", request=5), "tfserving_latency: request=5; a path or a list of paths was expected"),
        (MARK.tfserving_latency(against="a"), "tfserving_latency: against and at_most belong together; give at_most"),
        (MARK.tfserving_latency(against=1.5, at_most=2), "tfserving_latency: against=1.5; an export, or a version's number"),
        (MARK.tfserving_latency(p95="1s"), "tfserving_latency: unknown keyword 'p95'; did you mean p99=?"),
        (MARK.tfserving_properties(), "tfserving_properties: which requests? Give requests='goldens/...'"),
        (MARK.tfserving_properties(requests=5), "tfserving_properties: requests=5; a path or a list of paths was expected"),
        (MARK.tfserving_properties(requests=["a", 5]), "tfserving_properties: requests=['a', 5]; a path or a list of"),
        (MARK.tfserving_properties(requests="a", rtol=-1), "tfserving_properties: rtol=-1; a number that is not negative"),
        (MARK.tfserving_properties(requests="a", atol=float("nan")), "tfserving_properties: atol=nan; a number that is"),
        (MARK.tfserving_properties(requests="a", equal_nan="yes"), "tfserving_properties: equal_nan='yes'; True or False"),
        (MARK.tfserving_properties(requests="a", same="alone"), "tfserving_properties: same: a list expected, as in"),
        (MARK.tfserving_signature(), "tfserving_signature: nothing to check: give inputs=, outputs= or method="),
        (MARK.tfserving_signature(method="x"), "tfserving_signature: method='x'; predict, classify, regress was expected"),
        (MARK.tfserving_signature(inputs={"x": 5}), "tfserving_signature: inputs['x']: 5 is no tensor spec"),
    ],
)  # fmt: skip
def test_a_check_that_cannot_be_meant(marker, message):
    with pytest.raises(SpecError) as caught:
        checks_of([marker.mark], Path())
    assert str(caught.value).startswith(message)


def test_a_golden_that_cannot_be_meant():
    with pytest.raises(SpecError, match=r"^tfserving_golden: equal_nan=1; True or False was expected"):
        golden_request(pytest.mark.tfserving_golden("a", equal_nan=1).mark, Path())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"version": "3"}, "version='3'; a number, such as version=3 was expected"),
        ({"labels": ["stable"]}, "labels=['stable']; a mapping, such as {'stable': 1} was expected"),
        ({"labels": {"stable": [1]}}, "labels={'stable': [1]}; versions' numbers by label were expected"),
        ({"labels": {"a": 1, 2: 2}}, "labels={'a': 1, 2: 2}; versions' numbers by label were expected"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_model_that_cannot_be_meant(given, message):
    with pytest.raises(SpecError) as caught:
        serve_request(pytest.mark.tfserving("a", **given).mark, Path())
    assert str(caught.value) == f"tfserving: {message}"
