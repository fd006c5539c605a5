"""What a command says where it cannot do its work, and its exit status."""

import errno

import pytest

from pytest_tfserving.commands.plainly import plainly
from pytest_tfserving.errors import SpecError


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (SpecError("no model\nthere are a and b"), 2, "no model\nthere are a and b"),
        (SpecError("a\x1b[2Jb"), 2, "a\\x1b[2Jb"),
        (FileExistsError(errno.EEXIST, "File exists", "x.toml"), 2, "cannot read or write x.toml: File exists"),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "[Errno 28] No space left on device"),
    ],
)
def test_an_error_is_said_without_a_traceback(capsys, error, status, said):
    @plainly
    def run(arguments):
        raise error

    assert run([]) == status
    assert capsys.readouterr().err == f"pytest-tfserving test_plainly: {said}\n"


def test_what_ends_well_is_left_alone():
    assert plainly(len)(["a", "b"]) == 2
