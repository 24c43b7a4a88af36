"""The PDF as a reader's program sees it: text, tags, links, outline, page numbers, metadata."""

import os
import re
from collections import Counter
from pathlib import Path
from typing import Any, cast

import pytest
from pypdf import PdfReader
from pypdf.generic import ArrayObject, DictionaryObject, PdfObject
from report.rendering.pdf import write_pdf

from services.report.tests.goldens import pdf_of
from services.report.tests.rendering import in_one_line, pdf_text, rendered, short_session
from services.report.tests.sample_content import session_content
from services.report.tests.sample_texts import PARTS, SAID

pytestmark = pytest.mark.layout

FONT_FOLDERS = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), Path.home() / ".local/share/fonts")


@pytest.fixture(scope="module")
def pdf(pdf_file: Path) -> PdfReader:
    return PdfReader(pdf_file)


def structure(node: PdfObject | None) -> list[DictionaryObject]:
    """Return all elements of the structure tree below a node."""
    found = node.get_object() if node else None
    if isinstance(found, ArrayObject):
        return [element for item in cast(list[PdfObject], found) for element in structure(item)]
    if isinstance(found, DictionaryObject) and "/S" in found:
        return [found, *structure(found.get("/K"))]
    return []


def root(pdf: PdfReader) -> DictionaryObject:
    return cast(DictionaryObject, pdf.trailer["/Root"])


def elements(pdf: PdfReader) -> list[DictionaryObject]:
    return structure(cast(DictionaryObject, root(pdf)["/StructTreeRoot"])["/K"])


def test_it_shows_what_a_reader_needs(pdf_file: Path) -> None:
    text = in_one_line(pdf_text(pdf_file))
    assert [words for words in SAID if words not in text] == []
    assert [title for title in PARTS if text.count(title) < 2] == []  # in the table of contents, and as a heading


def test_it_declares_to_be_tagged_and_accessible(pdf: PdfReader) -> None:
    catalogue = root(pdf)
    assert cast(DictionaryObject, catalogue["/MarkInfo"])["/Marked"]
    assert catalogue["/Lang"] == "en"
    assert cast(DictionaryObject, catalogue["/ViewerPreferences"])["/DisplayDocTitle"]
    assert b'pdfuaid:part="1"' in cast(Any, catalogue["/Metadata"]).get_object().get_data()


def test_headings_tables_lists_and_figures_are_tagged(pdf: PdfReader) -> None:
    kinds = Counter(str(element["/S"]) for element in elements(pdf))
    assert kinds["/H1"] == 1
    assert kinds["/H2"] >= len(PARTS)
    assert kinds["/Figure"] == 4
    assert {"/Table", "/TH", "/TD", "/L", "/LI", "/Link"} <= kinds.keys()


def test_each_chart_has_an_alternative_text(pdf: PdfReader) -> None:
    alternatives = [element.get("/Alt") for element in elements(pdf) if str(element["/S"]) == "/Figure"]
    assert any("Bash 3, Read 1" in str(text) for text in alternatives)
    assert all(alternatives)


def test_the_outline_has_the_parts(pdf: PdfReader) -> None:
    titles = [cast(Any, entry).title for entry in pdf.outline]
    assert titles == ["Fix the rate limiter", "Contents", *PARTS]


def test_the_table_of_contents_has_links_and_true_page_numbers(pdf: PdfReader) -> None:
    text = pdf.pages[1].extract_text()
    numbers = {part: int(cast(re.Match[str], re.search(rf"{part}[ .]*(\d+)", text))[1]) for part in PARTS}
    outline = {cast(Any, entry).title: pdf.get_destination_page_number(cast(Any, entry)) for entry in pdf.outline}
    assert numbers == {part: cast(int, outline[part]) + 1 for part in PARTS}


def test_every_page_is_numbered_and_says_what_it_is_in(pdf: PdfReader) -> None:
    total = len(pdf.pages)
    for number, page in enumerate(pdf.pages, start=1):
        text = page.extract_text()
        assert f"Page {number} of {total}" in text
        assert "Fix the rate limiter" in text


def test_metadata_name_the_title_the_owner_and_the_date(pdf: PdfReader) -> None:
    metadata = pdf.metadata
    assert metadata
    assert (metadata.title, metadata.author) == ("Fix the rate limiter", "Ada Lovelace")
    assert metadata.creation_date_raw == "D:20261125100000Z"


