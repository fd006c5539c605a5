"""What changed between two exports, or between what clients rely on and an export, and which clients that breaks."""

from pytest_tfserving.compatibility.changes import find_changes
from pytest_tfserving.compatibility.promised import PromisedSignature, PromisedSignatures

__all__ = ["PromisedSignature", "PromisedSignatures", "find_changes"]
