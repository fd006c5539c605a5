"""Recording in continuous integration, which is refused unless it is asked for.

There nobody reads what was written, and a job with a stray --tfserving-update would pass whatever the model answers.
"""

from __future__ import annotations

from collections.abc import Mapping

# What pytest itself takes for a sign of CI (_pytest/compat.py, running_on_ci), where it is not empty.
VARIABLES = ("CI", "BUILD_NUMBER")

_NO = ("0", "false", "no", "off")


def why_refused(flag: str, environment: Mapping[str, str]) -> str | None:
    """Why a run with `flag`, which would write or remove goldens, is refused; None where this is not CI."""
    for name in VARIABLES:
        value = environment.get(name, "").strip()
        if value and value.lower() not in _NO:
            return (
                f"{flag}: this is CI ({name}={value} is set), where nobody reads a golden before it is relied on. "
                f"Run it where you can read the diff and commit the files; if it is meant here, add "
                f"--tfserving-update-in-ci"
            )
    return None