def test_its_fonts_are_embedded_and_its_own(pdf: PdfReader) -> None:
    fonts = [cast(DictionaryObject, page["/Resources"])["/Font"] for page in pdf.pages]
    names = {str(font.get_object()["/BaseFont"]) for group in fonts for font in cast(Any, group).values()}
    assert names
    assert all("Plex" in name for name in names)


@pytest.fixture
def emoji_font() -> Path:
    """The emoji font of most desktops; where there is none, skip, or fail in CI."""
    found = next((file for folder in FONT_FOLDERS for file in folder.rglob("NotoColorEmoji.ttf")), None)
    if found:
        return found
    give_up = pytest.fail if os.environ.get("CI") else pytest.skip  # noqa: TID251  it says who is asking
    raise give_up.Exception("There is no emoji font here: apt-get install fonts-noto-color-emoji.")


def test_only_emoji_come_from_an_emoji_font(emoji_font: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = f'<include ignore_missing="yes">/etc/fonts/fonts.conf</include><dir>{emoji_font.parent}</dir>'
    (tmp_path / "fonts.conf").write_text(f"<fontconfig>{known}<cachedir>{tmp_path}</cachedir></fontconfig>")
    monkeypatch.setenv("FONTCONFIG_FILE", str(tmp_path / "fonts.conf"))
    text = "On 2026-11-29 🙂 #3 of `4 * 5`"
    rendered(session_content(short_session(text)), "pdf", tmp_path)
    assert "".join(characters_in("Emoji", tmp_path / "report.pdf")).strip() == "🙂"


def characters_in(font: str, file: Path) -> set[str]:
    """Return the characters of a PDF that are set in fonts whose name contains a word."""
    found = set[str]()

    def look(text: str, _cm: Any, _tm: Any, used: Any, _size: Any) -> None:
        if used and font in str(used["/BaseFont"]):
            found.update(text)

    for page in PdfReader(file).pages:
        page.extract_text(visitor_text=look)
    return found


def test_a_link_of_a_message_can_be_followed(pdf: PdfReader) -> None:
    annotations = [item.get_object() for page in pdf.pages for item in page.get("/Annots", [])]
    addresses = {action["/URI"] for annotation in annotations if (action := annotation.get("/A")) and "/URI" in action}
    assert addresses == {"https://en.wikipedia.org/wiki/Token_bucket"}


def test_it_contains_no_script_file_or_form(pdf: PdfReader) -> None:
    names = set[str]()
    for number in range(1, cast(int, pdf.trailer["/Size"])):
        value = pdf.get_object(number)
        names |= set(value.keys()) if isinstance(value, DictionaryObject) else set()
    assert not names & {"/JS", "/JavaScript", "/EmbeddedFiles", "/AcroForm", "/OpenAction", "/Launch"}


@pytest.mark.parametrize(
    "html",
    [
        '<img src="{}">',
        '<link rel="stylesheet" href="{}">',
        "<style>@import url({});</style>",
        "<p style=\"background: url('{}')\">",
        "<img src=\"data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'><image href='{}'/></svg>\">",
        '<object data="{}"></object>',
        '<a rel="attachment" href="{}"></a>',
    ],
)
def test_nothing_that_a_page_names_is_read(html: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret words")
    target = tmp_path / "x.pdf"
    write_pdf(f'<html lang="en"><title>x</title><p>visible</p>{html.format(secret.as_uri())}</html>', target)
    assert pdf_text(target).strip() == "visible"
    assert b"secret words" not in target.read_bytes()


def test_characters_without_a_font_are_reported(tmp_path: Path) -> None:
    rare = "\u0378\u0379"  # not assigned
    _, report = rendered(session_content(short_session(rare)), "pdf", tmp_path)
    [note] = report.notes
    assert note == "Characters that no installed font has are shown as boxes: 2 different ones, as U+0378, U+0379."
    assert "U+0378" in pdf_text(tmp_path / "report.pdf")


def test_a_report_on_the_same_content_is_the_same_file(pdf_file: Path, tmp_path: Path) -> None:
    again = pdf_of("cover", tmp_path)
    assert again.read_bytes() == pdf_file.read_bytes()
