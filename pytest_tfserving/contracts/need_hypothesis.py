"""hypothesis, which is an extra of the package: imported here alone, with an error that says how to get it."""

from __future__ import annotations

from pytest_tfserving.errors import SpecError

try:
    import hypothesis
    from hypothesis import strategies as st
except ImportError as error:
    raise SpecError("generated requests need hypothesis: pip install 'pytest-tfserving[hypothesis]'") from error

__all__ = ["hypothesis", "st"]
