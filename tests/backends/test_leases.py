"""Servers that stay between runs: used where a new one would be the same, replaced where not, gone in time"""

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest

from pytest_tfserving.backends import keeper, lease, lease_keeper
from pytest_tfserving.backends.base import ServableSpec, ServerSpec
from pytest_tfserving.backends.identity import identity_of
from pytest_tfserving.backends.lease import Connection, NoKeeperError
from pytest_tfserving.backends.lease_directory import private_directory, root_of_leases
from pytest_tfserving.backends.lease_record import LEASE
from pytest_tfserving.backends.leases import Leases
from pytest_tfserving.backends.lock import is_held
from pytest_tfserving.errors import BackendError, ServerDiedError, StartupError
from tests.conftest import MODELS, processes_of, suspend, wait_until

LONG = 600.0


def quiet(line):
    raise AssertionError(f"nothing was to be said: {line}")


@pytest.fixture
def root():
    """A short path, since sockets lie below it. At the end nothing is kept there, whatever the test did."""
    directory = Path(tempfile.mkdtemp(prefix="pytest-leases-", dir="/tmp"))
    directory.chmod(0o700)
    yield directory
    for kept in Leases(directory).kept():
        kept.stop(5.0)
    for process in processes_of(str(directory)):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def here(root):
    return Leases(root)


@pytest.fixture
def spec(tmp_path):
    """An export that a test may change, on the embedded server."""
    export = shutil.copytree(MODELS / "keras_export", tmp_path / "exports" / "m")
    return spec_of(export / "1")


def spec_of(version, *, number=1, labels=(), args=(), timeout=60.0):
    model = ServableSpec("m", ((number, str(version)),), labels)
    return ServerSpec("embedded", sys.executable, (model,), args=args, startup_timeout=timeout)


@pytest.fixture
def server_of(here):
    """server_of(spec, "run"): a server for that run, started."""
    used = []

    def server_of(spec, run, seconds=LONG):
        server = here.server(spec, seconds, run)
        used.append(server)
        server.wait_started(quiet)
        return server

    yield server_of
    for server in used:
        server.close()


def directory_of(server):
    return server.directory


def process_of(server, module="pytest_tfserving.server"):
    """The server's process; or its keeper's."""
    [process] = [p for p in processes_of(str(directory_of(server))) if module in p.info["cmdline"]]
    return process


def keeper_of(server):
    return process_of(server, "pytest_tfserving.backends.lease_keeper")


def is_gone(server):
    return not processes_of(str(directory_of(server))) and not directory_of(server).exists()


def left_by(run, spec, server_of):
    """A server that a run has started and left."""
    server = server_of(spec, run)
    server.close()
    return server


