"""Findings as they stand in a failing test's report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from pytest_tfserving.contracts.check import SignatureComparison

if TYPE_CHECKING:
    from pytest_tfserving.golden.check import Outcome
    from pytest_tfserving.golden.compare import Difference

_MAX_ROWS = 40


def signature_failure(comparison: SignatureComparison, model: str, where: Mapping[str, str]) -> str:
    """What a signature's check found; `where` says what each source is (the export's path, the server's address)."""
    lines = [f"signature {comparison.name!r} of {model} is not as expected", ""]
    for source in comparison.missing_in:
        known = comparison.known[source]
        close = get_close_matches(comparison.name, known, n=1)
        lines.append(
            f"the {source} has no such signature; it has {', '.join(map(repr, known)) or 'none'}"
            + (f". Did you mean {close[0]!r}?" if close else "")
        )
    for source, method in comparison.methods.items():
        lines.append(f"the {source} has method {method}; {comparison.method} was expected")
    if not comparison.missing_in and comparison.rows:
        sources = list(comparison.known)
        rows = [["", "tensor", "expected", *sources, ""]]
        for row in comparison.rows:
            cells = [str(row.expected) if row.expected else "-"]
            cells += [str(row.sources[source]) if row.sources[source] else "-" for source in sources]
            rows.append(
                [row.side, row.name, *cells, "" if row.holds else f"<- {_what_differs(row.expected, row.sources)}"]
            )
        lines += table(rows)
    lines += ["", *(f"{source}: {text}" for source, text in where.items())]
    return "\n".join(lines)


def golden_failure(outcome: Outcome, model: str, how_to_record: str, what: str = "golden") -> str:
    """What a golden's check found, an output a line, and how to record the answer; `what` is what people call it."""
    comparison = outcome.comparison
    assert comparison is not None
    lines = [
        f"{what} {outcome.case.where} differs from what {model} answers over {outcome.transport} "
        f"(signature {outcome.signature.name!r})",
        "",
    ]
    lines += difference_table(comparison.differences)
    lines += _hints(outcome)
    lines += ["", f"if the new answer is right: {how_to_record}"]
    return "\n".join(lines)


def difference_table(differences: Sequence[Difference]) -> list[str]:
    """The differences, aligned: how many values differ, the worst one, the largest errors."""
    specs = [d for d in differences if d.kind != "values"]
    values = [d for d in differences if d.kind == "values"]
    lines = []
    if specs:
        rows = [["output", "expected", "served", ""]]
        lines += table(rows + [[d.output, d.expected, d.served, f"<- {d.kind}"] for d in specs])
    if values:
        rows = [["output", "differing", "worst at", "expected", "served", "max abs error", "max rel error"]]
        for d in values:
            rows.append(
                [
                    d.output,
                    f"{d.differing} of {d.total}",
                    f"[{', '.join(map(str, d.worst))}]",
                    d.expected,
                    d.served,
                    _number(d.max_absolute),
                    _number(d.max_relative),
                ]
            )
        lines += ([""] if specs else []) + table(rows)
    return lines


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows in aligned columns, the first one being their heads; long tables are cut."""
    shown = rows[: _MAX_ROWS + 1]
    widths = [max(len(row[column]) for row in shown) for column in range(len(shown[0]))]
    lines = [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in shown
    ]
    return lines + ([f"  ... and {len(rows) - len(shown)} more"] if len(rows) > len(shown) else [])


def _hints(outcome: Outcome) -> list[str]:
    comparison = outcome.comparison
    assert comparison is not None
    values = [d for d in comparison.differences if d.kind == "values"]
    lines = []
    if any(d.only_nan for d in values) and not comparison.tolerance.equal_nan:
        lines.append("NaN equals NaN only where that is asked for: equal_nan=True in the marker")
    floats = [d for d in values if outcome.outputs[d.output].dtype.kind in "fcV"]
    if floats:
        limits = {outcome.outputs[d.output].dtype.name: comparison.tolerance.of(outcome.outputs[d.output].dtype.name)
                  for d in floats}  # fmt: skip
        lines.append("compared with " + ", ".join(f"rtol={r:g} atol={a:g} ({name})" for name, (r, a) in limits.items()))
    return ["", *lines] if lines else []


def _what_differs(expected: object, sources: Mapping[str, object]) -> str:
    wrong = [spec for spec in sources.values() if spec != expected]
    if expected is None:
        return "not expected"
    return "missing" if any(spec is None for spec in wrong) else "differs"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
