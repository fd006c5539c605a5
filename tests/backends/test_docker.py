"""Containers, on a real engine: TFSERVING_TEST_IMAGE names the image"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from docker.errors import APIError, NotFound

from pytest_tfserving.backends import docker as backend
from pytest_tfserving.backends import docker_engine
from pytest_tfserving.backends.base import ServableSpec, ServerSpec
from pytest_tfserving.backends.docker_container import LABEL, LEASE_LABEL, MACHINE_LABEL
from pytest_tfserving.backends.docker_engine import connect
from pytest_tfserving.backends.lock import hold
from pytest_tfserving.backends.machine import machine_id
from pytest_tfserving.errors import BackendError, ServerDiedError, StartupError
from pytest_tfserving.serve_request import ModelRequest, ServeRequest
from tests.conftest import EXAMPLES, MODELS, ROOT, processes_of, wait_until

HALF_PLUS_TWO = EXAMPLES / "half_plus_two" / "exports" / "half_plus_two"

WAITING = """
import pytest, time
@pytest.mark.tfserving({path!r})
def test_wait(tfserving):
    print("RUN", tfserving._server.directory, flush=True)
    time.sleep(120)
"""


@pytest.fixture(scope="module")
def engine(image):
    return connect().client


@pytest.fixture
def docker(image, serving_of):
    return serving_of(backend="docker", image=image)


@pytest.fixture
def container_of(engine):
    """The container of a served model."""

    def container_of(served):
        lease = str(served._server.directory / "lock")
        [container] = engine.containers.list(all=True, filters={"label": f"{LEASE_LABEL}={lease}"})
        return container

    return container_of


def serve(serving, path, **request):
    """The served model. A test that ends its server asks for an isolated one: others share these."""
    [served] = serving.serve(ServeRequest((ModelRequest(Path(path)),), **request)).values()
    return served


def ours(engine):
    """The containers of this machine's runs."""
    return engine.containers.list(all=True, filters={"label": f"{MACHINE_LABEL}={machine_id()}"}, ignore_removed=True)


def test_a_container_is_private_read_only_and_labelled(docker, container_of):
    served = serve(docker, HALF_PLUS_TWO)
    container = container_of(served)
    ports = container.attrs["NetworkSettings"]["Ports"]
    bound = {port: {binding["HostIp"] for binding in bindings or []} for port, bindings in ports.items()}
    assert bound == {"8500/tcp": {"127.0.0.1"}, "8501/tcp": {"127.0.0.1"}}
    assert all(mount["RW"] is False for mount in container.attrs["Mounts"])
    assert {m["Source"] for m in container.attrs["Mounts"]} >= {str(HALF_PLUS_TWO / "1")}
    assert container.labels[LABEL] == "server"
    assert "--max_num_load_retries=0" in container.attrs["Args"]
    assert "half_plus_two" in served.logs()
    assert served.provenance["image_id"].startswith("sha256:")


def test_an_unversioned_export_is_served_as_version_1(docker):
    served = serve(docker, MODELS / "unversioned")
    assert (served.name, served.version, served.rest.status()[0].version) == ("unversioned", 1, 1)


def test_a_container_whose_model_does_not_load_fails_at_once_with_its_log(docker, tmp_path):
    # A damaged asset passes the checks of the files and trips the runtime.
    export = shutil.copytree(EXAMPLES / "text_cnn" / "exports" / "text_cnn", tmp_path / "text_cnn")
    (export / "1" / "variables" / "variables.data-00000-of-00001").write_bytes(
        b"\xff" * (export / "1" / "variables" / "variables.data-00000-of-00001").stat().st_size
    )
    begin = time.monotonic()
    with pytest.raises((StartupError, ServerDiedError), match="server log") as failed:
        serve(docker, export)
    assert time.monotonic() - begin < 20
    assert "text_cnn" in str(failed.value)