class TestUse:
    def test_the_next_run_finds_the_server_that_one_has_left(self, spec, server_of):
        first = left_by("one", spec, server_of)
        second = server_of(spec, "two")
        assert directory_of(second) == directory_of(first)
        assert (first.reused, second.reused[:11]) == ("", "reused, up ")
        second.check_alive("while testing")
        assert len(processes_of(str(directory_of(second)))) == 2  # a keeper and its server

    def test_a_process_of_the_same_run_shares_it_and_nothing_is_called_reused(self, spec, server_of):
        first, second = server_of(spec, "one"), server_of(spec, "one")
        assert directory_of(second) == directory_of(first)
        assert second.reused == ""

    def test_runs_that_ask_at_once_get_one(self, spec, here):
        found = []
        threads = [
            threading.Thread(target=lambda n=n: found.append(here.server(spec, LONG, f"run {n}"))) for n in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({directory_of(server) for server in found}) == 1
        assert len({str(server.wait_started(quiet)) for server in found}) == 1
        for server in found:
            server.close()

    def test_a_log_begins_where_the_run_came(self, spec, server_of):
        first = server_of(spec, "one")
        before = first.logs()
        assert "Running gRPC ModelServer" in before
        first.close()
        second, again = server_of(spec, "two"), server_of(spec, "two")
        assert (second.logs(), again.logs()) == ("", "")
        assert second.quoted_log() == f"\nserver log (since this run began to use it; {second.reused}): nothing"
        with (directory_of(second) / keeper.LOG).open("a") as log:
            log.write("words of this run\n")
        assert second.logs() == again.logs() == server_of(spec, "two").logs() == "words of this run\n"
        assert server_of(spec, "three").logs() == ""

    def test_times_of_files_say_nothing(self, spec, server_of):
        """A clock that jumped leaves files of the future."""
        first = left_by("one", spec, server_of)
        for time in (0, 4_000_000_000):
            for file in directory_of(first).iterdir():
                os.utime(file, (time, time))
            assert directory_of(left_by(f"at {time}", spec, server_of)) == directory_of(first)


class TestEnd:
    def test_nobody_uses_it_for_a_while(self, spec, server_of):
        server = server_of(spec, "one", 0.5)
        server.close()
        assert wait_until(lambda: is_gone(server))

    def test_the_last_who_came_says_for_how_long(self, spec, server_of):
        first = server_of(spec, "one", LONG)
        second = server_of(spec, "two", 0.2)
        second.close()
        with pytest.raises(AssertionError):
            assert wait_until(lambda: is_gone(first), 1.0)  # it is still used
        first.close()
        assert wait_until(lambda: is_gone(first))

    @pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGTERM])
    def test_a_user_that_is_killed_counts_no_more(self, spec, here, kill):
        script = (
            "import sys; from pathlib import Path\n"
            "from pytest_tfserving.backends.base import ServerSpec; from pytest_tfserving.backends.leases import Leases\n"
            "server = Leases(Path(sys.argv[1])).server(ServerSpec.from_json(sys.argv[2]), 0.5, 'one')\n"
            "server.wait_started(print); print('started', flush=True); sys.stdin.readline()"
        )
        user = subprocess.Popen(
            [sys.executable, "-c", script, str(here.root), spec.to_json()],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert user.stdout.readline() == "started\n"
        [kept] = here.kept()
        assert (kept.status["users"], kept.status["idle"]) == (1, None)
        user.send_signal(kill)
        user.communicate()
        assert wait_until(lambda: not processes_of(str(kept.directory)) and not kept.directory.exists())

    def test_a_keeper_that_is_asked_to_end_takes_its_server_along(self, spec, server_of):
        server = left_by("one", spec, server_of)
        keeper_of(server).terminate()
        assert wait_until(lambda: is_gone(server))

    def test_stop_ends_it_now_and_its_users_are_told(self, spec, here, server_of):
        server = server_of(spec, "one")
        [kept] = here.kept()
        assert kept.stop() is None
        assert not [p for p in processes_of(str(here.root)) if "pytest_tfserving.server" in p.info["cmdline"]]
        with pytest.raises(ServerDiedError, match=r"ended during the run: it was stopped \(pytest-tfserving servers"):
            server.check_alive("during the run")
        assert "Running gRPC ModelServer" in server.logs()
        server.close()
        assert wait_until(lambda: is_gone(server))
        assert here.kept() == []
        assert kept.stop() is None  # it has been

    def test_one_that_is_stopped_while_it_starts_is_not_waited_for(self, spec, here, tmp_path):
        program = tmp_path / "never_ready"
        program.write_text("#!/bin/sh\nexec sleep 300\n")
        program.chmod(0o755)
        server = here.server(spec._replace(program=str(program)), LONG, "one")
        [kept] = here.kept()
        assert kept.stop() is None
        with pytest.raises(StartupError, match=r"given up: it was stopped \(pytest-tfserving servers --stop"):
            server.wait_started(quiet)
        server.close()

    def test_a_keeper_whose_directory_is_gone_ends(self, root):
        """Somebody has emptied the temporary directory."""
        (root / "lease").mkdir()
        with door_at(root / "lease") as waiting:
            shutil.rmtree(root / "lease")
            waiting.join(10)
            assert not waiting.is_alive()


class TestReplacement:
    def test_an_export_that_was_replaced_gets_a_new_server_and_users_keep_the_old_one(self, spec, here, server_of):
        old = server_of(spec, "one")
        graph = Path(spec.models[0].versions[0][1]) / "saved_model.pb"
        graph.write_bytes(graph.read_bytes())
        new = server_of(spec, "two")
        assert directory_of(new) != directory_of(old)
        assert new.reused == ""
        old.check_alive("while another run began")
        assert old.why_unusable() is None
        assert {kept.status["state"] for kept in here.kept()} == {"retired", "serving"}
        old.close()
        assert wait_until(lambda: is_gone(old))
        new.check_alive("afterwards")
        assert directory_of(server_of(spec, "three")) == directory_of(new)

    def test_a_new_version_takes_the_place_of_the_old_one(self, spec, server_of):
        old = left_by("one", spec, server_of)
        version = Path(spec.models[0].versions[0][1])
        server_of(spec_of(shutil.copytree(version, version.with_name("2")), number=2), "two")
        assert wait_until(lambda: is_gone(old))

    def test_other_flags_are_another_server_beside_it(self, spec, server_of):
        one = left_by("one", spec, server_of)
        other = left_by("two", spec_of(spec.models[0].versions[0][1], args=("--enable_batching",)), server_of)
        assert directory_of(other) != directory_of(one)
        assert directory_of(server_of(spec, "three")) == directory_of(one)

    def test_what_a_test_has_configured_anew_is_not_what_was_asked_for(self, tmp_path, server_of):
        import grpc

        from pytest_tfserving.wire import serving_pb2 as serving

        export = shutil.copytree(MODELS / "keras_export", tmp_path / "m")
        shutil.copytree(export / "1", export / "2")
        model = ServableSpec("m", ((1, str(export / "1")), (2, str(export / "2"))), (("stable", 1),))
        spec = ServerSpec("embedded", sys.executable, (model,))
        first = server_of(spec, "one")
        request = serving.ReloadConfigRequest()
        config = request.config.model_config_list.config.add(
            name="m", base_path=str(directory_of(first) / "models" / "m"), model_platform="tensorflow"
        )
        config.model_version_policy.specific.versions.extend([1, 2])
        config.version_labels["stable"] = 2
        target = first.wait_started(quiet).endpoint.grpc_target
        with grpc.insecure_channel(target) as channel:
            call = channel.unary_unary("/tensorflow.serving.ModelService/HandleReloadConfigRequest")
            call(request.SerializeToString(), timeout=30)
        first.close()
        assert first.why_unusable() == "its label 'stable' of m is not at version 1 any more"
        assert directory_of(server_of(spec, "two")) != directory_of(first)


class TestModels:
    """A server of several models, and runs that want some of them."""

    @pytest.fixture
    def spec_with(self, tmp_path):
        def spec_with(names):
            models = []
            for name in names:
                version = tmp_path / "exports" / name / "1"
                if not version.exists():
                    shutil.copytree(MODELS / "keras_export" / "1", version)
                models.append(ServableSpec(name, ((1, str(version)),)))
            return ServerSpec("embedded", sys.executable, tuple(models))

        return spec_with

    def test_a_run_of_a_few_tests_finds_what_one_of_all_has_left(self, spec_with, here, server_of):
        all_three = left_by("one", spec_with("abc"), server_of)
        few = server_of(spec_with("b"), "two")
        assert directory_of(few) == directory_of(all_three)
        assert few.reused
        few.check_alive("meanwhile")
        few.close()
        assert directory_of(server_of(spec_with("abc"), "three")) == directory_of(all_three)
        assert len(here.kept()) == 1

    def test_one_of_all_tests_supersedes_what_those_of_a_few_have_left(self, spec_with, server_of):
        few = [left_by("one", spec_with(names), server_of) for names in ("a", "b")]
        server_of(spec_with("abc"), "two")
        assert wait_until(lambda: all(map(is_gone, few)))

    def test_others_that_were_written_anew_harm_nobody(self, spec_with, server_of):
        both = left_by("one", spec_with("ab"), server_of)
        graph = Path(spec_with("a").models[0].versions[0][1]) / "saved_model.pb"
        graph.write_bytes(graph.read_bytes())
        assert directory_of(server_of(spec_with("b"), "two")) == directory_of(both)
        assert directory_of(server_of(spec_with("a"), "three")) != directory_of(both)

    def test_one_that_starts_with_others_is_not_waited_for(self, spec_with, here, server_of):
        """It may fail by what they are, which says nothing of the model that is wanted."""
        spec = spec_with("ab")
        (Path(spec_with("b").models[0].versions[0][1]) / "saved_model.pb").write_bytes(b"no graph")
        failing = here.server(spec, LONG, "one")
        alone = server_of(spec_with("a"), "two")
        assert directory_of(alone) != directory_of(failing)
        assert alone.why_unusable() is None
        with pytest.raises(StartupError):
            failing.wait_started(quiet)
        failing.close()

    def test_two_versions_that_one_run_wants_stay_side_by_side(self, spec, here):
        version = Path(spec.models[0].versions[0][1])
        other = spec_of(shutil.copytree(version, version.with_name("2")), number=2)
        for run in ("one", "two"):
            first = here.server(spec, LONG, run)
            second = here.server(other, LONG, run, [directory_of(first)])
            for server in (first, second):
                server.wait_started(quiet)
                server.close()
            assert bool(first.reused and second.reused) == (run == "two")


def edit(server, **changes):
    file = directory_of(server) / LEASE
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def kill(process):
    process.kill()
    wait_until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)


