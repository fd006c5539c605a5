"""The example models' own tests, on every backend: what passes here must pass there"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence

import pytest

from tests.conftest import EXAMPLES, ROOT, wait_until

# A remote server has one set of tags; custom_tag's is another than everybody else's.
ALL = ("custom_tag", "half_plus_two", "image_bytes", "keras_export", "mnist", "text_cnn")
TAGGED_SERVE = tuple(name for name in ALL if name != "custom_tag")


def run_examples(names: Sequence[str], *arguments: str) -> str:
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            *arguments,
            *(str(EXAMPLES / name) for name in names),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert " skipped" not in run.stdout
    return run.stdout


@pytest.fixture(scope="module")
def passed_on_embedded() -> str:
    """The summary of the run on the embedded server: what was checked of each model."""
    return checked(run_examples(ALL, "--tfserving-backend=embedded"))


def checked(output: str) -> str:
    """The lines of the summary that say what was checked; what was measured is another each time."""
    return "\n".join(line for line in output.splitlines() if line.startswith(tuple(f"  {name}: " for name in ALL)))


def test_embedded(passed_on_embedded):
    assert all(f"  {name}: " in passed_on_embedded for name in ALL)


def test_docker(passed_on_embedded, image):
    output = run_examples(ALL, "--tfserving-backend=docker", f"--tfserving-image={image}")
    assert f"served by docker {image}" in output
    assert checked(output) == passed_on_embedded


def test_binary(passed_on_embedded, binary):
    output = run_examples(ALL, "--tfserving-backend=binary", f"--tfserving-binary={binary}")
    assert f"served by binary {binary}" in output
    assert checked(output) == passed_on_embedded


def test_remote(passed_on_embedded, tmp_path):
    config = tmp_path / "models.config"
    blocks = (
        f'config {{ name: "{name}" base_path: "{EXAMPLES / name / "exports" / name}" model_platform: "tensorflow" }}'
        for name in TAGGED_SERVE
    )
    config.write_text("model_config_list { " + " ".join(blocks) + " }")
    ports = tmp_path / "ports.json"
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            [
                sys.executable, "-m", "pytest_tfserving.server", "--port=0", "--rest_api_port=0",
                f"--ports_file={ports}", f"--model_config_file={config}",
            ],
            stderr=log,
        )  # fmt: skip
    try:
        assert wait_until(ports.exists, 30)
        chosen = json.loads(ports.read_text())
        output = run_examples(
            TAGGED_SERVE,
            f"--tfserving-rest-url=http://127.0.0.1:{chosen['rest_port']}",
            f"--tfserving-grpc-target=127.0.0.1:{chosen['grpc_port']}",
        )
        assert "served by remote" in output  # auto takes it, since it was addressed
        expected = [line for line in passed_on_embedded.splitlines() if "custom_tag" not in line]
        assert checked(output).splitlines() == expected
        assert server.poll() is None, "a remote server is never stopped"
    finally:
        server.terminate()
        server.wait(10)


def test_a_remote_server_may_serve_another_version_than_the_export_here(tmp_path):
    export = tmp_path / "exports" / "half_plus_two"
    shutil.copytree(EXAMPLES / "half_plus_two" / "exports" / "half_plus_two" / "1", export)  # without a number: 1
    served = tmp_path / "served" / "half_plus_two"
    shutil.copytree(export, served / "7")
    ports = tmp_path / "ports.json"
    (tmp_path / "test_model.py").write_text(
        "import pytest\npytestmark = pytest.mark.tfserving('exports/half_plus_two')\n"
        "@pytest.mark.tfserving_signature(inputs={'x': 'float32[?]'}, outputs={'y': 'float32[?]'})\n"
        "def test_good(tfserving):\n    assert tfserving.version == 7\n"
        "@pytest.mark.tfserving_signature(inputs={'x': 'int32[?]'})\n"
        "def test_bad(): ...\n"
    )
    command = [
        sys.executable,
        "-m",
        "pytest_tfserving.server",
        "--port=0",
        "--rest_api_port=0",
        f"--ports_file={ports}",
    ]
    command += ["--model_name=half_plus_two", f"--model_base_path={served}"]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(command, stderr=log)
    try:
        assert wait_until(ports.exists, 30)
        url = f"--tfserving-rest-url=127.0.0.1:{json.loads(ports.read_text())['rest_port']}"
        run = subprocess.run(
            [sys.executable, "-m", "pytest", url], cwd=tmp_path, capture_output=True, text=True, check=False
        )
    finally:
        server.terminate()
        server.wait(10)
    assert "1 failed, 1 passed" in run.stdout
    assert f"export: {export}" in run.stdout
    assert "server: http://127.0.0.1" in run.stdout
