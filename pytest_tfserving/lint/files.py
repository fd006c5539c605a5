"""The files of an export, and what they are for: variables and assets that a server would miss."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from pytest_tfserving.findings import Finding
from pytest_tfserving.inspection import Inspection
from pytest_tfserving.rules import lint as rules

# Ops with which a request may give a variable its first value.
_GIVE_VALUES = frozenset({"Assign", "AssignVariableOp"})

_MOST_NAMED = 5


def find_file_problems(inspection: Inspection) -> Iterator[Finding]:
    """Findings about variables/ and assets/."""
    if inspection.needs_variables and inspection.checkpoint.damage:
        yield Finding.of(
            rules.VARIABLES_INCOMPLETE,
            f"the graph has variables, and {inspection.checkpoint.damage}: the model fails to load, or loads and fails "
            f"at every request. Copy the export whole, or export it again",
        )
    yield from _find_unrestored(inspection)
    for asset in inspection.assets:
        if asset.size is None:
            yield Finding.of(
                rules.ASSET_MISSING,
                f"{inspection.directory / 'assets' / asset.name} is missing: the model fails to load, or at the "
                f"requests that read it. Copy the export whole, or export it again",
            )


def _find_unrestored(inspection: Inspection) -> Iterator[Finding]:
    """A finding about variables that requests read and nothing gives a value, unless a request could itself."""
    if inspection.served_ops & _GIVE_VALUES:
        return
    missing = inspection.served_variables - inspection.loaded_variables
    if not missing:
        return
    signatures = inspection.schema.callable_signatures.values()
    reading = list(islice((s.name for s in signatures if inspection.variables_of(s) & missing), _MOST_NAMED + 1))
    yield Finding.of(
        rules.VARIABLES_NOT_RESTORED,
        f'every request for {_some(reading)} fails with "Could not find variable": {_some(sorted(missing))} '
        f"{'is' if len(missing) == 1 else 'are'} read, and nothing gives a value to "
        f"{'it' if len(missing) == 1 else 'them'} at the load. Export a Keras 3 model with model.export(), not with "
        f"tf.saved_model.save(); else keep every variable that a function uses as an attribute of what is saved",
        signature=reading[0] if len(reading) == 1 else None,
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:_MOST_NAMED])) + (" and others" if len(names) > _MOST_NAMED else "")
