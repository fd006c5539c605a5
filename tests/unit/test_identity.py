"""What a server that stayed is compared by: every change that another server would notice, and none beside"""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from pytest_tfserving.backends import identity
from pytest_tfserving.backends.base import ServableSpec, ServerSpec
from pytest_tfserving.backends.identity import differences, identity_of, key_of

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


def test_versions_of_one_export_share_a_key_and_other_things_do_not(export, tmp_path):
    key = key_of(spec_of(export))
    assert key == key_of(spec_of(export.with_name("2"), number=2))
    assert key != key_of(spec_of(tmp_path / "other" / "m" / "1"))
    assert key != key_of(spec_of(export, args=("--enable_batching",)))
    assert key != key_of(spec_of(export, backend="binary"))


def test_an_editor_and_a_terminal_do_not_take_each_others_servers_for_outdated(export, monkeypatch):
    key = key_of(spec_of(export))
    monkeypatch.setenv("LANG", "tlh_KL.UTF-8")
    assert key != key_of(spec_of(export))
