"""The page of a run: a report's document (report/document.py) -> HTML that needs no other file.

jinja2 and matplotlib (extra `report`) are imported by `render` alone.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_tfserving.latency.plan import PERCENTILES
from pytest_tfserving.report.page import words
from pytest_tfserving.report.page.figures import Figures, quiet
from pytest_tfserving.report.page.latency import latencies
from pytest_tfserving.report.page.moved import (
    MOST_FIGURES,
    Pictures,
    common_environment,
    error_rows,
    moved_outputs,
    names_of,
)
from pytest_tfserving.report.page.pictures import is_small
from pytest_tfserving.report.page.tests import kinds_of, list_tests

_TEMPLATES = Path(__file__).parent / "templates"
_SECTIONS = ("top", "moved", "latency", "models", "tests", "goldens", "run", "filter", "found")


def render(document: Mapping[str, Any]) -> str:
    """The page, the same text of equal documents: no clock, no machine, no random ids.

    Text of the document cannot break out of its place, and what cannot be seen is written as an escape. Styles and
    script are inside; a Content-Security-Policy lets nothing else run and nothing be loaded.
    Raises ImportError where jinja2 or matplotlib is missing.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES, encoding="utf-8"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=lambda value: words.plain(value) if type(value) is str else value,
    )
    for name in ("count", "fragment", "listed", "moment", "number", "one_line", "over", "plural", "seconds"):
        environment.filters[name] = getattr(words, name)
    script = (_TEMPLATES / "page.js").read_text(encoding="utf-8")
    figures, pictures = Figures(), Pictures()
    with quiet():
        moved = moved_outputs(document["moved"], figures, pictures)
        measured = latencies(document["latencies"], figures)
    baselines = [output.facts["baseline"] for output in moved]
    anchors_of_moved = [output.anchor for output in moved]
    return environment.get_template("page.html").render(
        document=document,
        run=document["run"],
        verdict=words.verdict(document["run"]),
        ending=words.ending(document["run"]["exit_status"]),
        moved=moved,
        latencies=measured,
        percentiles=[*PERCENTILES],
        names=names_of(document["moved"]),
        nothing=words.NOTHING,
        environment=common_environment(document["moved"]),
        against="all" if all(baselines) else "some" if any(baselines) else "none",
        most_links=20,
        undrawn=any(not output.drawn for output in moved),
        most_figures=MOST_FIGURES,
        pictures=pictures,
        kinds=kinds_of(document["models"]),
        held=sum(any(check["held"] for check in model["checks"]) for model in document["models"]),
        tests=list_tests(document["tests"], [*_SECTIONS, *anchors_of_moved]),
        error_rows=error_rows,
        share=words.share,
        safe=Markup,
        small=lambda url: Markup(' class="small"') if is_small(url) else "",
        style=Markup((_TEMPLATES / "page.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
