"""Pages look as they did when somebody last looked at them, and the samples in the documentation are current."""

from pathlib import Path

import pytest
from contracts.task_scheduler.values import ReportFormat
from PIL import Image, ImageChops, ImageFilter, ImageStat

from services.report.tests.goldens import PAGES, PICTURES, SAMPLES, picture, sample
from services.report.tests.rendering import pdf_text

pytestmark = pytest.mark.layout

TOLERANCE = 2.0
"""Mean difference of pixels between 0 and 255, after blurring, in the worst of 48 tiles of a page."""


def difference(first: Image.Image, second: Image.Image) -> float:
    blurred = [image.convert("L").filter(ImageFilter.GaussianBlur(1.5)) for image in (first, second)]
    changed = ImageChops.difference(*blurred)
    width, height = changed.width // 6, changed.height // 8
    corners = [(column * width, row * height) for column in range(6) for row in range(8)]
    tiles = [changed.crop((x, y, x + width, y + height)) for x, y in corners]
    return max(ImageStat.Stat(tile).mean[0] for tile in tiles)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_looks_like_its_golden(name: str, pdf_folder: Path) -> None:
    with Image.open(PICTURES / f"{name}.png") as golden:
        assert difference(picture(name, pdf_folder), golden) < TOLERANCE


def test_a_line_that_moves_is_noticed() -> None:
    with Image.open(PICTURES / "conversation.png") as golden:
        moved = ImageChops.offset(golden.convert("L"), 0, 3)
        assert difference(moved, golden) > TOLERANCE


@pytest.mark.parametrize("kind", ["html", "markdown", "json"])
def test_a_sample_in_the_documentation_is_current(kind: ReportFormat, tmp_path: Path) -> None:
    made = sample(kind, tmp_path)
    assert made.read_text() == (SAMPLES / made.name).read_text()


def test_the_pdf_sample_in_the_documentation_is_current(pdf_file: Path) -> None:
    assert pdf_text(pdf_file) == pdf_text(SAMPLES / "report.pdf")
