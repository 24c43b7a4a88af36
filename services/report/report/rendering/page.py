"""The page of HTML that is the HTML format, and the source of the PDF; and the Markdown format."""

import base64
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from markupsafe import Markup

from report.content import ReportContent
from report.rendering.chapter_charts import charts
from report.rendering.charts import Chart, Palette
from report.rendering.markdown_text import heading_anchors
from report.rendering.template_environment import html_environment, markdown_environment, variables
from report.rendering.theme import Theme
from report.rendering.view import parts

FONTS = Path(__file__).with_name("fonts")
FACES = (
    ("Plex Sans", "IBMPlexSans-Regular", 400, "normal"),
    ("Plex Sans", "IBMPlexSans-Italic", 400, "italic"),
    ("Plex Sans", "IBMPlexSans-SemiBold", 600, "normal"),
    ("Plex Mono", "IBMPlexMono-Regular", 400, "normal"),
    ("Plex Mono", "IBMPlexMono-SemiBold", 600, "normal"),
)

_CHARACTER = r"(?:&[#\w]{1,10};|[^\s<>&])"
_LONG_WORD = re.compile(rf"(<style>.*?</style>|<[^>]*>)|{_CHARACTER}{{120,}}", re.DOTALL)
_PIECE = re.compile(rf"{_CHARACTER}{{40}}")
"""Of a long word in print: without places to break, WeasyPrint needs minutes for a word of 60,000 characters."""


def page(
    content: ReportContent,
    theme: Theme,
    *,
    in_print: bool,
    in_colour: bool = True,
    drawn: Sequence[Chart] | None = None,
) -> str:
    """Return a report as one page of HTML that needs nothing else.

    Args:
        content: what to show; all strings in it are readable.
        theme: the look.
        in_print: for PDF: with a table of contents with page numbers, and everything unfolded.
        in_colour: whether code is shown in colour, which is slow for long reports.
        drawn: charts to show instead of those of the content.
    """
    template = html_environment(theme, in_colour).get_template("report.html.j2")
    shown = _charts(content, theme) if drawn is None else drawn
    found = template.render(
        **variables(content, theme), charts=shown, in_print=in_print, fonts=_font_faces(), logo=theme.logo
    )
    return _LONG_WORD.sub(_with_breaks, found) if in_print else found


def _with_breaks(found: re.Match[str]) -> str:
    return found[0] if found[1] else _PIECE.sub("\\g<0>\u200b", found[0])


def markdown_page(content: ReportContent, theme: Theme) -> str:
    """Return a report as Markdown. Charts are described, not drawn."""
    template = markdown_environment(theme).get_template("report.md.j2")
    anchors = heading_anchors([content.title, *(part.title for part in parts(content, theme.settings.sections))])
    return template.render(**variables(content, theme), charts=_charts(content, theme), anchors=anchors)


def _charts(content: ReportContent, theme: Theme) -> list[Chart]:
    return charts(content, Palette(theme.settings.colours.accent)) if content.include_metrics else []


@cache
def _font_faces() -> Markup:
    faces = (
        f"@font-face {{ font-family: '{family}'; font-weight: {weight}; font-style: {style};"
        f" src: url(data:font/woff2;base64,{_base64(FONTS / f'{file}.woff2')}) format('woff2') }}"
        for family, file, weight, style in FACES
    )
    return Markup("\n".join(faces))  # noqa: S704  from the package's own files


def _base64(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()
