"""The files of an export: variables and assets that a server would miss."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_tfserving.findings import Finding
from pytest_tfserving.inspection import Inspection
from pytest_tfserving.rules import lint as rules


def find_file_problems(inspection: Inspection) -> Iterator[Finding]:
    """Findings about variables/ and assets/."""
    if inspection.needs_variables and inspection.checkpoint.damage:
        yield Finding.of(
            rules.VARIABLES_INCOMPLETE,
            f"the graph has variables, and {inspection.checkpoint.damage}: the model fails to load, or loads and fails "
            f"at every request. Copy the export whole, or export it again",
        )
    for asset in inspection.assets:
        if asset.size is None:
            yield Finding.of(
                rules.ASSET_MISSING,
                f"{inspection.directory / 'assets' / asset.name} is missing: the model fails to load, or at the "
                f"requests that read it. Copy the export whole, or export it again",
            )
