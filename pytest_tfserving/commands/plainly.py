"""What every command does where it cannot do its work: words on stderr, without a traceback, and its exit status."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import wraps

from pytest_tfserving.errors import TFServingError
from pytest_tfserving.report.findings import printable

UNUSABLE = 2

Run = Callable[[Sequence[str]], int]


def plainly(run: Run) -> Run:
    """A command whose errors are said; 2 is the exit status of what cannot be used, read or written."""
    command = f"pytest-tfserving {run.__module__.rpartition('.')[2]}"

    @wraps(run)
    def plain(arguments: Sequence[str]) -> int:
        try:
            return run(arguments)
        except OSError as error:
            problem = f"cannot read or write {error.filename}: {error.strerror}" if error.filename else str(error)
        except (TFServingError, UnicodeEncodeError) as error:
            problem = str(error)
        print(f"{command}:", "\n".join(map(printable, problem.splitlines())), file=sys.stderr)
        return UNUSABLE

    return plain
