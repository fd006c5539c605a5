"""Many models, and many workers: a repository of thirty exports, its tests in one process and in several."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tools.bench.cold import EXPORT, OTHERS, beside, in_turns

MODELS = 30
WORKERS = (1, 2, 4)
CASES = 20  # of each model, on both transports


def rows(rounds: int) -> Iterator[tuple[str, str, str, str, str]]:
    """(what, measured, baseline, ratio or size, limit) of each figure."""
    pytest = [sys.executable, "-m", "pytest", "-q", "--tfserving-backend=embedded", *OTHERS]
    with tempfile.TemporaryDirectory() as folder:
        one, many = (write_repository(Path(folder), count) for count in (1, MODELS))
        ours, bare = in_turns([[*pytest, str(many)], [*pytest, str(one)]], rounds)
        yield (f"{MODELS} models, {CASES} goldens each, both transports", *beside(ours, bare, "of one model"), "")
        ours, bare = in_turns([[*pytest, str(many), "-k", "case-0"], [*pytest, str(one), "-k", "case-0"]], rounds)
        yield (f"{MODELS} models, one golden each", *beside(ours, bare, "of one model"), "2, plus loading")
        for workers in WORKERS:
            spread = [sys.executable, "-m", "pytest", "-q", "--tfserving-backend=embedded", "-p", "no:hypothesispytest"]
            mine, alone = in_turns([[*spread, str(many), "-n", str(workers)], [*pytest, str(many)]], rounds)
            yield (f"the same {MODELS} models with `-n {workers}`", *beside(mine, alone, "in one process"), "")


def write_repository(folder: Path, count: int) -> Path:
    """A repository of `count` models, each with a contract and its goldens."""
    root = folder / f"{count}-models"
    root.mkdir()
    (root / "pytest.ini").write_text("[pytest]\n")
    cases = {f"case-{n}": {"inputs": {"x": [float(n)]}, "outputs": {"y": [n / 2 + 2]}} for n in range(CASES)}
    (root / "goldens.json").write_text(json.dumps({"cases": cases}))
    for n in range(count):
        shutil.copytree(EXPORT, root / "exports" / f"model_{n}")
        (root / f"model_{n}.tfserving.toml").write_text(
            f'[model]\npath = "exports/model_{n}"\n\n[signatures.serving_default]\n'
            f'inputs.x = "float32[batch]"\noutputs.y = "float32[batch]"\n\n[goldens]\npath = "goldens.json"\n'
        )
    return root
