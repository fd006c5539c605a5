"""Findings as they stand in a failing test's report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from pytest_tfserving.contracts.check import SignatureComparison

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


def table(rows: Sequence[Sequence[str]], most: int = _MAX_ROWS) -> list[str]:
    """Rows in aligned columns, the first one being their heads; of longer tables `most` rows."""
    shown = rows[: most + 1]
    widths = [max(len(row[column]) for row in shown) for column in range(len(shown[0]))]
    lines = [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in shown
    ]
    return lines + ([f"  ... and {len(rows) - len(shown)} more"] if len(rows) > len(shown) else [])


def _what_differs(expected: object, sources: Mapping[str, object]) -> str:
    wrong = [spec for spec in sources.values() if spec != expected]
    if expected is None:
        return "not expected"
    return "missing" if any(spec is None for spec in wrong) else "differs"
