"""Rendering of contents in tests."""

import json
from pathlib import Path
from typing import Any, cast

import pypdfium2
from contracts.task_scheduler.values import ReportFormat
from markupsafe import Markup
from report.content import ReportContent
from report.rendering.chapter_charts import charts
from report.rendering.charts import Chart, Palette
from report.rendering.loading import load
from report.rendering.page import page
from report.rendering.reduction import reduced, shortened
from report.rendering.render import render
from report.rendering.rendered import Rendered
from report.rendering.theme import Theme
from report.rendering.theme_files import load_theme

from services.report.tests.sample_content import session_section

DEFAULT_THEME = load_theme(None)


def rendered(
    content: dict[str, Any], kind: ReportFormat, folder: Path, theme: Theme = DEFAULT_THEME
) -> tuple[str, Rendered]:
    """Return the text of a content that is rendered as `kind`, and what rendering reports."""
    source, target = folder / "content.json", folder / f"report.{kind}"
    source.write_text(json.dumps(content))
    report = render(source, kind, target, theme)
    text = pdf_text(target) if kind == "pdf" else target.read_text()
    return text, report


def pdf_text(file: Path) -> str:
    """Return the text of all pages of a PDF."""
    with cast(Any, pypdfium2).PdfDocument(file) as pdf:
        return "\n".join(pdf[number].get_textpage().get_text_range() for number in range(len(pdf)))


def in_one_line(text: str) -> str:
    """Return a text without its line breaks, which depend on the layout."""
    return " ".join(text.split())


def as_html(content: dict[str, Any], folder: Path, theme: Theme = DEFAULT_THEME) -> str:
    """Return a content as a page of HTML, without the fonts and styles in its head, and without pictures."""
    return in_html(content, folder, theme).split("</head>")[1]


def in_html(content: dict[str, Any], folder: Path, theme: Theme = DEFAULT_THEME) -> str:
    """Return a content as a page of HTML without pictures."""
    shown = shortened(loaded(content, folder))
    return page(shown, theme, in_print=False, drawn=without_pictures(shown))


def as_printed(content: dict[str, Any], folder: Path) -> str:
    """Return the page of HTML that a PDF is made from: a hundredth of the work if the layout does not matter."""
    shown, in_colour = reduced(loaded(content, folder))
    return page(shown, DEFAULT_THEME, in_print=True, in_colour=in_colour, drawn=without_pictures(shown))


def loaded(content: dict[str, Any], folder: Path) -> ReportContent:
    """Return a content as rendering reads it from a file."""
    source = folder / "content.json"
    source.write_text(json.dumps(content))
    return load(source, to_show=True)


def without_pictures(content: ReportContent) -> list[Chart]:
    """Return the charts of a content with empty pictures, because drawing takes ten times as long as all the rest."""
    if not content.include_metrics:
        return []
    found = charts(content, Palette(DEFAULT_THEME.settings.colours.accent))
    return [Chart(chart.title, chart.description, lambda: Markup("<svg></svg>")) for chart in found]


def short_session(text: str = "Done.") -> dict[str, Any]:
    """Return a session of one message and one run, without anything else that a report shows."""
    whole = with_message(text, session_section())
    empty = {key: list[Any]() for key in ("tools", "models", "approvals", "files_changed", "workspace")}
    return whole | empty | {"runs": whole["runs"][:1]}


def with_message(text: str, session: dict[str, Any]) -> dict[str, Any]:
    """Return a session whose only message has this text."""
    return session | {"messages": [session["messages"][0] | {"role": "assistant", "text": text, "tool_calls": []}]}
