"""The page of HTML that is the HTML format, and the source of the PDF; and the Markdown format."""

import re
from collections.abc import Sequence

from report.content import ReportContent
from report.rendering.chapter_charts import charts
from report.rendering.charts import Chart, Palette
from report.rendering.markdown_text import heading_anchors
from report.rendering.template_environment import html_environment, markdown_environment, variables
from report.rendering.theme import Theme
from report.rendering.typefaces import font_faces
from report.rendering.view import parts

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
    fonts = font_faces(in_print=in_print)
    found = template.render(**variables(content, theme), charts=shown, in_print=in_print, fonts=fonts, logo=theme.logo)
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
