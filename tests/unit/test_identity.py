"""What a server that stayed is compared by: every change that another server would notice, and none beside"""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from pytest_tfserving.backends import identity
from pytest_tfserving.backends.base import ServableSpec, ServerSpec
from pytest_tfserving.backends.identity import differences, identity_of, is_superseded, key_of, serves_others

LARGE = b"x" * (identity._MOST_BYTES_READ + 1)


@pytest.fixture
def export(tmp_path):
    """exports/m/1 with a graph, a small and a large file."""
    directory = tmp_path / "exports" / "m" / "1"
    (directory / "variables").mkdir(parents=True)
    (directory / "saved_model.pb").write_bytes(b"graph")
    (directory / "variables" / "variables.index").write_bytes(b"index")
    (directory / "variables" / "variables.data-00000-of-00001").write_bytes(LARGE)
    return directory


@pytest.fixture
def flags_file(tmp_path):
    file = tmp_path / "batching.txt"
    file.write_text("max_batch_size { value: 8 }")
    return file


def spec_of(export, *, backend="embedded", program=sys.executable, number=1, labels=(), tags=("serve",), args=()):
    model = ServableSpec("m", ((number, str(export)),), labels)
    return ServerSpec(backend, program, (model,), tags, args)


def rewrite(file, content=None):
    """Rewrites a file in place and sets its times back, as `rsync --times --inplace` does."""
    status = file.stat()
    file.write_bytes(content or file.read_bytes())
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def replace(file):
    """Another file, of the same content and times, in the place of a file."""
    other = file.with_name("other")
    shutil.copy2(file, other)
    other.replace(file)


