"""When recording is refused because nobody would read it."""

import pytest

from pytest_tfserving.golden.in_ci import why_refused


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({}, None),
        ({"CI": ""}, None),
        ({"CI": "false"}, None),
        ({"CI": "0"}, None),
        ({"CI": "true"}, "CI=true"),
        ({"CI": "1"}, "CI=1"),
        ({"CI": "woodpecker"}, "CI=woodpecker"),
        ({"CI": "false", "BUILD_NUMBER": "0"}, None),
        ({"BUILD_NUMBER": "17"}, "BUILD_NUMBER=17"),
        ({"CI": "", "BUILD_NUMBER": "17"}, "BUILD_NUMBER=17"),
    ],
    ids=str,
)
def test_what_says_that_this_is_ci(environment, named):
    reason = why_refused("--tfserving-update", environment)
    assert reason == (
        named and f"--tfserving-update: this is CI ({named} is set), where nobody reads a golden before it is relied "
        f"on. Run it where you can read the diff and commit the files; if it is meant here, add "
        f"--tfserving-update-in-ci"
    )  # fmt: skip
