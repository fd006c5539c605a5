"""The fences of README and docs, with what the comment before each says of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

PAGES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").rglob("*.md"))]

_FENCE = re.compile(
    r"(?:^<!-- test: (?P<test>[^\n]*?) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Fence:
    """One fence: where it is, its language, what is said of it, its text, and the fence behind it on its page."""

    page: Path
    line: int
    language: str
    test: str
    text: str
    next: Fence | None

    @property
    def id(self) -> str:
        """`markers-31`: the page's name and the line."""
        return f"{self.page.stem}-{self.line}"

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def fences_of(page: Path) -> list[Fence]:
    """The fences of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found: list[Fence] = []
    for match in reversed(list(_FENCE.finditer(text))):
        line = text.count("\n", 0, match.start("text"))
        following = found[0] if found else None
        found.insert(0, Fence(page, line, match["language"], match["test"] or "", match["text"], following))
    return found


FENCES = [fence for page in PAGES for fence in fences_of(page)]
