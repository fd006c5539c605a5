"""Standard output of a command, whatever it can encode, and whether or not somebody still reads it (`| head`)."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper


def print_out(text: str) -> None:
    """Prints text; characters that the terminal has no form for as escapes. A reader that went away is no error.

    Raises OSError where the text cannot be written, such as to a full disk.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        print(text, flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python says so once more at exit
        if not isinstance(error, BrokenPipeError):
            error.filename = "standard output"
            raise
