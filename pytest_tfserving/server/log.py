"""Log lines as glog prints them, on stderr: `2026-11-22 13:50:00.123456: I models.py:12] text`."""

from __future__ import annotations

import logging
import sys


def set_up() -> None:
    """Send what the package logs to stderr, from INFO up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        logging.Formatter(
            "%(asctime)s.%(msecs)03d000: %(levelname).1s %(filename)s:%(lineno)d] %(message)s", "%Y-%m-%d %H:%M:%S"
        )
    )
    package = logging.getLogger(__package__)
    package.addHandler(handler)
    package.setLevel(logging.INFO)
    package.propagate = False
