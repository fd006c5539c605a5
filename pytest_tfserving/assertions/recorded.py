"""Asserts that values of a test's body are as recorded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pytest_tfserving.errors import GoldenError
from pytest_tfserving.golden.check import must_record
from pytest_tfserving.golden.compare import compare
from pytest_tfserving.golden.exact import read_tensor
from pytest_tfserving.golden.provenance import describe_run
from pytest_tfserving.golden.store import read_answer, where
from pytest_tfserving.golden.text import is_exact
from pytest_tfserving.golden.tolerance import Tolerance, check_outputs_named
from pytest_tfserving.report.goldens import View, changed_environment, comparison_lines
from pytest_tfserving.session import Session
from pytest_tfserving.tensors import name_of


def check_recorded(
    session: Session,
    served_provenance: Mapping[str, str],
    outputs: Mapping[str, object],
    file: Path,
    tolerance: Tolerance,
    node_id: str,
) -> str | None:
    """Compares outputs that a test's body holds with the golden at `file`, or collects them to be recorded.

    Raises GoldenError where there is no golden that can be used, SpecError where the tolerance says nothing of the
    outputs.
    """
    arrays = {name: np.asarray(value) for name, value in outputs.items()}
    case = read_answer(file)
    update = session.settings.update
    check_outputs_named(tolerance, arrays)
    comparison = None
    if case is not None and case.answer is not None:
        expected = case.answer.get("outputs")
        if not isinstance(expected, dict) or not all(is_exact(value) for value in expected.values()):
            raise GoldenError(f"{file}: a golden of a test's body holds recorded tensors by name under `outputs`")
        comparison = compare({name: read_tensor(v, "", name) for name, v in expected.items()}, arrays, tolerance)
    if must_record(comparison, update):
        session.recorder.add(file, None, "body", arrays, describe_run(served_provenance), tolerance)
        return None
    if comparison is None:
        raise GoldenError(f"no golden {file}; record it with `pytest --tfserving-update`")
    if comparison.holds:
        return None
    assert case is not None
    lines = [
        f"golden {where(file)} differs",
        "",
        *changed_environment(case.provenance, describe_run(served_provenance) if served_provenance else {}),
        *comparison_lines(comparison, {n: name_of(a) for n, a in arrays.items()}, View(session.verbosity, node_id)),
        "",
        f"if the new values are right: pytest --tfserving-update=changed {node_id!r}",
    ]
    return "\n".join(lines)
