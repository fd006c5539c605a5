"""A comparator of one's own: a function of the expected and the served array, by name."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import numpy as np

from pytest_tfserving.errors import SpecError
from pytest_tfserving.golden.comparators.pair import Pair
from pytest_tfserving.golden.difference import Difference, Offender

# Answers of a set are compared in several threads, which who writes such a function need not know. Nor may two of them
# change sys.path and have Python forget what it knows of it (importlib.invalidate_caches) at a time.
_one_call = Lock()


def compare_custom(pair: Pair, name: str, base: str) -> Difference | None:
    """Calls the function `module:function` with (expected, served): it gives True, or False, or text that says what
    is wrong; what it asserts counts as such a text. Of calls from several threads one waits for the other.

    Raises SpecError where there is no such function, where it raises anything else, and where it gives something else.
    """
    with _one_call:
        function = find_function(name, Path(base) if base else None)
    try:
        with _one_call:
            said = function(pair.expected.copy(), pair.served.copy())
    except AssertionError as error:
        said = str(error).strip() or "an assertion failed"
    except Exception as error:
        raise SpecError(f"custom {name}, called for output {pair.output!r}, raised {_told(error)}") from error
    if isinstance(said, str):
        problem = said
    elif isinstance(said, bool | np.bool_):
        problem = "" if said else "it gave False"
    else:
        raise SpecError(
            f"custom {name}, called for output {pair.output!r}, gave {said!r:.60}; True, False, or text that says what "
            f"is wrong was expected"
        )
    return pair.broken(f"custom={name}", offenders=[Offender((), "", problem, None)]) if problem else None


def find_function(name: str, base: Path | None) -> Callable[..., object]:
    """The function `module:function`, of a module that lies in `base` or a directory above it, or that can be imported
    as it is. Raises SpecError."""
    module, _, attribute = name.partition(":")
    near = _directory_of(module, base)
    with _first_on_path(near):
        try:
            imported = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise SpecError(f"custom {name} cannot be imported: {_told(error)}") from error
            raise SpecError(
                f"custom {name}: there is no module {module}, neither in {base or Path.cwd()} and the directories "
                f"above it nor on PYTHONPATH"
            ) from None
        except Exception as error:
            raise SpecError(f"custom {name} cannot be imported: {_told(error)}") from error
    file = getattr(imported, "__file__", None)
    if near and file and Path(file).resolve() not in {path.resolve() for path in _files(near, module)}:
        raise SpecError(
            f"custom {name} means the module in {near}, but {module} has been imported from {file} before; give one of "
            f"them another name"
        )
    found = getattr(imported, attribute, None)
    if not callable(found):
        raise SpecError(f"custom {name}: the module {module} has no function {attribute}")
    function: Callable[..., object] = found
    return function


def _directory_of(module: str, base: Path | None) -> Path | None:
    """The nearest directory from `base` upwards that holds the module; None where it is to be had elsewhere or not."""
    above = (base, *base.parents) if base else ()
    return next((directory for directory in above if any(file.is_file() for file in _files(directory, module))), None)


def _files(directory: Path, module: str) -> tuple[Path, Path]:
    path = directory.joinpath(*module.split("."))
    return path.with_name(f"{path.name}.py"), path / "__init__.py"


@contextmanager
def _first_on_path(directory: Path | None) -> Iterator[None]:
    """Puts a directory first on sys.path for the time of an import, as pytest does with a test file's own."""
    if directory is None:
        yield
        return
    sys.path.insert(0, str(directory))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(directory))


def _told(error: BaseException) -> str:
    """An error with the line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    at = f" ({frames[-1].filename}:{frames[-1].lineno}: {frames[-1].line})" if frames else ""
    return f"{type(error).__name__}: {error}{at}"