FAULTS = {
    "the server was killed": lambda s: kill(process_of(s)),
    "the keeper was killed": lambda s: kill(keeper_of(s)),
    "both were killed": lambda s: [kill(p) for p in processes_of(str(directory_of(s)))],
    "the server hangs": lambda s: suspend(process_of(s)),
    "the keeper hangs": lambda s: suspend(keeper_of(s)),
    "its file is empty": lambda s: (directory_of(s) / LEASE).write_bytes(b""),
    "its file is garbage": lambda s: (directory_of(s) / LEASE).write_bytes(b"\xff\x00{"),
    "its file is a list": lambda s: (directory_of(s) / LEASE).write_text("[1]"),
    "its file is gone": lambda s: (directory_of(s) / LEASE).unlink(),
    "another machine wrote it": lambda s: edit(s, identity={**identity_of(s.spec), "this machine": ["elsewhere"]}),
    "another version wrote it": lambda s: edit(s, identity={"pid": os.getpid()}),
    "its socket is gone": lambda s: (directory_of(s) / lease_keeper.SOCKET).unlink(),
    "its address is gone": lambda s: (directory_of(s) / keeper.SERVER).unlink(),
    "its address is garbage": lambda s: (directory_of(s) / keeper.SERVER).write_text('{"rest_url": "http://["}'),
    "nobody is at its address": lambda s: (directory_of(s) / keeper.SERVER).write_text('{"rest_url": "http://127.0.0.1:9"}'),
}  # fmt: skip


