"""Rendering of contents in tests."""

import json
from pathlib import Path
from typing import Any, cast

import pypdfium2
from contracts.task_scheduler.values import ReportFormat
from report.rendering.loading import load
from report.rendering.page import page
from report.rendering.reduction import reduced
from report.rendering.render import render
from report.rendering.rendered import Rendered
from report.rendering.theme import Theme
from report.rendering.theme_files import load_theme

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


def as_html(content: dict[str, Any], folder: Path, theme: Theme = DEFAULT_THEME) -> str:
    """Return a content as a page of HTML, without the fonts and styles in its head."""
    return rendered(content, "html", folder, theme)[0].split("</head>")[1]


def as_printed(content: dict[str, Any], folder: Path) -> str:
    """Return the page of HTML that a PDF is made from: a hundredth of the work if the layout does not matter."""
    source = folder / "content.json"
    source.write_text(json.dumps(content))
    shown, in_colour = reduced(load(source, to_show=True))
    return page(shown, DEFAULT_THEME, in_print=True, in_colour=in_colour)


def with_message(text: str, session: dict[str, Any]) -> dict[str, Any]:
    """Return a session whose only message has this text."""
    return session | {"messages": [session["messages"][0] | {"role": "assistant", "text": text, "tool_calls": []}]}