CHANGES = {
    "the graph is another": lambda export, flags: (export / "saved_model.pb").write_bytes(b"other"),
    "of the same length and time": lambda export, flags: rewrite(export / "saved_model.pb", b"GRAPH"),
    "a small file, in place": lambda export, flags: rewrite(export / "variables" / "variables.index", b"INDEX"),
    "a large file, in place": lambda export, flags: rewrite(export / "variables" / "variables.data-00000-of-00001"),
    "a large file is replaced": lambda export, flags: replace(export / "variables" / "variables.data-00000-of-00001"),
    "a file more": lambda export, flags: (export / "assets.extra").write_bytes(b""),
    "a file less": lambda export, flags: (export / "variables" / "variables.index").unlink(),
    "a directory is renamed": lambda export, flags: (export / "variables").rename(export / "vars"),
    "nothing is there any more": lambda export, flags: shutil.rmtree(export),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_of_the_export_is_seen(export, flags_file, change):
    before = identity_of(spec_of(export))
    change(export, flags_file)
    assert differences(before, identity_of(spec_of(export))) == ["the models"]


def test_an_export_behind_a_link_is_the_one_that_it_leads_to(export, tmp_path):
    link = tmp_path / "latest"
    link.symlink_to(export)
    before = identity_of(spec_of(link))
    other = shutil.copytree(export, tmp_path / "2")
    link.unlink()
    link.symlink_to(other)
    assert differences(before, identity_of(spec_of(link))) == ["the models"]


def test_links_that_lead_in_a_circle_end(export):
    (export / "variables" / "again").symlink_to(export)
    assert identity_of(spec_of(export)) == identity_of(spec_of(export))


@pytest.mark.parametrize(
    ("one", "other", "parts"),
    [
        ({}, {}, []),
        ({"number": 1}, {"number": 2}, ["the models"]),
        ({}, {"labels": (("stable", 1),)}, ["the models"]),
        ({}, {"tags": ("serve", "gpu")}, ["the flags"]),
        ({}, {"args": ("--enable_batching",)}, ["the flags"]),
        ({}, {"program": "/bin/sh"}, ["the program"]),
        ({"backend": "docker", "program": "image:1"}, {"backend": "docker", "program": "image:2"}, ["the program"]),
    ],
)
def test_what_is_asked_of_a_server(export, one, other, parts):
    assert differences(identity_of(spec_of(export, **one)), identity_of(spec_of(export, **other))) == parts


@pytest.mark.parametrize("written", ["{}", "--batching_parameters_file={}", "--two=/no/such,{}"])
def test_a_file_that_a_flag_names(export, flags_file, written):
    spec = spec_of(export, args=("--enable_batching", written.format(flags_file)))
    before = identity_of(spec)
    assert differences(before, identity_of(spec)) == []
    flags_file.write_text("max_batch_size { value: 9 }")
    assert differences(before, identity_of(spec)) == ["the flags"]


@pytest.mark.parametrize(
    ("variable", "matters"),
    [
        ("TF_ENABLE_ONEDNN_OPTS", True),
        ("CUDA_VISIBLE_DEVICES", True),
        ("OMP_NUM_THREADS", True),
        ("LD_LIBRARY_PATH", True),
        ("PYTHONPATH", True),
        ("DOCKER_HOST", True),
        ("PYTHONHASHSEED", False),  # tox chooses one for each run
        ("PYTEST_CURRENT_TEST", False),
        ("TFSERVING_REUSE", False),
        ("TERM", False),
    ],
)
def test_the_environment(export, monkeypatch, variable, matters):
    monkeypatch.delenv(variable, raising=False)
    before = identity_of(spec_of(export))
    monkeypatch.setenv(variable, "secret")
    after = identity_of(spec_of(export))
    assert differences(before, after) == (["the environment"] if matters else [])
    assert "secret" not in json.dumps(after)


def test_a_program_that_was_built_again(export, tmp_path):
    program = tmp_path / "tensorflow_model_server"
    program.write_text("old")
    spec = spec_of(export, backend="binary", program=str(program))
    before = identity_of(spec)
    program.write_text("new one")
    assert differences(before, identity_of(spec)) == ["the program"]


def test_the_embedded_server_is_these_sources_and_that_tensorflow(export):
    [_, _, _, package, _, *rest] = identity_of(spec_of(export))["the program"]
    assert Path(package).name == "pytest_tfserving"
    assert any("libtensorflow_cc" in line for line in rest)


@pytest.mark.parametrize("old", [None, [], "text", 3, {}, {"the models": []}])
def test_an_identity_may_be_anything(export, old):
    new = identity_of(spec_of(export))
    assert differences(old, new) == list(new)
    assert differences(json.loads(json.dumps(new)), new) == []


@pytest.mark.parametrize("models", [5, {}, {"m": None}, {"m": [1]}, {"m": [[], [5]]}, {"m": [[], [[1, 2]]]}])
def test_models_may_be_anything(export, models):
    new = identity_of(spec_of(export))
    old = {**new, "the models": models}
    assert differences(old, new) == ["the models"]
    assert is_superseded(old, new) in (True, False)


def test_a_key_is_of_a_server_whatever_it_serves(export, tmp_path):
    key = key_of(spec_of(export))
    assert key == key_of(spec_of(tmp_path / "other" / "m" / "1"))
    assert key != key_of(spec_of(export, args=("--enable_batching",)))
    assert key != key_of(spec_of(export, backend="binary"))


def test_an_editor_and_a_terminal_do_not_take_each_others_servers_for_outdated(export, monkeypatch):
    key = key_of(spec_of(export))
    monkeypatch.setenv("LANG", "tlh_KL.UTF-8")
    assert key != key_of(spec_of(export))


class TestModels:
    """An old server and a wanted one, by their models: NAME is at the path of its own, NAME@N is its version N."""

    @pytest.fixture
    def identity_with(self, tmp_path):
        def identity_with(models, elsewhere=()):
            specs = []
            for model in models.split():
                name, _, number = model.partition("@")
                directory = tmp_path / ("elsewhere" if name in elsewhere else "exports") / name / (number or "1")
                if not directory.exists():
                    directory.mkdir(parents=True)
                    (directory / "saved_model.pb").touch()
                specs.append(ServableSpec(name, ((int(number or 1), str(directory)),)))
            # What a lease's file gave back.
            return json.loads(json.dumps(identity_of(ServerSpec("embedded", sys.executable, tuple(specs)))))

        return identity_with

    @pytest.mark.parametrize(
        ("served", "wanted", "is_fit", "others", "superseded"),
        [
            ("a", "a", True, False, True),
            ("a b", "b a", True, False, True),
            ("a b", "a", True, True, False),
            ("a", "a b", False, None, True),
            ("a", "b", False, None, False),
            ("a b", "b c", False, None, False),
            ("a@1", "a@2", False, None, True),
            ("a@1 b", "a@2", False, None, True),
        ],
    )
    def test_one_that_serves_more_is_fit_and_one_that_serves_less_is_superseded(
        self, identity_with, served, wanted, is_fit, others, superseded
    ):
        old, new = identity_with(served), identity_with(wanted)
        assert (not differences(old, new)) is is_fit
        if is_fit:
            assert serves_others(old, new) is others
        assert is_superseded(old, new) is superseded

    def test_a_model_of_that_name_elsewhere_is_another_matter(self, identity_with):
        old, new = identity_with("a b", elsewhere=["a"]), identity_with("a b")
        assert differences(old, new) == ["the models"]
        assert not is_superseded(old, new)

    def test_a_model_that_was_written_anew_supersedes_the_server_of_it_alone(self, identity_with, tmp_path):
        with_a, with_b = identity_with("a c"), identity_with("b c")
        (tmp_path / "exports" / "a" / "1" / "saved_model.pb").write_bytes(b"new")
        new = identity_with("a b")
        assert is_superseded(with_a, new)
        assert not is_superseded(with_b, new)
        assert not differences(with_a, identity_with("c"))

    @pytest.mark.parametrize("part", ["the program", "the flags", "the environment", "this machine"])
    def test_of_what_else_has_changed_nothing_is_wanted_any_more(self, identity_with, part):
        old, new = identity_with("a b"), identity_with("c")
        assert is_superseded({**old, part: ["other"]}, new)
