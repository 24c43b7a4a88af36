"""The templates of a theme, with everything that they can call."""

from jinja2 import Environment, StrictUndefined

from report.content import ReportContent, ToolCallEntry
from report.rendering import figures
from report.rendering.calls import call_input, call_output, call_summary
from report.rendering.code import code, diff
from report.rendering.markdown import MAX_CODE_LINES, MAX_LINE, MessageMarkdown
from report.rendering.markdown_text import fence, inline, quote
from report.rendering.text import cut_lines, excerpt, one_line
from report.rendering.theme import Theme
from report.rendering.view import changed_files, failures, outcome, parts

_FILTERS = {
    "count": figures.count,
    "day_time": figures.day_time,
    "duration": figures.duration,
    "excerpt": excerpt,
    "money": figures.money,
    "number": figures.number,
    "one_line": one_line,
    "short_number": figures.short_number,
    "size": figures.size,
    "time": figures.time,
    "words": figures.words,
}


def html_environment(theme: Theme, in_colour: bool) -> Environment:
    """Return the templates of pages; `in_colour` says whether code is shown in colour."""
    found = _environment(theme, autoescape=True)
    found.filters |= {"message": MessageMarkdown(in_colour).html, "diff": lambda text: diff(_bounded(text))}
    found.globals |= {
        "call_input": lambda call: code(_bounded(call_input(call).text), call_input(call).language, in_colour),
        "call_output": lambda call: code(_bounded(call_output(call).text), call_output(call).language, in_colour),
    }
    return found


def markdown_environment(theme: Theme) -> Environment:
    """Return the templates of the Markdown format, which escape with filters: in Markdown it depends on the place."""
    found = _environment(theme, autoescape=False)
    found.filters |= {"fence": fence, "inline": inline, "quote": quote}
    found.globals |= {"call_input": _fenced_input, "call_output": _fenced_output}
    return found


def variables(content: ReportContent, theme: Theme) -> dict[str, object]:
    """Return what the templates of all formats show."""
    return {
        "content": content,
        "theme": theme,
        "parts": parts(content, theme.settings.sections),
        "outcome": outcome(content),
        "failures": failures(content),
        "changed_files": changed_files(content),
    }


def _environment(theme: Theme, autoescape: bool) -> Environment:
    found = Environment(
        loader=theme.loader, autoescape=autoescape, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    found.filters |= _FILTERS
    found.globals |= {"call_summary": call_summary}
    return found


def _fenced_input(call: ToolCallEntry) -> str:
    return fence(call_input(call).text, call_input(call).language)


def _fenced_output(call: ToolCallEntry) -> str:
    return fence(call_output(call).text, call_output(call).language)


def _bounded(text: str) -> str:
    return cut_lines(text, MAX_LINE, MAX_CODE_LINES)
