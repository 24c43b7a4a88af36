"""The templates of a theme, with everything that they can call."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from report.content import ReportContent, ToolCallEntry
from report.rendering import figures
from report.rendering.calls import Source, call_input, call_output, call_summary
from report.rendering.code import code, diff
from report.rendering.markdown import MessageMarkdown
from report.rendering.markdown_text import fence, inline, quote
from report.rendering.text import excerpt, one_line
from report.rendering.theme import Theme
from report.rendering.view import answer, changed_files, failures, outcome, parts, question

_KEPT = 4
"""Environments that are kept with their compiled templates; compiling takes longer than rendering a short report."""

_FILTERS: dict[str, Any] = {
    "call_summary": call_summary,
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


@lru_cache(maxsize=_KEPT)
def html_environment(theme: Theme, in_colour: bool) -> Environment:
    """Return the templates of pages; `in_colour` says whether code is shown in colour."""

    def block(source_of: Callable[[ToolCallEntry], Source], call: ToolCallEntry) -> Markup:
        source = source_of(call)
        return code(source.text, source.language, in_colour)

    filters: dict[str, Any] = {
        "call_input": partial(block, call_input),
        "call_output": partial(block, call_output),
        "diff": diff,
        "message": MessageMarkdown(in_colour).html,
    }
    return _environment(theme, filters, autoescape=True)


@lru_cache(maxsize=_KEPT)
def markdown_environment(theme: Theme) -> Environment:
    """Return the templates of the Markdown format, which escape with filters: in Markdown it depends on the place."""

    def block(source_of: Callable[[ToolCallEntry], Source], call: ToolCallEntry) -> str:
        source = source_of(call)
        return fence(source.text, source.language)

    filters: dict[str, Any] = {
        "call_input": partial(block, call_input),
        "call_output": partial(block, call_output),
        "fence": fence,
        "inline": inline,
        "quote": quote,
    }
    return _environment(theme, filters, autoescape=False)


def variables(content: ReportContent, theme: Theme) -> dict[str, object]:
    """Return what the templates of all formats show."""
    return {
        "content": content,
        "theme": theme,
        "parts": parts(content, theme.settings.sections),
        "outcome": outcome(content),
        "failures": failures(content),
        "question": question(content),
        "answer": answer(content),
        "changed_files": changed_files(content),
    }


def _environment(theme: Theme, filters: dict[str, Any], autoescape: bool) -> Environment:
    options: dict[str, Any] = {"undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    found = Environment(loader=theme.loader, autoescape=autoescape, **options)  # noqa: S701  Markdown has its own rules
    found.filters.update(_FILTERS | filters)
    return found