def test_a_container_that_is_killed_fails_what_follows_with_its_log(docker, container_of):
    served = serve(docker, MODELS / "counter", isolated=True)
    container_of(served).kill()
    assert wait_until(lambda: (served._server.directory / "ended.json").exists(), 15)
    with pytest.raises(ServerDiedError, match=r"container exit status 137.*\nserver log"):
        serve(docker, MODELS / "counter", isolated=True)


def test_a_container_that_is_removed_is_said_to_be(docker, container_of):
    served = serve(docker, MODELS / "dtypes", isolated=True)
    container_of(served).remove(force=True)
    assert wait_until(lambda: (served._server.directory / "ended.json").exists(), 15)
    with pytest.raises(ServerDiedError, match="the container was removed"):
        serve(docker, MODELS / "dtypes", isolated=True)


def test_a_keeper_that_is_asked_to_end_takes_its_container_along(docker, container_of):
    served = serve(docker, MODELS / "multi_io", isolated=True)
    container = container_of(served)
    [keeper] = [p for p in processes_of(str(served._server.directory)) if "keeper" in " ".join(p.info["cmdline"])]
    keeper.terminate()
    keeper.wait(30)
    with pytest.raises(NotFound):
        container.reload()


@pytest.mark.parametrize("moment", range(6))
def test_a_start_that_is_given_up_leaves_no_container(engine, image, tmp_path, moment):
    # The moments are spread over the time from the first import to the model's being there.
    directory = tmp_path / "server"
    directory.mkdir()
    model = ServableSpec("m", ((1, str(HALF_PLUS_TWO / "1")),))
    (directory / "spec.json").write_text(ServerSpec("docker", image, (model,)).to_json())
    alive, held_open = os.pipe()
    keepers, its = os.pipe()
    descriptors = (alive, its, hold(directory / "lock"))
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest_tfserving.backends.keeper", tmp_path, directory, *map(str, descriptors)],
        pass_fds=descriptors,
    )
    for descriptor in descriptors:
        os.close(descriptor)

    def come_far_enough():
        return (directory / "models.config").exists() or process.poll() is not None

    assert wait_until(come_far_enough)
    time.sleep(0.06 * moment)
    os.close(held_open)
    assert os.read(keepers, 1) == b""  # the keeper is gone
    os.close(keepers)
    process.wait(30)
    lease = f"{LEASE_LABEL}={directory / 'lock'}"
    assert not engine.containers.list(all=True, filters={"label": lease}, ignore_removed=True)


def test_a_removal_is_asked_for_again_where_the_engine_did_not_answer(docker, container_of, tmp_path):
    served = serve(docker, MODELS / "keras_export", isolated=True)
    container = container_of(served)
    refused = iter([ConnectionRefusedError("restarting"), APIError("busy", response=None)])

    class Restarting:  # an engine that is there again a moment later; one that can be restarted is nobody's but ours
        def logs(self, **_):
            return ()

        def remove(self, **given):
            for error in refused:
                raise error
            container.remove(**given)

    backend.ContainerServer(Restarting(), tmp_path / "log").stop()
    with pytest.raises(NotFound):
        container.reload()


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGKILL], ids=lambda s: s.name)
def test_no_container_outlives_its_run(pytester, start_pytest, engine, image, kill):
    pytester.makepyfile(test_model=WAITING.format(path=str(HALF_PLUS_TWO)))
    process = start_pytest("-s", "--tfserving-backend=docker", f"--tfserving-image={image}")
    run = next(Path(line.split()[-1]).parent for line in process.stdout if "RUN" in line)
    mine = f"{LEASE_LABEL}"
    assert [c for c in ours(engine) if c.labels[mine].startswith(str(run))]
    os.kill(process.pid, kill)
    process.stdout.read()
    process.wait(30)
    assert wait_until(lambda: not [c for c in ours(engine) if c.labels[mine].startswith(str(run))], 20)