class TestFaults:
    @pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
    def test_each_ends_in_a_fresh_server(self, spec, server_of, monkeypatch, fault):
        monkeypatch.setattr(lease, "HEALTH_SECONDS", 1.0)
        monkeypatch.setattr(lease, "ANSWER_SECONDS", 1.0)
        old = left_by("one", spec, server_of)
        fault(old)
        new = server_of(spec, "two")
        assert directory_of(new) != directory_of(old)
        assert new.why_unusable() is None

    def test_a_keeper_that_hung_ends_when_it_goes_on(self, spec, server_of, monkeypatch):
        monkeypatch.setattr(lease, "ANSWER_SECONDS", 0.5)
        old = left_by("one", spec, server_of)
        stopped = keeper_of(old)
        suspend(stopped)
        server_of(spec, "two")
        stopped.resume()
        assert wait_until(lambda: is_gone(old))

    def test_what_a_killed_keeper_left_is_removed(self, spec, server_of):
        old = left_by("one", spec, server_of)
        kill(keeper_of(old))
        # Its first thread is a zombie before the others are gone, which hold the files that it had open.
        assert wait_until(lambda: not is_held(directory_of(old) / keeper.LOCK))
        server_of(spec, "two")
        assert not directory_of(old).exists()

    def test_a_server_of_another_machine_is_left_alone(self, spec, here, server_of):
        """The directory is shared by a network file system, or with a container."""
        other = left_by("one", spec, server_of)
        identity = json.loads((directory_of(other) / LEASE).read_text())["identity"]
        edit(other, key="0123456789abcdef", identity={**identity, "this machine": ["elsewhere"]})
        server_of(spec, "two")
        assert {kept.status["state"] for kept in here.kept()} == {"serving"}
        kill(keeper_of(other))  # over there it may live, for all that can be seen from here
        here.kept()
        assert directory_of(other).exists()

    def test_somebody_else_listens_there(self, spec, server_of):
        old = left_by("one", spec, server_of)
        socket_file = directory_of(old) / lease_keeper.SOCKET
        socket_file.unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(socket_file))
            other.listen()
            threading.Thread(target=lambda: other.accept()[0].send(b"hello\n"), daemon=True).start()
            assert directory_of(server_of(spec, "two")) != directory_of(old)

    def test_one_that_cannot_start_is_for_its_own_run_and_no_other(self, here, tmp_path):
        spec = spec_of(tmp_path / "m" / "1")
        failed = here.server(spec, LONG, "one")
        with pytest.raises(StartupError, match="ended before it was ready: exit status 255\nserver log"):
            failed.wait_started(quiet)
        same = here.server(spec, LONG, "one")
        assert directory_of(same) == directory_of(failed)
        shutil.copytree(MODELS / "keras_export" / "1", tmp_path / "m" / "1")
        other = here.server(spec, LONG, "two")
        assert other.wait_started(quiet)
        for server in (failed, same, other):
            server.close()
        assert wait_until(lambda: is_gone(failed))

    def test_a_keeper_that_dies_before_the_server_is_up_is_not_waited_for(self, here, spec):
        server = here.server(spec, LONG, "one")
        assert wait_until(lambda: processes_of(str(directory_of(server))))
        for process in processes_of(str(directory_of(server))):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        with pytest.raises((StartupError, ServerDiedError), match="keeper"):
            server.wait_started(quiet)
            server.check_alive("at once")
        server.close()

    @pytest.mark.parametrize("bytes_left", [0, 500], ids=["at once", "later"])
    def test_a_full_disk_is_an_error_that_says_so(self, root, spec, bytes_left):
        script = (
            "import sys; from pathlib import Path\n"
            "from pytest_tfserving.backends.base import ServerSpec; from pytest_tfserving.backends.leases import Leases\n"
            "from pytest_tfserving.errors import BackendError\n"
            "try: Leases(Path(sys.argv[1])).server(ServerSpec.from_json(sys.argv[2]), 60, 'one').wait_started(print)\n"
            "except BackendError as error: print(error)"
        )
        run = subprocess.run(
            [sys.executable, "-B", "-c", script, str(root), spec.to_json()],
            capture_output=True, text=True, timeout=60,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_left, bytes_left)),
        )  # fmt: skip
        assert run.stdout.startswith("no place for a server that stays: [Errno 27] File too large"), run
        assert [path.name for path in root.iterdir()] == ["lock"]
        assert not processes_of(str(root))


