"""What a failed pull means, and what to do: the engine's words -> ours"""

import pytest

from pytest_tfserving.backends.docker_image import explain


@pytest.mark.parametrize(
    ("engine_says", "expected"),
    [
        (
            "no matching manifest for linux/arm64/v8 in the manifest list entries",
            ["has no build for", "docker/README.md", "--tfserving-image", "--tfserving-backend embedded"],
        ),
        (
            "toomanyrequests: You have reached your pull rate limit.",
            ["rate limit is used up", "docker login", "--tfserving-backend embedded"],
        ),
        (
            "pull access denied for no/such, repository does not exist or may require 'docker login'",
            ["no image some/image:1 to pull", "--tfserving-image", "docker login", "docker build"],
        ),
        ("invalid reference format: repository name must be lowercase", ["no name of an image", "lowercase"]),
        ("manifest for some/image:1 not found: manifest unknown", ["no image some/image:1 to pull"]),
        (
            "Get https://registry/v2/: dial tcp: lookup registry: no such host",
            ["the registry does not answer", "no such host", "docker load", "--tfserving-backend embedded"],
        ),
    ],
    ids=["another CPU", "rate limit", "private or none", "no name", "no tag", "offline"],
)
def test_a_failed_pull_says_what_to_do(engine_says, expected):
    text = explain("some/image:1", engine_says)
    assert [part for part in expected if part not in text] == []
