"""The pictures of pages that tests compare, and the samples in the documentation: `python -m` writes them."""

import json
import tempfile
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import pypdfium2
from contracts.report.values import SUFFIXES
from contracts.task_scheduler.values import ReportFormat
from PIL import Image
from report.rendering.render import render
from report.rendering.schema import schema_text
from report.rendering.theme_files import load_theme

from services.report.tests.rendering import short_session
from services.report.tests.sample_content import run, session_content, task_content

PICTURES = Path(__file__).with_name("golden")
DOCS = Path(__file__).parents[3] / "docs"
SAMPLES = DOCS / "samples"
SCALE = 0.75
"""In pixels for each point: an A4 page has 446 x 632."""

SCRIPTS = (
    """\
Chinese 中文, Japanese 日本語, Korean 한국어: shown as boxes where no font has them.

Arabic العربية and Hebrew עברית run from right to left; Greek Ελληνικά and Russian Русский do not.

A word with a control of the direction: \u202egnp.exe, and a very long one: """
    + "wordwithoutend" * 30
)
PAGES: dict[str, tuple[dict[str, Any], str]] = {
    "cover": (session_content(), "WHAT WAS"),
    "contents": (session_content(), "Tokens of each run"),
    "charts": (session_content(), "Calls of each tool"),
    "conversation": (session_content(), "I will read the limiter first"),
    "code": (session_content(), "Tests of the rate limiter"),
    "task": (task_content(include_messages=False, include_tool_calls=False), "3 executions:"),
    "table": (session_content(short_session() | {"runs": [run(n, f"Query {n}", "") for n in range(90)]}), "Query 50"),
    "scripts": (session_content(short_session(SCRIPTS), include_metrics=False), "Greek"),
}
"""The pages that are compared: a content, and words on the page."""


@contextmanager
def only_own_fonts(folder: Path) -> Generator[None]:
    """Hide the fonts of the system, so that pictures do not depend on the machine."""
    configuration = folder / "fonts.conf"
    configuration.write_text(f"<fontconfig><cachedir>{folder}</cachedir></fontconfig>")
    with patch.dict("os.environ", FONTCONFIG_FILE=str(configuration)), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="No fonts configured")
        yield


def pdf_of(name: str, folder: Path) -> Path:
    """Return the PDF that one of `PAGES` is in; pages of one content are rendered once in a folder."""
    content, _ = PAGES[name]
    first = next(each for each, page in PAGES.items() if page[0] == content)
    target = folder / f"{first}.pdf"
    source = folder / f"{first}.json"
    if not target.exists():
        source.write_text(json.dumps(content))
        with only_own_fonts(folder):
            render(source, "pdf", target, load_theme(None))
    return target


def picture(name: str, folder: Path) -> Image.Image:
    """Return the picture of one of `PAGES` in shades of grey."""
    _, words = PAGES[name]
    with cast(Any, pypdfium2).PdfDocument(pdf_of(name, folder)) as pdf:
        page = next(page for page in pdf if words in page.get_textpage().get_text_range())
        return page.render(scale=SCALE).to_pil().convert("L")


def sample(kind: ReportFormat, folder: Path) -> Path:
    """Render the sample as `kind` into a folder, and return its file."""
    source, target = folder / "content.json", folder / f"report{SUFFIXES[kind]}"
    source.write_text(json.dumps(session_content()))
    render(source, kind, target, load_theme(None))
    source.unlink()
    return target


def write() -> None:
    """Write all pictures, samples and the schema."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in PAGES:
            picture(name, Path(folder)).quantize(16).save(PICTURES / f"{name}.png", optimize=True)
    for kind in SUFFIXES:
        sample(kind, SAMPLES)
    (DOCS / "schemas/report.schema.json").write_text(schema_text())


if __name__ == "__main__":
    write()
