"""Files as they are written: whole or not at all. tests/unit/test_golden_store.py has what a failure leaves."""

import errno
from pathlib import Path

import pytest

from pytest_tfserving.files import replaced, shown, write_text


def test_a_file_is_named_from_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert shown(tmp_path / "below" / "a" / "b.json") == str(Path("a", "b.json"))
    assert shown(tmp_path / "b.json") == str(tmp_path / "b.json")


def test_a_file_that_is_there_keeps_its_mode_and_a_link_stays_one(tmp_path):
    file, link = tmp_path / "file.json", tmp_path / "link.json"
    file.write_text("old")
    file.chmod(0o600)
    link.symlink_to(file)
    write_text(link, "new\r\nlines\n")
    assert link.is_symlink()
    assert file.read_bytes() == b"new\r\nlines\n"
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_new_file_can_be_read_by_all(tmp_path):
    write_text(tmp_path / "new.json", "text")
    assert (tmp_path / "new.json").stat().st_mode & 0o777 == 0o644


def test_a_name_may_be_as_long_as_the_file_system_takes(tmp_path):
    file = tmp_path / f"{'n' * 250}.json"
    write_text(file, "text")
    assert list(tmp_path.iterdir()) == [file]


def test_an_error_names_the_file_that_was_to_be_written(tmp_path):
    """Not the draft beside it, and a full disk names none."""
    file = tmp_path / "absent" / "file.json"
    with pytest.raises(FileNotFoundError) as raised:
        write_text(file, "text")
    assert raised.value.filename == str(file)

    file = tmp_path / "file.json"
    with pytest.raises(OSError, match="No space") as full, replaced(file):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert full.value.filename == str(file)
    with pytest.raises(FileNotFoundError) as other, replaced(file):
        (tmp_path / "another").read_bytes()
    assert other.value.filename == str(tmp_path / "another")
    assert not list(tmp_path.iterdir())
