"""What markers assert, run against a served model. Each gives the text of its failure, or None where it holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_tfserving.contracts.check import ExpectedSignature, compare_signature, find_size_conflicts
from pytest_tfserving.errors import GoldenError, RequestError, TensorError
from pytest_tfserving.golden.provenance import describe_run
from pytest_tfserving.report.terminal import golden_failure, signature_failure

if TYPE_CHECKING:
    from pytest_tfserving.golden.store import Case
    from pytest_tfserving.golden.tolerance import Tolerance
    from pytest_tfserving.served import Served
    from pytest_tfserving.session import Session
    from pytest_tfserving.tensors import Array


def check_signature(session: Session, served: Served, expected: ExpectedSignature) -> str | None:
    """Compares a signature with the export's and with the server's."""
    sources = {"export": served.export_schema} if served.export_schema else {}
    comparison = compare_signature(expected, {**sources, "server": served.schema})
    session.tally.note(served.name, f"signature {expected.name}", held=comparison.holds)
    if comparison.holds:
        return None
    where = {"server": f"{served.endpoint} ({served.backend})"}
    if served.export_directory:
        where = {"export": str(served.export_directory), **where}
    return signature_failure(comparison, served.name, where)


def check_golden(
    session: Session,
    served: Served,
    case: Case,
    transport: str,
    tolerance: Tolerance,
    signatures: Sequence[ExpectedSignature],
    node_id: str,
) -> str | None:
    """Sends a golden case and compares the answer, or collects it to be recorded.

    `signatures` are those that the same test expects: their named dimensions must hold in this prediction too.
    """
    from pytest_tfserving.golden.check import check_case

    def record(outputs: Mapping[str, Array] | None) -> None:
        provenance = describe_run(served.provenance)
        session.recorder.add(case.file, case.key, transport, outputs, provenance, tolerance)

    try:
        outcome = check_case(case, served.client(transport), served.schema, tolerance, session.settings.update)
    except (GoldenError, RequestError, TensorError) as error:
        session.tally.note(served.name, f"golden {transport}", held=False)
        if session.settings.update:
            record(None)
        prefix = "" if isinstance(error, GoldenError) else f"golden {case.where}, sent to {served.name}: "
        return f"{prefix}{error}"
    promised = [expected for expected in signatures if expected.name == outcome.signature.name]
    conflicts = [text for e in promised for text in find_size_conflicts(e, outcome.inputs, outcome.outputs)]
    holds = outcome.comparison is None or outcome.comparison.holds or outcome.to_record
    session.tally.note(served.name, f"golden {transport}", held=holds and not conflicts)
    if conflicts:
        if outcome.to_record:
            record(None)
        return f"golden {case.where} over {transport}: sizes do not fit the signature\n" + "\n".join(conflicts)
    if outcome.to_record:
        record(outcome.outputs)
        return None
    if not holds:
        return golden_failure(outcome, served.name, f"pytest --tfserving-update=changed {node_id!r}")
    return None


def check_recorded(
    session: Session, served_provenance: dict[str, str], outputs: dict[str, object], file: Path, tolerance: Tolerance
) -> str | None:
    """Compares outputs that a test's body holds with the golden at `file`, or collects them to be recorded."""
    import numpy as np

    from pytest_tfserving.golden.check import must_record
    from pytest_tfserving.golden.compare import compare
    from pytest_tfserving.golden.store import read_answer, where
    from pytest_tfserving.golden.text import is_exact, read_tensor
    from pytest_tfserving.report.terminal import difference_table

    arrays = {name: np.asarray(value) for name, value in outputs.items()}
    case = read_answer(file)
    update = session.settings.update
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
    table = "\n".join(difference_table(comparison.differences))
    return f"golden {where(file)} differs\n\n{table}\n\nif the new values are right: pytest --tfserving-update"
