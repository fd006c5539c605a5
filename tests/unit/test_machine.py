"""The name that is shared by those who see each other's runs, and by nobody else"""

import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from pytest_tfserving.backends.machine import machine_id


@pytest.fixture
def temporary(monkeypatch, tmp_path):
    def temporary(name):
        (tmp_path / name).mkdir(exist_ok=True)
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / name))
        return tmp_path / name

    return temporary


def test_the_same_directory_gives_the_same_name_and_another_does_not(temporary):
    temporary("a")
    first = machine_id()
    assert machine_id() == first
    temporary("b")
    assert machine_id() != first
    directory = temporary("a")
    assert machine_id() == first
    assert len(list(directory.iterdir())) == 1


def test_processes_that_ask_at_once_agree(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        names = [future.result() for future in [pool.submit(machine_id) for _ in range(16)]]
    assert len(set(names)) == 1
    assert len(list(tmp_path.iterdir())) == 1
