"""Contract tests for served TensorFlow models, as a pytest plugin.

What a test may want to import is here; everything else is a fixture, a marker or an option.
Nothing heavier than the standard library is loaded by this module.
"""

from pytest_tfserving.errors import (
    BackendError,
    Code,
    ContractWarning,
    ExportError,
    GoldenError,
    RequestError,
    ServerDiedError,
    SpecError,
    StartupError,
    TensorError,
    TFServingError,
)

__all__ = [
    "BackendError",
    "Code",
    "ContractWarning",
    "ExportError",
    "GoldenError",
    "RequestError",
    "ServerDiedError",
    "SpecError",
    "StartupError",
    "TFServingError",
    "TensorError",
]
