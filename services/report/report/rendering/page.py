"""The page of HTML that is the HTML format, and the source of the PDF."""

import base64
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from report.content import ReportContent, ToolCallEntry
from report.rendering import figures
from report.rendering.chapter_charts import charts
from report.rendering.charts import Palette
from report.rendering.code import code, diff, file_code, value_text
from report.rendering.markdown import MessageMarkdown
from report.rendering.text import cut_lines, excerpt, one_line
from report.rendering.theme import Theme
from report.rendering.view import changed_files, failures, outcome, parts

FONTS = Path(__file__).with_name("fonts")
FACES = (
    ("Plex Sans", "IBMPlexSans-Regular", 400, "normal"),
    ("Plex Sans", "IBMPlexSans-Italic", 400, "italic"),
    ("Plex Sans", "IBMPlexSans-SemiBold", 600, "normal"),
    ("Plex Mono", "IBMPlexMono-Regular", 400, "normal"),
    ("Plex Mono", "IBMPlexMono-SemiBold", 600, "normal"),
)
TELLING_NAMES = ("command", "file_path", "path", "pattern", "url", "query", "description", "prompt")
MAX_LINE = 2_000
MAX_LINES = 400


def page(content: ReportContent, theme: Theme, *, in_print: bool, in_colour: bool = True) -> str:
    """Return a report as one page that needs nothing else.

    Args:
        content: what to show; all strings in it are readable.
        theme: the look.
        in_print: for PDF: with a table of contents with page numbers, and everything unfolded.
        in_colour: whether code is shown in colour, which is slow for long reports.
    """
    colours = theme.settings.colours
    return environment(theme, in_colour).get_template("report.html.j2").render(
        content=content,
        theme=theme,
        in_print=in_print,
        parts=parts(content, theme.settings.sections),
        outcome=outcome(content),
        failures=failures(content),
        changed_files=changed_files(content),
        charts=charts(content, Palette(colours.accent)) if content.include_metrics else [],
        fonts=_font_faces(),
        logo=theme.logo,
    )


def environment(theme: Theme, in_colour: bool = True) -> Environment:
    """Return the templates of a theme with everything that they can call."""
    found = Environment(
        loader=theme.loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    found.filters |= {
        "message": MessageMarkdown(in_colour).html,
        "duration": figures.duration,
        "money": figures.money,
        "number": figures.number,
        "short_number": figures.short_number,
        "size": figures.size,
        "count": figures.count,
        "day_time": figures.day_time,
        "time": figures.time,
        "words": figures.words,
        "one_line": one_line,
        "excerpt": excerpt,
        "diff": lambda text: diff(_bounded(text)),
    }
    found.globals |= {
        "call_input": lambda call: _input(call, in_colour),
        "call_output": lambda call: _output(call, in_colour),
        "call_summary": _summary,
    }
    return found


def _input(call: ToolCallEntry, in_colour: bool) -> Markup:
    """Return the input of a tool call: a command as shell code, a file in its language, everything else as JSON."""
    given: dict[str, Any] = call.input if isinstance(call.input, dict) else {}
    if isinstance(command := given.get("command"), str):
        return code(_bounded(command), "bash", in_colour)
    if isinstance(path := given.get("file_path"), str) and isinstance(text := given.get("content"), str):
        return file_code(_bounded(text), path, in_colour)
    return code(_bounded(value_text(call.input)), "json", in_colour)


def _summary(call: ToolCallEntry) -> str:
    """Return the most telling value of the input of a tool call, on one line."""
    given: dict[str, Any] = call.input if isinstance(call.input, dict) else {}
    telling = next((given[name] for name in TELLING_NAMES if isinstance(given.get(name), str)), None)
    return one_line(telling or value_text(call.input), 110)


def _output(call: ToolCallEntry, in_colour: bool) -> Markup:
    return code(_bounded(value_text(call.output)), "" if isinstance(call.output, str) else "json", in_colour)


def _bounded(text: str) -> str:
    return cut_lines(text, MAX_LINE, MAX_LINES)


@cache
def _font_faces() -> Markup:
    faces = (
        f"@font-face {{ font-family: '{family}'; font-weight: {weight}; font-style: {style}; src: url("
        f"data:font/woff2;base64,{base64.b64encode((FONTS / f'{file}.woff2').read_bytes()).decode()}) format('woff2') }}"
        for family, file, weight, style in FACES
    )
    return Markup("\n".join(faces))  # noqa: S704  from the package's own files
