"""Charts, drawn as SVG when their picture is asked for. Labels come from agents: they are plain text, and short."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

from markupsafe import Markup

from report.rendering.figures import short_number
from report.rendering.text import one_line

MAX_BARS = 60
"""More values are added up in groups."""
MIN_COLUMNS = 6
"""Fewer columns leave space on the right, because one as wide as the page reads like an area."""
MAX_LABEL = 28


@dataclass(frozen=True)
class Palette:
    """The colours of series; they differ in lightness too, for readers who do not see colours, and for grey prints."""

    first: str
    second: str = "#9ec5e8"
    failed: str = "#f28b7d"
    denied: str = "#e3e7ec"


@dataclass(frozen=True)
class Series:
    """Values of one kind, one for each label."""

    name: str
    values: Sequence[float]
    colour: str


@dataclass
class Chart:
    """A chart with its title, a description that says the same as the picture, and what draws the picture."""

    title: str
    description: str
    draw: Callable[[], Markup]

    @cached_property
    def svg(self) -> Markup:
        """The picture, which is drawn only now: formats without pictures do without."""
        return self.draw()


def columns(title: str, what: str, series: Sequence[Series]) -> Chart:
    """Return a chart of stacked columns, one for each run or execution in order. `what` names one column."""
    grouped, group = _grouped(series)
    label = f"{what} number" if group == 1 else f"{what}s, {group} in a column"
    width = len(grouped[0].values)

    def draw(axes: Any) -> None:
        from report.rendering.drawing import finish

        bottom = [0.0] * width
        for one in grouped:
            axes.bar(range(1, width + 1), one.values, 0.7, bottom=bottom, color=one.colour, linewidth=0, label=one.name)
            bottom = [low + value for low, value in zip(bottom, one.values, strict=True)]
        axes.set_xlim(0.25, max(width, MIN_COLUMNS) + 0.75)
        finish(axes, len(grouped) > 1, label)
        if width < MIN_COLUMNS:
            axes.set_xticks(range(1, width + 1))

    return _chart(title, _sums(series), draw)


def line(title: str, what: str, values: Sequence[float], colour: str) -> Chart:
    """Return a chart of a running total over runs or executions in order."""
    points = list(accumulate(values, initial=0.0))

    def draw(axes: Any) -> None:
        from report.rendering.drawing import finish

        axes.fill_between(range(len(points)), points, step="pre", color=colour, alpha=0.12, linewidth=0)
        axes.step(range(len(points)), points, where="pre", color=colour, linewidth=1.8)
        axes.set_ylim(bottom=0)
        finish(axes, False, f"{what} number", money=True)

    return _chart(title, f"The total rises to ${points[-1]:,.4f} over {len(values):,} {what.lower()}s.", draw)


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


def _grouped(series: Sequence[Series]) -> tuple[list[Series], int]:
    group = -(-len(series[0].values) // MAX_BARS)
    starts = range(0, len(series[0].values), max(group, 1))
    return [
        Series(one.name, [sum(one.values[start : start + group]) for start in starts], one.colour) for one in series
    ], group


def _sums(series: Sequence[Series]) -> str:
    return ", ".join(f"{one.name}: {sum(one.values):,.0f} in all" for one in series) + "."


def _chart(title: str, description: str, draw: Callable[[Any], None], height: float = 1.9) -> Chart:
    def picture() -> Markup:
        from report.rendering.drawing import svg  # loads matplotlib

        return svg(title, description, draw, height)

    return Chart(title, description, picture)
