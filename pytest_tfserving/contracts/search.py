"""Looks for a request that fails a check, with hypothesis' engine, and makes it as small as it gets.

The engine is asked for a fixed number of examples from a seed, keeps no database and says nothing itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from pytest_tfserving.contracts.need_hypothesis import hypothesis, st

# Seconds for which a failing request is made smaller; a model that answers in a second would take minutes.
_SHRINK_SECONDS = 20.0

_SETTINGS: dict[str, Any] = {
    "database": None,
    "deadline": None,
    "derandomize": False,
    "phases": (hypothesis.Phase.generate, hypothesis.Phase.shrink),
    "print_blob": False,
    "report_multiple_bugs": False,
    "suppress_health_check": list(hypothesis.HealthCheck),
    "verbosity": hypothesis.Verbosity.quiet,
}


class Failing(Protocol):
    """What a look at an example finds. An example is only made smaller as long as the `kind` stays the same."""

    @property
    def kind(self) -> str:
        """What sort of failure it is."""

    @property
    def is_final(self) -> bool:
        """Whether nothing more can be tried: the server is gone, or hangs."""


_Example = TypeVar("_Example")
_Failure = TypeVar("_Failure", bound=Failing)


@dataclass(frozen=True)
class Found(Generic[_Failure]):
    """The smallest failure, how many examples were tried until the first, and whether it was made as small as it gets.

    `is_flaky`: the very same example did not fail again.
    """

    failure: _Failure
    tried: int
    is_smallest: bool
    is_flaky: bool


class _Failed(Exception):  # noqa: N818  # the engine's signal, not an error
    """This example fails."""


class _Stop(BaseException):
    """Nothing more is to be tried; the engine lets what is no Exception through."""


def search(
    strategy: st.SearchStrategy[_Example],
    look: Callable[[_Example], _Failure | None],
    *,
    examples: int,
    seed: int,
) -> Found[_Failure] | None:
    """What fails first of `examples` examples, made smaller; None where `look` finds nothing in any."""
    best: _Failure | None = None
    tried = 0
    until = 0.0

    @hypothesis.seed(seed)
    @hypothesis.settings(max_examples=examples, **_SETTINGS)
    @hypothesis.given(strategy)
    def run(example: _Example) -> None:
        nonlocal best, tried, until
        if best is None:
            tried += 1
        elif time.monotonic() > until:
            raise _Stop
        failure = look(example)
        if failure is None or (best is not None and failure.kind != best.kind and not failure.is_final):
            return
        if best is None:
            until = time.monotonic() + _SHRINK_SECONDS
        best = failure
        if failure.is_final:
            raise _Stop
        raise _Failed

    is_smallest, is_flaky = False, False
    try:
        with _no_constants_of_loaded_modules():
            run()
    except _Failed:
        is_smallest = True
    except _Stop:
        pass
    except hypothesis.errors.Flaky:
        is_flaky = True
    return None if best is None else Found(best, tried, is_smallest, is_flaky)


@contextmanager
def _no_constants_of_loaded_modules() -> Iterator[None]:
    """Since 6.131 hypothesis mixes numbers and texts of the loaded source files into what it draws.

    A seed would then mean other requests wherever other tests are collected, and after every edit of one. What does
    it has no switch; where it is not found under its name, seeds are only good for the same selection of tests.
    """
    try:
        from hypothesis.internal.conjecture import providers
        from hypothesis.internal.constants_ast import Constants

        get, none, cache = providers._get_local_constants, Constants(), providers.CONSTANTS_CACHE.cache
    except (ImportError, AttributeError):
        yield
        return
    cache.clear()
    providers._get_local_constants = lambda: none
    try:
        yield
    finally:
        providers._get_local_constants = get
        cache.clear()
