"""The entry point of rendering. It runs in a child process, because its input is not trusted with time and memory."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from contracts.task_scheduler.values import ReportFormat

from report.content import ReportContent
from report.rendering.loading import load
from report.rendering.page import page
from report.rendering.pdf import write_pdf
from report.rendering.theme import Theme


@dataclass(frozen=True)
class Rendered:
    """A rendered file: its number of pages (PDF only), and what was left out or shortened."""

    pages: int | None
    notes: list[str]


def render(content_file: Path, format: ReportFormat, output_file: Path, theme: Theme) -> Rendered:  # noqa: A002
    """Write the report whose content is in a file as `format` to another file.

    Raises:
        ValueError: the content file has no valid content.
    """
    content = load(content_file, to_show=format != "json")
    pages = _WRITERS[format](content, theme, output_file)
    return Rendered(pages, content.notes)


def _write_pdf(content: ReportContent, theme: Theme, file: Path) -> int:
    return write_pdf(page(content, theme, in_print=True), file)


def _write_html(content: ReportContent, theme: Theme, file: Path) -> None:
    file.write_text(page(content, theme, in_print=False))


def _write_json(content: ReportContent, _theme: Theme, file: Path) -> None:
    file.write_text(content.model_dump_json(indent=2, ensure_ascii=True) + "\n")


_WRITERS: dict[ReportFormat, Callable[[ReportContent, Theme, Path], int | None]] = {
    "pdf": _write_pdf,
    "html": _write_html,
    "json": _write_json,
}
