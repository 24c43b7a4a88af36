"""The entry point of rendering. It runs in a child process, because its input is not trusted with time and memory."""

from collections.abc import Callable
from pathlib import Path

from contracts.task_scheduler.values import ReportFormat

from report.content import METRICS, ReportContent
from report.rendering.coverage import without_font
from report.rendering.loading import load
from report.rendering.page import markdown_page, page
from report.rendering.pdf import write_pdf
from report.rendering.reduction import reduced, shortened
from report.rendering.rendered import Rendered
from report.rendering.theme import Theme


def render(content_file: Path, format: ReportFormat, output_file: Path, theme: Theme) -> Rendered:  # noqa: A002
    """Write the report whose content is in a file as `format` to another file.

    Raises:
        ValueError: the content file has no valid content.
    """
    return _WRITERS[format](load(content_file, to_show=format != "json"), theme, output_file)


def _write_pdf(content: ReportContent, theme: Theme, file: Path) -> Rendered:
    shown, in_colour = reduced(content)
    shown = _with_note_on_fonts(shown)
    return Rendered(write_pdf(page(shown, theme, in_print=True, in_colour=in_colour), file), shown.notes)


def _write_html(content: ReportContent, theme: Theme, file: Path) -> Rendered:
    shown = shortened(content)
    file.write_text(page(shown, theme, in_print=False))
    return Rendered(None, shown.notes)


def _write_markdown(content: ReportContent, theme: Theme, file: Path) -> Rendered:
    shown = shortened(content)
    file.write_text(markdown_page(shown, theme))
    return Rendered(None, shown.notes)


def _write_json(content: ReportContent, _theme: Theme, file: Path) -> Rendered:
    left_out = None if content.include_metrics else METRICS
    file.write_text(content.model_dump_json(indent=2, ensure_ascii=True, exclude=left_out) + "\n")
    return Rendered(None, content.notes)


def _with_note_on_fonts(content: ReportContent) -> ReportContent:
    missing = without_font([content.model_dump_json()])
    if not missing:
        return content
    examples = ", ".join(f"U+{ord(char):04X}" for char in missing[:5])
    note = f"Characters that no installed font has are shown as boxes: {len(missing):,} different ones, as {examples}."
    return content.model_copy(update={"notes": [*content.notes, note]})


_WRITERS: dict[ReportFormat, Callable[[ReportContent, Theme, Path], Rendered]] = {
    "pdf": _write_pdf,
    "html": _write_html,
    "markdown": _write_markdown,
    "json": _write_json,
}
