"""Figures of the page: numbers -> inline SVG, drawn by matplotlib (extra `report`), which is imported here alone.

matplotlib writes colours as numbers into `style` attributes. Each is drawn in a stand-in that is replaced by a CSS
variable of the page, so one SVG serves light and dark.
"""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import floor, log10
from typing import TYPE_CHECKING, Any

from pytest_tfserving.latency.durations import duration_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The stand-ins, and the page's variables behind them.
INK, FAINT, RULE, EXPECTED, MOVED = "#000001", "#000002", "#000003", "#000004", "#000005"
_VARIABLES = {INK: "--ink", FAINT: "--faint", RULE: "--rule", EXPECTED: "--expected", MOVED: "--moved"}

# Points of 1/72 inch, one of which is a CSS pixel of the page: at that size text is as large as the page's notes.
_WIDTH, _HEIGHT = 360, 280
_LOW = 150  # of one that is small
_TEXT = 11

# More powers of ten than that are put together by twos, threes, ...
_MOST_BARS = 14

_MINUS = "\N{MINUS SIGN}"
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class Figures:
    """Draws figures for one page; each gets ids of its own there."""

    def __init__(self) -> None:
        self.drawn = 0

    def histogram(self, lowest: int, counts: Sequence[int], label: str) -> str:
        """How many values are off by how much: `counts[i]` by 10**(lowest + i) and more, less than ten times that."""
        wide = -(-len(counts) // _MOST_BARS)
        bars = [sum(counts[start : start + wide]) for start in range(0, len(counts), wide)]
        with self._axes(0.03) as (axes, svg):
            highest = max(bars, default=0) or 1
            # A single value among millions is still to be seen.
            heights = [max(count / highest, 0.012) if count else 0 for count in bars]
            axes.bar(range(len(bars)), heights, width=0.9, align="edge", color=MOVED, linewidth=0)
            size = _TEXT if len(bars) <= 7 else _TEXT - 2.5
            for place, (count, height) in enumerate(zip(bars, heights, strict=True)):
                if count:
                    text = f"{count:,}" if count < 10_000 or len(bars) <= 5 else _short(count)
                    axes.text(place + 0.45, height + 0.02, text, ha="center", va="bottom", color=INK, fontsize=size)
            axes.set_xlim(-0.25, max(len(bars), 5) + 0.15)
            axes.set_ylim(0, 1.12)
            axes.set_yticks([])
            every = -(-(len(bars) + 1) // 9)
            edges = [place for place in range(len(bars) + 1) if place % every == 0]
            axes.set_xticks([edge - 0.05 for edge in edges], [_power(lowest + edge * wide) for edge in edges])
            axes.spines["left"].set_visible(False)
            _name_axes(axes, "absolute error", "values")
        return self._finish(svg, label)

    def scatter(self, expected: Sequence[float], served: Sequence[float], label: str) -> str:
        """Served over expected values with the line on which they would be equal."""
        with self._axes(0.17) as (axes, svg):
            scale, threshold = _scale([*expected, *served])
            for set_scale in (axes.set_xscale, axes.set_yscale):
                set_scale(scale, **({"linthresh": threshold} if scale == "symlog" else {}))
            low, high = _limits([*expected, *served], scale)
            axes.set_xlim(low, high)
            axes.set_ylim(low, high)
            axes.plot([low, high], [low, high], color=FAINT, linewidth=1, zorder=1)
            _dots(axes, expected, served)
            _ticks(axes.xaxis, low, high, scale, threshold, 5)
            _ticks(axes.yaxis, low, high, scale, threshold, 5)
            _name_axes(axes, "expected", "served")
        return self._finish(svg, label)

    def residuals(self, expected: Sequence[float], served: Sequence[float], label: str) -> str:
        """Served less expected values over expected ones: where errors are too small to be seen beside the values."""
        errors = [b - a for a, b in zip(expected, served, strict=True)]
        with self._axes(0.17) as (axes, svg):
            axes.set_xlim(*_limits(expected, "linear"))
            axes.set_ylim(*_limits([*errors, 0.0], "linear"))
            axes.axhline(0, color=FAINT, linewidth=1, zorder=1)
            _dots(axes, expected, errors)
            for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
                _ticks(axis, low, high, "linear", 0.0, 5)
            _name_axes(axes, "expected", f"served {_MINUS} expected")
        return self._finish(svg, label)

    def latencies(self, measured: Mapping[str, Any], baseline: Mapping[str, Any] | None, label: str) -> str:
        """How many requests took how long, in columns, and a baseline's as a line; the share of each one's own.

        Both have `counts` between `edges`, in seconds (report/measurements.py).
        """
        with self._axes(0.03, _LOW) as (axes, svg):
            edges = [log10(edge) for side in (measured, baseline) if side for edge in side["edges"]]
            low, high = min(edges), max(edges)
            for side in (measured, baseline):
                if side:
                    shares = [count / sum(side["counts"]) for count in side["counts"]]
                    places = [log10(edge) for edge in side["edges"]]
                    filled = side is measured
                    axes.stairs(
                        shares, places, fill=filled, color=EXPECTED if filled else INK, linewidth=0 if filled else 1
                    )
            room = max(0.02 * (high - low), 0.05)
            axes.set_xlim(low - room, high + room)
            axes.set_yticks([])
            marks = _durations(low, high)
            axes.set_xticks([place for place, _ in marks], [text for _, text in marks])
            axes.spines["left"].set_visible(False)
            _name_axes(axes, "latency", "requests")
        return self._finish(svg, label, _LOW)

    @contextmanager
    def _axes(self, left: float, height: int = _HEIGHT) -> Iterator[tuple[Axes, io.StringIO]]:
        """One pair of axes to draw on; their SVG is in the stream after the block."""
        import matplotlib
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure

        svg = io.StringIO()
        with matplotlib.rc_context(_settings(matplotlib.rcParamsDefault)):
            figure = Figure(figsize=(_WIDTH / 72, height / 72), dpi=72)
            axes = figure.add_axes((left, 42 / height, 0.96 - left, 1 - 67.2 / height))
            axes.patch.set_visible(False)
            figure.patch.set_visible(False)
            axes.tick_params(length=3, width=0.8, color=FAINT, labelcolor=INK, pad=3, which="major")
            for side in ("left", "bottom"):
                axes.spines[side].set_color(FAINT)
            yield axes, svg
            canvas: Any = FigureCanvasSVG(figure)
            canvas.print_svg(svg, metadata={"Date": None, "Creator": None})

    def _finish(self, svg: io.StringIO, label: str, height: int = _HEIGHT) -> str:
        self.drawn += 1
        return _inline(svg.getvalue(), f"figure-{self.drawn}", label, height)


@contextmanager
def quiet() -> Iterator[None]:
    """No warnings and log lines of matplotlib, as of a home that cannot be written to, get to the terminal."""
    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def errors_show(expected: Sequence[float], served: Sequence[float]) -> bool:
    """Whether errors are large enough beside the values to be seen in a scatter of both."""
    reach = max([*expected, *served]) - min([*expected, *served])
    return max(abs(a - b) for a, b in zip(expected, served, strict=True)) >= 0.02 * reach


def _settings(defaults: Any) -> Any:
    """matplotlib's defaults, whatever a matplotlibrc says, and ours. The backend is not ours to change."""
    kept = {key: value for key, value in defaults.items() if not key.startswith(("backend", "interactive", "toolbar"))}
    return {
        **kept,
        "font.family": ["DejaVu Sans"],  # it comes with matplotlib; the page puts its own in that place
        "font.size": _TEXT,
        "axes.labelcolor": FAINT,
        "axes.labelsize": _TEXT,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "svg.fonttype": "none",
        "svg.hashsalt": "pytest-tfserving",
        "text.color": INK,
    }


def _scale(values: Sequence[float]) -> tuple[str, float]:
    """log where positive values span more than two decades; symlog, with its linear part, where others do."""
    sizes = sorted(abs(value) for value in values if value)
    if not sizes or sizes[-1] / sizes[0] < 100:
        return "linear", 0.0
    if min(values) > 0:
        return "log", 0.0
    # Few values near zero make no reason: what is in the middle is compared with the largest.
    middle = sizes[len(sizes) // 2]
    return ("symlog", 10.0 ** floor(log10(sizes[len(sizes) // 10]))) if sizes[-1] / middle > 100 else ("linear", 0.0)


def _limits(values: Sequence[float], scale: str) -> tuple[float, float]:
    """Where an axis begins and ends: a little beyond the values, at whole powers of ten of a log scale."""
    low, high = min(values), max(values)
    if scale == "log":
        return 10.0 ** max(floor(log10(low)), -307), 10.0 ** min(floor(log10(high)) + 1, 308)
    if scale == "symlog":
        return low * (1.5 if low < 0 else 0), high * (1.5 if high > 0 else 0)
    room = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    return low - room, high + room


def _ticks(axis: Any, low: float, high: float, scale: str, threshold: float, most: int) -> None:
    """A few ticks with plain labels; matplotlib's own for log scales take most of a figure's time."""
    from matplotlib.ticker import MaxNLocator, NullLocator

    axis.set_minor_locator(NullLocator())
    if scale == "linear":
        places = [float(place) for place in MaxNLocator(most).tick_values(low, high) if low <= place <= high]
        step = places[1] - places[0] if len(places) > 1 else 1.0
        axis.set_ticks(places, labels=[_number(0.0 if abs(place) < step / 1e6 else place) for place in places])
        return
    if scale == "log":
        exponents = range(round(log10(low)), round(log10(high)) + 1)
        every = -(-len(exponents) // (most + 1))
        powers = [exponent for exponent in exponents if exponent % every == 0]
        axis.set_ticks([10.0**power for power in powers], labels=[_power(power) for power in powers])
        return
    top = floor(log10(max(-low, high)))
    bottom = round(log10(threshold))
    every = max(1, -(-(top - bottom + 1) // 2))
    powers = list(range(top, bottom, -every))
    marks = [(-(10.0**power), _MINUS + _power(power)) for power in powers] + [(0.0, "0")]
    marks += [(10.0**power, _power(power)) for power in powers]
    marks = sorted(mark for mark in marks if low <= mark[0] <= high)
    axis.set_ticks([place for place, _ in marks], labels=[text for _, text in marks])


def _durations(low: float, high: float) -> list[tuple[float, str]]:
    """Ticks of an axis of seconds' powers of ten: whole ones, and 2 and 5 between them where there is room."""
    for steps in ((1, 2, 5), (1, 3), (1,)):
        values = [step * 10.0**power for power in range(floor(low), floor(high) + 1) for step in steps]
        marks = [(log10(value), duration_text(value * 1e9)) for value in values if low <= log10(value) <= high]
        if len(marks) <= 6:
            break
    return marks[:: -(-len(marks) // 6) or 1]


def _dots(axes: Axes, x: Sequence[float], y: Sequence[float]) -> None:
    """A dot each. All are one path of strokes without length, a tenth of the bytes of a marker each."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    vertices = [(a, b) for a, b in zip(x, y, strict=True) for _ in range(2)]
    path = Path(vertices, [Path.MOVETO, Path.LINETO] * len(x))
    path.should_simplify = False  # would drop what has no length
    patch = PathPatch(path, fill=False, edgecolor=MOVED, linewidth=4.2, alpha=0.75, capstyle="round", zorder=2)
    patch.set_transform(axes.transData)
    axes.add_artist(patch)  # not add_patch, which works out where each dot's curve ends


def _name_axes(axes: Axes, x: str, y: str) -> None:
    """Names at the ends of the axes, where no tick's label is, however long."""
    figure = axes.get_figure()
    assert figure is not None
    figure.text(0.005, 0.985, y, ha="left", va="top", color=FAINT)
    figure.text(0.98, 0.005, x, ha="right", va="bottom", color=FAINT)


def _inline(svg: str, prefix: str, label: str, height: int) -> str:
    """The SVG as it may stand in a page: our colours and font, no ids and styles that meet another figure's."""
    from html import escape

    svg = svg[svg.index("<svg") :]
    body = svg[svg.index(">") + 1 : svg.rindex("</svg>")]
    body = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", body, flags=re.DOTALL)
    # `*{stroke-linejoin: round; ...}`, which a page would take for all that it has
    body = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", body, flags=re.DOTALL)
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', body))
    body = re.sub(r' id="([^"]*)"', lambda found: f' id="{prefix}-{found[1]}"' if found[1] in used else "", body)
    body = re.sub(r'(url\(#|href="#)', rf"\g<1>{prefix}-", body).replace("xlink:href", "href")
    for colour, variable in _VARIABLES.items():
        body = body.replace(colour, f"var({variable})")
    # Since matplotlib 3.9 font-size and font-family, before that font alone.
    body = re.sub(r"font(?:-size)?: ([\d.]+px)(?:; font-family:)? ?[^;\"]*", r"font: \1 var(--sans)", body)
    body = re.sub(r' transform="rotate\(-0 [^)]*\)"| clip-path="[^"]*"', "", body)
    body = re.sub(r"<defs>\s*<clipPath.*?</defs>", "", body, flags=re.DOTALL)
    body = re.sub(r'(?<= )(?:d|x|y|x1|x2|y1|y2)="[^"]*"', _rounded, body)
    if "<g " not in body:
        body = re.sub(r"</?g/?>", "", body)
    body = re.sub(r"\s*\n\s*", " ", body)
    body = re.sub(r" {2,}", " ", body)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(label)}" '
        f'width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}" stroke-linejoin="round">{body}</svg>'
    )


def _rounded(attribute: re.Match[str]) -> str:
    """Coordinates to a tenth of a pixel."""
    return re.sub(r"\d+\.\d{2,}", lambda number: f"{float(number[0]):.1f}".removesuffix(".0"), attribute[0])


def _power(exponent: int) -> str:
    """0.01, 1, 100 where that is short, else as a power: 10⁻⁷."""
    return f"{10.0**exponent:g}" if -3 <= exponent <= 3 else "10" + str(exponent).translate(_SUPERSCRIPTS)


def _number(value: float) -> str:
    return re.sub(r"e([+-])0?", lambda sign: "e" + sign[1].strip("+"), f"{value:.4g}").replace("-", _MINUS)


def _short(count: int) -> str:
    for unit, name in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if count >= unit:
            return f"{count / unit:.2g}{name}" if count / unit < 100 else f"{count // unit}{name}"
    return str(count)