class TestDirectory:
    def test_it_is_made_for_this_user_alone(self, root):
        directory = private_directory(root / "leases")
        assert directory.stat().st_mode & 0o777 == 0o700
        assert private_directory(directory) == directory

    def test_one_that_others_can_enter_is_refused(self, root):
        (root / "leases").mkdir()
        (root / "leases").chmod(0o755)
        with pytest.raises(BackendError, match=r"can be entered by others \(mode 755\).*do without --tfserving-reuse"):
            private_directory(root / "leases")

    @pytest.mark.parametrize("kind", ["file", "link"])
    def test_what_is_no_directory_is_refused(self, root, kind):
        if kind == "file":
            (root / "leases").touch()
        else:
            (root / "leases").symlink_to(root)
        with pytest.raises(BackendError, match="is no directory"):
            private_directory(root / "leases")

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
    def test_one_of_somebody_else_is_refused(self, root):
        (root / "leases").mkdir(mode=0o700)
        os.chown(root / "leases", 12345, 12345)
        with pytest.raises(BackendError, match="belongs to the user with the number 12345"):
            private_directory(root / "leases")

    def test_no_place_is_said(self, root):
        with pytest.raises(BackendError, match=r"no place for servers that stay: .*No such file"):
            private_directory(root / "gone" / "leases")

    def test_a_path_that_no_socket_can_have_is_not_taken(self, monkeypatch, root):
        monkeypatch.setattr(tempfile, "tempdir", str(root))
        assert root_of_leases().parent == root
        monkeypatch.setattr(tempfile, "tempdir", str(root / ("long" * 20)))
        assert root_of_leases().parent == Path("/tmp")


class door_at:  # noqa: N801  # used as a function
    """A keeper's side without a server, in a thread; it waits for an hour."""

    def __init__(self, directory, seconds=3600.0):
        self._directory, self._seconds = directory, seconds
        self._before = lease_keeper._SECONDS_BETWEEN_LOOKS

    def __enter__(self):
        lease_keeper._SECONDS_BETWEEN_LOOKS = 0.05
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self._directory / lease_keeper.SOCKET))
        listener.listen()
        self._door = lease_keeper.Door(self._directory, listener, self._seconds, "one")
        self._thread = threading.Thread(target=self._door.wait, daemon=True)
        self._thread.start()
        return self._thread

    def __exit__(self, *_):
        self._door.end()
        self._thread.join(10)
        lease_keeper._SECONDS_BETWEEN_LOOKS = self._before


