"""Charts as SVG, drawn by matplotlib. Labels come from agents: they are plain text, and short."""

import io
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any, cast

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from report.rendering.figures import short_number
from report.rendering.text import one_line

MAX_BARS = 60
"""More values are added up in groups."""
MIN_COLUMNS = 6
"""Fewer columns leave space on the right, because one as wide as the page reads like an area."""
MAX_LABEL = 28

_STYLE = {
    "svg.fonttype": "none",  # text stays text: searchable, and in the fonts of the report
    "text.parse_math": False,  # a label may contain dollar signs
    "font.size": 9.0,
    "axes.edgecolor": "#9aa3af",
    "axes.labelcolor": "#4b5563",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": "#4b5563",
    "ytick.color": "#4b5563",
    "text.color": "#4b5563",
    "grid.color": "#e5e7eb",
}


@dataclass(frozen=True)
class Palette:
    """The colours of series; they differ in lightness too, for readers who do not see colours, and for grey prints."""

    first: str
    second: str = "#9ec5e8"
    failed: str = "#f28b7d"


@dataclass(frozen=True)
class Series:
    """Values of one kind, one for each label."""

    name: str
    values: Sequence[float]
    colour: str


@dataclass(frozen=True)
class Chart:
    """A chart with its title, and a description that says the same as the picture."""

    title: str
    description: str
    svg: Markup


def columns(title: str, what: str, series: Sequence[Series]) -> Chart:
    """Return a chart of stacked columns, one for each run or execution in order. `what` names one column."""
    grouped, group = _grouped(series)
    label = f"{what} number" if group == 1 else f"{what}s, {group} in a column"
    width = len(grouped[0].values)

    def draw(axes: Any) -> None:
        bottom = [0.0] * width
        for one in grouped:
            axes.bar(range(1, width + 1), one.values, 0.7, bottom=bottom, color=one.colour, linewidth=0, label=one.name)
            bottom = [low + value for low, value in zip(bottom, one.values, strict=True)]
        axes.set_xlim(0.25, max(width, MIN_COLUMNS) + 0.75)
        _finish(axes, len(grouped) > 1, label)
        if width < MIN_COLUMNS:
            axes.set_xticks(range(1, width + 1))

    return _chart(title, _sums(series), draw, height=1.9)


def line(title: str, what: str, values: Sequence[float], colour: str) -> Chart:
    """Return a chart of a running total over runs or executions in order."""
    points = list(accumulate(values, initial=0.0))

    def draw(axes: Any) -> None:
        axes.fill_between(range(len(points)), points, step="pre", color=colour, alpha=0.12, linewidth=0)
        axes.step(range(len(points)), points, where="pre", color=colour, linewidth=1.8)
        axes.set_ylim(bottom=0)
        _finish(axes, False, f"{what} number", money=True)

    return _chart(
        title, f"The total rises to ${points[-1]:,.4f} over {len(values):,} {what.lower()}s.", draw, height=1.9
    )


def bars(title: str, labels: Sequence[str], series: Sequence[Series]) -> Chart:
    """Return a chart of horizontal bars, one for each label, the first at the top."""
    short = [one_line(label, MAX_LABEL) for label in labels]

    def draw(axes: Any) -> None:
        left = [0.0] * len(short)
        for one in series:
            axes.barh(range(len(short)), one.values, 0.62, left=left, color=one.colour, linewidth=0, label=one.name)
            left = [low + value for low, value in zip(left, one.values, strict=True)]
        for row, value in enumerate(left):
            axes.annotate(short_number(value), (value, row), (4, 0), textcoords="offset points", va="center")
        axes.set_yticks(range(len(short)), short)
        axes.invert_yaxis()
        axes.tick_params(axis="y", length=0)
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)
        axes.margins(x=0.12)
        if len(series) > 1:
            axes.legend(frameon=False, loc="lower right")

    described = ", ".join(f"{label} {sum(one.values[row] for one in series):,.0f}" for row, label in enumerate(short))
    return _chart(title, f"{described}.", draw, height=0.15 + 0.27 * max(len(short), 2))


def _finish(axes: Any, has_legend: bool, label: str, money: bool = False) -> None:
    sign = "$" if money else ""
    axes.yaxis.set_major_formatter(partial(_tick, sign))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_locator(MaxNLocator(12, integer=True))
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.set_xlabel(label)
    if has_legend:
        axes.legend(frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0, 1))


def _tick(sign: str, value: float, _position: int) -> str:
    return sign + short_number(round(value, 6))


def _grouped(series: Sequence[Series]) -> tuple[list[Series], int]:
    group = -(-len(series[0].values) // MAX_BARS)
    starts = range(0, len(series[0].values), max(group, 1))
    return [
        Series(one.name, [sum(one.values[start : start + group]) for start in starts], one.colour) for one in series
    ], group


def _sums(series: Sequence[Series]) -> str:
    return ", ".join(f"{one.name}: {sum(one.values):,.0f} in all" for one in series) + "."


def _chart(title: str, description: str, draw: Callable[[Any], None], height: float) -> Chart:
    style = {**_STYLE, "svg.hashsalt": title}  # the same data is the same SVG
    with cast(Any, mpl).rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # the page has more fonts than matplotlib
        figure = Figure(figsize=(6.7, height), layout=ConstrainedLayoutEngine(w_pad=0.12))
        FigureCanvasSVG(figure)
        draw(cast(Any, figure).add_subplot())
        target = io.StringIO()
        cast(Any, figure).savefig(target, format="svg", transparent=True, metadata={"Date": None})
    return Chart(title, description, _inline(target.getvalue(), title, description))


def _inline(svg: str, title: str, description: str) -> Markup:
    """Return the `svg` element to be placed in a page: named for screen readers, and with ids of its own."""
    prefix = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>|<style type=\"text/css\">.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="', f'id="{prefix}-', body)
    body = re.sub(r'href="#', f'href="#{prefix}-', body).replace("url(#", f"url(#{prefix}-")
    body = re.sub(r"font-family: [^;\"]*", "font-family: 'Plex Sans', 'DejaVu Sans', sans-serif", body)
    start = body.index(">") + 1
    view_box = re.search(r'viewBox="[^"]*"', body)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" class="chart" role="img" '
        f'{view_box[0] if view_box else ""} aria-labelledby="{prefix}-title">'
        f'<title id="{prefix}-title">{escape(title)}: {escape(description)}</title>'
    )
    return Markup(head + body[start:])  # noqa: S704  matplotlib escapes the labels
