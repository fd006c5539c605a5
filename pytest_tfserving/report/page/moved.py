"""What moved, as the page shows it: an output's figures, its classes, its worst cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pytest_tfserving.report.page import words
from pytest_tfserving.report.page.figures import Figures, errors_show

MOST_FIGURES = 30

# Bytes of data URLs on one page; what comes later has its pictures left out.
MOST_PICTURES = 2_000_000


class Figure(NamedTuple):
    """One drawing, and what it shows in words."""

    title: str
    svg: str
    caption: str


class Cell(NamedTuple):
    """One number of a confusion matrix. `shade` is the opacity of what lies behind it; `stays` is the diagonal."""

    times: int
    shade: float
    stays: bool


class Classes(NamedTuple):
    """A confusion matrix: rows of cells by expected class, and the exchanges that happened most often."""

    labels: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell]]]
    most: Sequence[tuple[str, str, int]]
    stayed: int
    total: int
    left_out: int


class Worst(NamedTuple):
    """The worst values of one case: its inputs once, its pictures once, a line a value."""

    test: str
    case: str
    transport: str
    inputs: Sequence[dict[str, Any]]
    pictures: Sequence[tuple[str, str]]
    values: Sequence[dict[str, Any]]


class Moved(NamedTuple):
    """One output; `facts` are the document's. Only where `drawn` there are figures.

    Of its worst values: `has_errors` where any of them has one, `numbers` where they are some.
    """

    anchor: str
    facts: dict[str, Any]
    drawn: bool
    figures: Sequence[Figure]
    classes: Classes | None
    worst: Sequence[Worst]
    has_errors: bool
    numbers: bool


class Pictures:
    """Data URLs as far as the page has room for them."""

    def __init__(self) -> None:
        self.room = MOST_PICTURES
        self.left_out = 0

    def admit(self, url: str | None) -> str | None:
        """The URL, or None where there is none, no room for it, or where it is no picture."""
        if not url or not url.startswith("data:image/"):
            return None
        if len(url) > self.room:
            self.left_out += 1
            return None
        self.room -= len(url)
        return url


def moved_outputs(outputs: Sequence[dict[str, Any]], figures: Figures, pictures: Pictures) -> list[Moved]:
    """The document's `moved`, in its order; the first ones are drawn."""
    shown = []
    room = MOST_FIGURES
    for place, facts in enumerate(outputs, 1):
        # One class says nothing: it may be all that was compared.
        has_classes = bool(facts["confusion"]) and len(facts["confusion"]["labels"]) > 1
        wanted = bool(facts["errors"]) + bool(facts["scatter"]) + has_classes
        drawn = wanted <= room
        room = room - wanted if drawn else 0
        shown.append(
            Moved(
                f"moved-{place}",
                facts,
                drawn,
                _figures(facts, figures) if drawn else [],
                _classes(facts["confusion"]) if has_classes else None,
                _worst(facts["worst"], pictures),
                any(value["error"] is not None for value in facts["worst"]),
                facts["dtype"] != "string" and facts["unit"] == "values",
            )
        )
    return shown


def names_of(outputs: Sequence[Mapping[str, Any]]) -> list[str]:
    """`scores of mnist`, each once."""
    return [*dict.fromkeys(f"{output['output']} of {output['model']}" for output in outputs)]


def common_environment(outputs: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """What all of them say of a changed environment; nothing where they do not say the same."""
    first = outputs[0]["environment"] if outputs else []
    return list(first) if len(outputs) > 1 and all(output["environment"] == first for output in outputs) else []


def error_rows(errors: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    """Of each power of ten from where to where it goes, and how many values lie in it; the largest first."""
    powers = [10.0 ** (errors["lowest"] + i) for i in range(len(errors["counts"]) + 1)]
    rows = zip(powers, powers[1:], errors["counts"], strict=False)
    return [(words.number(low), words.number(high), count) for low, high, count in rows if count][::-1]


def _figures(facts: Mapping[str, Any], figures: Figures) -> list[Figure]:
    found = []
    name = words.one_line(facts["output"])
    if facts["errors"] and sum(facts["errors"]["counts"]):
        errors = facts["errors"]
        total = sum(errors["counts"])
        low, high, most = max(error_rows(errors), key=lambda row: row[2])
        most_of_them = f"most of them, {most:,}, are " if most < total else ""
        caption = f"{words.plural(total, 'value')} not equal; {most_of_them}off by {low} to {high}."
        label = f"Errors of {name} by powers of ten: {caption}"
        found.append(Figure("How far off", figures.histogram(errors["lowest"], errors["counts"], label), caption))
    scatter = facts["scatter"]
    # Where all of these are equal, what differs has no place in a figure: NaN, infinity.
    if scatter and len(scatter["expected"]) > 2 and scatter["expected"] != scatter["served"]:
        expected, served = scatter["expected"], scatter["served"]
        points = words.plural(len(expected), "value")
        both = f"from {words.number(min(expected))} to {words.number(max(expected))}"
        if errors_show(expected, served):
            caption = f"{points}, expected {both}; on the line they would be equal."
            svg = figures.scatter(expected, served, f"Served over expected values of {name}: {caption}")
            found.append(Figure("Served over expected", svg, caption))
        else:
            caption = f"{points}, expected {both}; errors are too small to be seen beside these, so they stand alone."
            svg = figures.residuals(expected, served, f"Errors over expected values of {name}: {caption}")
            found.append(Figure("Errors over expected", svg, caption))
    return found


def _classes(confusion: Mapping[str, Any]) -> Classes:
    counts, labels = confusion["counts"], [str(label) for label in confusion["labels"]]
    pairs = [(row, column) for row in range(len(labels)) for column in range(len(labels))]
    largest = {
        stays: max((counts[r][c] for r, c in pairs if (r == c) is stays), default=0) or 1 for stays in (True, False)
    }

    def cell(row: int, column: int) -> Cell:
        value, stays = counts[row][column], row == column
        # A single one is seen; the darkest still has legible text on it in both themes.
        shade = 0.12 + (0.2 if stays else 0.33) * value / largest[stays] if value else 0.0
        return Cell(value, round(shade, 2), stays)

    rows = [(label, [cell(row, column) for column in range(len(labels))]) for row, label in enumerate(labels)]
    exchanged = sorted(
        ((r, c) for r, c in pairs if r != c and counts[r][c]), key=lambda pair: -counts[pair[0]][pair[1]]
    )
    most = [(labels[r], labels[c], counts[r][c]) for r, c in exchanged[:5]]
    stayed = sum(counts[i][i] for i in range(len(labels)))
    return Classes(labels, rows, most, stayed, sum(map(sum, counts)), confusion["left_out"])


def _worst(worst: Sequence[dict[str, Any]], pictures: Pictures) -> list[Worst]:
    """By what was sent (a case, or an entry of its batch), in the order of each one's worst value."""
    sent: list[list[dict[str, Any]]] = []
    for value in worst:
        together = next((values for values in sent if _is_of_one(values[0], value)), None)
        if together is None:
            sent.append([value])
        else:
            together.append(value)
    found = []
    for values in sent:
        first = values[0]
        inputs = [{**given, "picture": pictures.admit(given["picture"])} for given in first["inputs"]]
        outputs = [(name, url) for name, data in (first["pictures"] or {}).items() if (url := pictures.admit(data))]
        found.append(Worst(first["test"], first["case"], first["transport"], inputs, outputs, values))
    return found


def _is_of_one(value: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(value[key] == other[key] for key in ("test", "case", "transport", "inputs", "pictures"))