class TestDoor:
    def test_who_speaks_another_language_is_shown_out_and_harms_nobody(self, root):
        with door_at(root) as waiting:
            for words in (b"GET / HTTP/1.1\r\n\r\n", b"{}\n", b"[]\n", b'{"want": "use"}\n', b"x" * 100_000, b""):
                with socket.socket(socket.AF_UNIX) as guest:
                    guest.connect(str(root / lease_keeper.SOCKET))
                    with suppress(OSError):
                        guest.sendall(words)
                        guest.shutdown(socket.SHUT_WR)
                    guest.settimeout(10)
                    with suppress(ConnectionError):
                        assert guest.recv(100) == b""
            with closing(Connection(root)) as connection:
                connection.say(want="status")
                assert connection.answer()["users"] == 0
            assert waiting.is_alive()

    def test_who_comes_and_leaves_starts_the_time_anew(self, root):
        with door_at(root) as waiting:
            connections = [Connection(root) for _ in range(3)]
            for number, connection in enumerate(connections):
                connection.say(want="use", run=str(number), seconds=0.3)
                connection.answer()
            connections[0].close()
            connections[1].close()
            waiting.join(1.0)
            assert waiting.is_alive()
            connections[2].close()
            waiting.join(10)
            assert not waiting.is_alive()

    def test_nobody_is_let_in_when_it_is_over(self, root):
        with door_at(root) as waiting:
            user, other = Connection(root), Connection(root)
            user.say(want="use", run="one", seconds=3600)
            assert user.answer()["state"] == "starting"
            other.say(want="retire")
            assert other.answer()["state"] == "retired"
            other.say(want="use", run="two", seconds=3600)
            assert other.answer()["state"] == "retired"
            assert waiting.is_alive()
            user.close()
            waiting.join(10)
            assert not waiting.is_alive()
            assert not other.is_open
            with pytest.raises(NoKeeperError):
                Connection(root)


class TestContainer:
    @pytest.fixture
    def named(self, image):
        """named(): a name for the image; named("other"): the name now means another one."""
        from pytest_tfserving.backends.docker_engine import connect

        engine = connect().client
        name = f"pytest-tfserving-leases-{os.getpid()}"

        def named(label=None):
            if label is None:
                engine.images.get(image).tag(name, "1")
            else:
                container = engine.containers.create(image)
                container.commit(name, "1", changes=f"LABEL a={label}")
                container.remove()
            return f"{name}:1"

        yield named
        engine.images.remove(f"{name}:1", force=True)

    @staticmethod
    def containers_of(server):
        from pytest_tfserving.backends.docker import LEASE_LABEL
        from pytest_tfserving.backends.docker_engine import connect

        label = f"{LEASE_LABEL}={directory_of(server) / keeper.LOCK}"
        return connect().client.containers.list(all=True, filters={"label": label})

    def test_it_stays_for_the_image_it_was_made_of(self, named, server_of):
        model = ServableSpec("m", ((1, str(MODELS / "keras_export" / "1")),))
        spec = ServerSpec("docker", named(), (model,))
        first = server_of(spec, "one")
        assert wait_until(lambda: first.why_unusable() is None)
        first.close()
        second = server_of(spec, "two")
        assert directory_of(second) == directory_of(first)
        assert second.reused
        second.close()
        named("other")
        third = server_of(spec, "three")
        assert directory_of(third) != directory_of(first)
        assert wait_until(lambda: not self.containers_of(first))
        [container] = self.containers_of(third)
        third.close()
        container.remove(force=True)
        assert directory_of(server_of(spec, "four")) != directory_of(third)

    def test_one_whose_keeper_was_killed_is_removed_by_the_next(self, image, server_of):
        spec = ServerSpec("docker", image, (ServableSpec("m", ((1, str(MODELS / "keras_export" / "1")),)),))
        first = left_by("one", spec, server_of)
        kill(keeper_of(first))
        assert self.containers_of(first)
        second = server_of(spec, "two")
        assert directory_of(second) != directory_of(first)
        assert not self.containers_of(first)
