"""A small model repository for each test of the plugin."""

from __future__ import annotations

import importlib
import json
import pkgutil
import shutil
from pathlib import Path
from typing import Any

import pytest

import pytest_tfserving

# pytester forgets what a run in this process was the first to import, and some extension modules load only once.
for _module in pkgutil.walk_packages(pytest_tfserving.__path__, "pytest_tfserving."):
    if not _module.name.startswith("pytest_tfserving.server"):
        importlib.import_module(_module.name)


class Repository:
    """A model repository in the pytester's directory: exports/half_plus_two, goldens/ and test files."""

    def __init__(self, pytester: pytest.Pytester, examples: Path) -> None:
        self.pytester = pytester
        self.path = pytester.path
        shutil.copytree(
            examples / "half_plus_two" / "exports" / "half_plus_two", self.path / "exports" / "half_plus_two"
        )

    def test_file(self, text: str, model: str | None = "exports/half_plus_two") -> None:
        """Writes test_model.py: `text` under the usual head."""
        head = "import numpy as np\nimport pytest\n"
        if model:
            head += f"pytestmark = pytest.mark.tfserving({model!r})\n"
        (self.path / "test_model.py").write_text(head + text)

    def golden(self, name: str, document: Any) -> Path:
        """Writes goldens/NAME.json."""
        file = self.path / "goldens" / f"{name}.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(document if isinstance(document, str) else json.dumps(document))
        return file

    def run(self, *arguments: str, backend: str = "embedded") -> pytest.RunResult:
        """Runs pytest in a process of its own."""
        return self.pytester.runpytest_subprocess("--tfserving-backend", backend, *arguments)

    def run_here(self, *arguments: str, backend: str = "embedded") -> pytest.RunResult:
        """Runs pytest in this process, which saves the start of one; for tests that leave the process as it was."""
        return self.pytester.runpytest_inprocess("--tfserving-backend", backend, *arguments)


@pytest.fixture
def repository(pytester: pytest.Pytester, examples: Path) -> Repository:
    return Repository(pytester, examples)
