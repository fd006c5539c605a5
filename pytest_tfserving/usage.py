"""How each marker is written: what `pytest --markers` prints and what a wrong keyword is told."""

from __future__ import annotations

from typing import NamedTuple


class Usage(NamedTuple):
    """How a marker is written: its line for `pytest --markers`, and the keywords it takes."""

    line: str
    keywords: tuple[str, ...]


USAGE = {
    "tfserving": Usage(
        "tfserving(path, name=None, version=None, label=None, labels={}, tags=('serve',), server_args=()): serve the "
        "export at `path` (a SavedModel directory, or a base directory of numbered versions; relative to the test "
        "file) to this test",
        ("path", "name", "version", "label", "labels", "tags", "server_args"),
    ),
    "tfserving_signature": Usage(
        "tfserving_signature(name='serving_default', inputs=None, outputs=None): before the test's body, check that "
        "the export and the server have these tensors, such as inputs={'x': 'float32[batch, 3]'}",
        ("name", "inputs", "outputs"),
    ),
    "tfserving_golden": Usage(
        "tfserving_golden(path, rtol=None, atol=None, equal_nan=False): one test for each golden case at `path` (a "
        "file, a directory or a glob; relative to the test file) and transport",
        ("path", "rtol", "atol", "equal_nan"),
    ),
}
