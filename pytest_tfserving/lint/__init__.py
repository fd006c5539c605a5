"""What will hurt when an export is served: Inspection -> findings. Pure; the rules are rules/lint.py's."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_tfserving.findings import Finding
from pytest_tfserving.inspection import Inspection
from pytest_tfserving.lint.batch import find_batch_problems
from pytest_tfserving.lint.files import find_file_problems
from pytest_tfserving.lint.json_form import find_json_problems
from pytest_tfserving.lint.ops import find_op_problems
from pytest_tfserving.lint.signature import find_missing_signatures, find_signature_problems
from pytest_tfserving.lint.warmup import find_warmup_problems

__all__ = ["find_problems"]


def find_problems(inspection: Inspection) -> Iterator[Finding]:
    """The findings of every rule, those of the whole model first, then signature by signature."""
    yield from find_missing_signatures(inspection)
    yield from find_file_problems(inspection)
    yield from find_op_problems(inspection)
    yield from find_warmup_problems(inspection)
    for signature in inspection.schema.callable_signatures.values():
        yield from find_signature_problems(inspection, signature)
        if signature.method not in ("classify", "regress"):  # their tensors never cross the wire: examples do
            yield from find_batch_problems(signature)
            yield from find_json_problems(inspection, signature)
