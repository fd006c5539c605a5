"""Pulls, from a real registry on this machine (Debian's docker-registry)"""

import io
import os
import shutil
import socket
import subprocess
import tarfile

import pytest

from pytest_tfserving.backends.docker_engine import connect
from tests.conftest import EXAMPLES, wait_until

TEST = f"""
import pytest
@pytest.mark.tfserving({str(EXAMPLES / "half_plus_two" / "exports" / "half_plus_two")!r})
def test_model(tfserving): ...
"""


@pytest.fixture(scope="module")
def registry(image, tmp_path_factory):
    """The address of a registry; the engine must be this machine's to reach it."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("no docker-registry to pull from: apt-get install docker-registry")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    directory = tmp_path_factory.mktemp("registry")
    config = directory / "config.yml"
    config.write_text(
        f"version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {directory}/data\nhttp:\n  addr: {address}\n"
    )
    with (directory / "log").open("w") as log:
        process = subprocess.Popen([program, "serve", str(config)], stdout=log, stderr=log)
    host, _, port = address.partition(":")

    def answers():
        with socket.socket() as probe:
            return probe.connect_ex((host, int(port))) == 0

    try:
        assert wait_until(answers, 20)
        yield address
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def remote_image(registry):
    """The name of an image that is in the registry and not on the engine. It holds noise, and no server."""
    engine = connect().client
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        noise = os.urandom(4_000_000)
        info = tarfile.TarInfo("noise")
        info.size = len(noise)
        tar.addfile(info, io.BytesIO(noise))
    name = f"{registry}/noise"
    engine.api.import_image_from_data(data.getvalue(), repository=name, tag="1")
    pushed = engine.images.push(name, tag="1")
    assert "error" not in pushed, pushed
    engine.images.remove(f"{name}:1")
    yield f"{name}:1"
    engine.images.remove(f"{name}:1", force=True)


def test_a_missing_image_is_pulled_in_sight_of_who_waits(pytester, remote_image):
    pytester.makepyfile(TEST)
    result = pytester.runpytest_subprocess("--tfserving-backend=docker", f"--tfserving-image={remote_image}")
    result.assert_outcomes(errors=1)
    result.stderr.fnmatch_lines(
        [f"tfserving: image {remote_image} is not on this engine; pulling it", f"tfserving: pulled {remote_image}"]
    )
    result.stdout.fnmatch_lines([f"StartupError: container of {remote_image} cannot be started: *"])


def test_a_tag_that_the_registry_lacks_is_explained(pytester, registry):
    pytester.makepyfile(TEST)
    result = pytester.runpytest_subprocess("--tfserving-backend=docker", f"--tfserving-image={registry}/noise:none")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"BackendError: there is no image {registry}/noise:none to pull. Check the name*"])


def test_a_registry_that_does_not_answer_is_explained(pytester, image):
    pytester.makepyfile(TEST)
    result = pytester.runpytest_subprocess("--tfserving-backend=docker", "--tfserving-image=127.0.0.1:9/a:1")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["BackendError: 127.0.0.1:9/a:1 cannot be pulled: the registry does not answer (*connection refused*embedded"]
    )


def test_auto_never_pulls(pytester, registry, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    pytester.makepyfile(TEST)
    result = pytester.runpytest_subprocess(f"--tfserving-image={registry}/noise:1")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([f"tfserving: embedded (*docker: image {registry}/noise:1 is not there; *"])
