"""Durations as people write them, `5ms`; nanoseconds everywhere else."""

from __future__ import annotations

import re

from pytest_tfserving.errors import SpecError

# Both of Unicode's micro signs are typed.
DURATION_FORM = r"^\s*(\d{1,18}(?:\.\d+)?)\s*(ns|us|µs|μs|ms|s)\s*$"

_NANOSECONDS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9}

# The largest that is shown in each unit: below a tenth of a millisecond microseconds are easier to read.
_UNITS = (("ns", 999), ("us", 99_900), ("ms", 999_000_000))


def parse_duration(text: str) -> int:
    """The nanoseconds of `5ms`, `1.5s`, `250us`, `100ns`, at least 1. Raises SpecError for anything else.

    >>> parse_duration("1.5ms")
    1500000
    """
    match = re.match(DURATION_FORM, text)
    nanoseconds = round(float(match[1]) * _NANOSECONDS[match[2].replace("µ", "u").replace("μ", "u")]) if match else 0
    if nanoseconds < 1:
        raise SpecError(f"{text!r}; a duration was expected, a number and ns, us, ms or s, such as 5ms")
    return nanoseconds


def duration_text(nanoseconds: float) -> str:
    """A duration in three digits and the unit that suits it.

    >>> duration_text(412_345), duration_text(85_210), duration_text(1_500_000_000)
    ('0.412 ms', '85.2 us', '1.5 s')
    """
    unit = next((name for name, most in _UNITS if nanoseconds <= most), "s")
    value = nanoseconds / _NANOSECONDS[unit]
    return f"{value:.0f} {unit}" if value >= 1000 else f"{value:.3g} {unit}"
