"""What the processes of a run leave for each other."""

from pathlib import Path

import pytest

from pytest_tfserving.backends.notes import Notes

SERVER, OTHER = Path("/elsewhere/abc"), Path("/elsewhere/def")


def test_each_process_has_asked_something_last(tmp_path):
    one, two = Notes(tmp_path), Notes(tmp_path)
    assert one.last_asked(SERVER) == set()
    one.note_asked(SERVER, ["a"])
    two.note_asked(SERVER, ["b", "c"])
    one.note_asked(SERVER, ["d"])
    one.note_asked(OTHER, ["e"])
    assert one.last_asked(SERVER) == two.last_asked(SERVER) == {"b", "c", "d"}
    assert two.last_asked(OTHER) == {"e"}


def test_an_event_is_the_first_of_its_kind_once(tmp_path):
    one, two = Notes(tmp_path), Notes(tmp_path)
    assert [one.is_first("x"), two.is_first("x"), one.is_first("x"), two.is_first("y")] == [True, False, False, True]


@pytest.mark.parametrize("directory", ["missing", "full"])
def test_without_a_place_for_them_there_are_none(tmp_path, directory):
    if directory == "full":
        (tmp_path / directory).write_text("a file")
    notes = Notes(tmp_path / directory)
    notes.note_asked(SERVER, ["a"])
    assert notes.last_asked(SERVER) == set()
    assert notes.is_first("x")
