"""Drawing of charts by matplotlib, which takes long to load: import this module only when a chart is drawn."""

import io
import re
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from report.rendering.figures import short_number

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


def svg(title: str, description: str, draw: Callable[[Any], None], height: float) -> Markup:
    """Return a chart, drawn by `draw` on axes, as an `svg` element. The same data is the same SVG."""
    style = {**_STYLE, "svg.hashsalt": title}
    with cast(Any, mpl).rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # the page has more fonts than matplotlib
        figure = Figure(figsize=(6.7, height), layout=ConstrainedLayoutEngine(w_pad=0.12))
        FigureCanvasSVG(figure)
        draw(cast(Any, figure).add_subplot())
        target = io.StringIO()
        cast(Any, figure).savefig(target, format="svg", transparent=True, metadata={"Date": None})
    return _inline(target.getvalue(), title, description)


def finish(axes: Any, has_legend: bool, label: str, money: bool = False) -> None:
    """Label the axes of a chart over runs or executions in order."""
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