def test_leftovers_of_a_killed_keeper_are_removed_by_the_next_run_and_only_those(
    pytester, start_pytest, engine, image, docker, container_of
):
    alive = container_of(serve(docker, HALF_PLUS_TWO))
    elsewhere = engine.containers.create(
        image, labels={LABEL: "server", MACHINE_LABEL: "another-machine", LEASE_LABEL: "/gone"}
    )
    stranger = engine.containers.create(image)
    pytester.makepyfile(test_model=WAITING.format(path=str(HALF_PLUS_TWO)))
    process = start_pytest("-s", "--tfserving-backend=docker", f"--tfserving-image={image}")
    run = next(Path(line.split()[-1]).parent for line in process.stdout if "RUN" in line)
    [leftover] = [c for c in ours(engine) if c.labels[LEASE_LABEL].startswith(str(run))]
    for kept in processes_of(str(run)):
        kept.kill()
    process.kill()
    process.wait(30)
    try:
        assert backend.remove_leftovers(engine) == [leftover.name]
        left = {container.id for container in engine.containers.list(all=True, ignore_removed=True)}
        assert leftover.id not in left
        assert {alive.id, elsewhere.id, stranger.id} <= left
    finally:
        elsewhere.remove(force=True)
        stranger.remove(force=True)
        shutil.rmtree(run, ignore_errors=True)


def test_pytest_in_a_container_reaches_its_servers_and_copies_what_the_engine_cannot_see(engine, image):
    # The engine's socket is mounted, as CI systems do it; paths and the loopback interface are the container's own.
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    try:
        engine.containers.run(image, entrypoint=[f"python{version}", "--version"], remove=True)
    except APIError:
        pytest.skip(f"{image} has no python{version} to run this pytest in")
    run = engine.containers.run(
        image,
        entrypoint=["/bin/sh", "-c"],
        command=[
            f"mkdir /repository && cp -r /mounted/. /repository && cd /repository && "
            f"PYTHONPATH=/packages:/source exec python{version} -m pytest -q "
            f"-p no:cacheprovider --tfserving-backend docker --tfserving-image {image} --rootdir . ."
        ],
        volumes={
            "/var/run/docker.sock": {"bind": "/var/run/docker.sock", "mode": "rw"},
            packages: {"bind": "/packages", "mode": "ro"},
            str(ROOT): {"bind": "/source", "mode": "ro"},
            str(EXAMPLES / "half_plus_two"): {"bind": "/mounted", "mode": "ro"},
        },
        environment={"PYTHONDONTWRITEBYTECODE": "1"},
        detach=True,
    )
    try:
        status = run.wait(timeout=120)["StatusCode"]
        output = run.logs().decode()
        assert status == 0, output
        assert "served by docker" in output
    finally:
        run.remove(force=True)


@pytest.mark.parametrize("name", ["no/such/image:at-all", "No Name"])
def test_an_image_that_cannot_be_pulled_is_explained(image, serving_of, name):
    with pytest.raises(BackendError, match=name):
        serve(serving_of(backend="docker", image=name), HALF_PLUS_TWO)


def test_an_engine_that_does_not_answer_is_explained(tmp_path):
    environment = {**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/no.sock"}
    (tmp_path / "test_model.py").write_text(WAITING.format(path=str(HALF_PLUS_TWO)))
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--tfserving-backend=docker"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert run.returncode == pytest.ExitCode.TESTS_FAILED
    assert f"no container engine answers at unix://{tmp_path}/no.sock (no such file or directory)" in run.stdout
    assert "--tfserving-backend embedded" in run.stdout


def test_an_image_is_known_without_the_client_library(engine, image):
    assert docker_engine.image_id(image) == engine.images.get(image).short_id
    assert docker_engine.image_id("no/such/image:at-all") is None


def test_auto_takes_the_engine_where_it_has_the_image(image, serving_of):
    serving = serving_of(backend="auto", image=image)
    assert str(serving.choice) == f"docker {image} (remote: no address given)"
