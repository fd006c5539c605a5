"""`tfserving.strategies` in a test's body, and goldens that expect a refusal."""

from __future__ import annotations

import json

import pytest

BODY = """
from hypothesis import given, settings, strategies as st

def test_any_request(tfserving):
    @settings(deadline=None, database=None, max_examples=20)
    @given(tfserving.strategies.inputs())
    def check(inputs):
        half = inputs["x"] * np.float32(0.5) + np.float32(2)
        np.testing.assert_array_equal(tfserving.grpc.predict(inputs=inputs)["y"], half)

    check()

@settings(deadline=None, database=None, max_examples=20)
@given(data=st.data())
def test_drawn_in_the_body(tfserving_server, data):
    served = tfserving_server("exports/half_plus_two")
    inputs = data.draw(served.strategies.inputs("serving_default"))
    assert served.rest.predict(inputs=inputs)["y"].shape == inputs["x"].shape
"""


def test_a_tests_body_draws_requests(repository):
    repository.test_file(BODY)
    repository.run("-p", "no:cacheprovider").assert_outcomes(passed=2)


def test_without_hypothesis_it_is_said_how_to_get_it(repository):
    (repository.path / "conftest.py").write_text("import sys\nsys.modules['hypothesis'] = None\n")
    repository.test_file("def test_it(tfserving):\n    tfserving.strategies\n")
    result = repository.run("-p", "no:hypothesispytest")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*generated requests need hypothesis: pip install 'pytest-tfserving[[]hypothesis[]]'"])


GOLDENS = {
    "cases": {
        "another-name": {"inputs": {"z": [1.0]}, "expect_error": "INVALID_ARGUMENT"},
        "another-signature": {
            "inputs": {"x": [1.0]},
            "signature_name": "none",
            "expect_error": {"code": "FAILED_PRECONDITION", "text": "none"},
        },
    }
}
TEST = '@pytest.mark.tfserving_golden("goldens/refusals.json")\ndef test_goldens(): ...\n'


@pytest.mark.parametrize("flags", [[], ["--tfserving-update=all"]], ids=["checked", "updated"])
def test_a_golden_that_expects_a_refusal(repository, flags):
    text = json.dumps(GOLDENS)
    file = repository.golden("refusals", text)
    repository.test_file(TEST)
    repository.run(*flags).assert_outcomes(passed=4)  # over REST both codes are HTTP 400
    assert file.read_text() == text


def test_a_refusal_that_does_not_come(repository):
    answered = {"inputs": {"x": [1.0, 2.0]}, "expect_error": "INVALID_ARGUMENT"}
    otherwise = {"inputs": {}, "expect_error": {"code": "INVALID_ARGUMENT", "text": "no such text"}}
    repository.golden("refusals", {"cases": {"answered": answered, "otherwise": otherwise}})
    repository.test_file(TEST)
    result = repository.run("--tfserving-transport=grpc")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "golden *refusals.json [[]answered[]] expects half_plus_two to refuse with INVALID_ARGUMENT over grpc "
            "(signature 'serving_default')",
            "",
            "answered:",
            "  y  float32[[]2[]]  [[]2.5, 3.0[]]",
            "golden *refusals.json [[]otherwise[]] expects half_plus_two to refuse with INVALID_ARGUMENT with "
            "'no such text' over grpc *",
            "",
            "refused otherwise: INVALID_ARGUMENT over grpc *",
        ]
    )
