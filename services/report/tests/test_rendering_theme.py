"""Themes: what an operator can change, and how a mistake is reported."""

import json
import shutil
from pathlib import Path

import pytest
from report.rendering.theme import ThemeError
from report.rendering.theme_files import check_theme, load_theme

from services.report.tests.rendering import as_html, in_html, rendered, short_session
from services.report.tests.sample_content import session_content

EXAMPLE = Path(__file__).parents[3] / "docs/examples/report-theme"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EXAMPLE, tmp_path / "theme"))


def test_the_example_changes_colours_logo_footer_and_order(tmp_path: Path) -> None:
    theme = load_theme(EXAMPLE)
    page = in_html(session_content(), tmp_path, theme)
    assert "--accent: #0f766e" in page
    assert 'src="data:image/svg+xml;base64,' in page
    assert page.index('id="files"') < page.index('id="conversation"')


@pytest.mark.layout
def test_the_footer_of_a_theme_is_on_each_page(tmp_path: Path) -> None:
    text, report = rendered(session_content(short_session()), "pdf", tmp_path, load_theme(EXAMPLE))
    assert text.count("Internal. Do not distribute.") == report.pages


def test_a_template_of_a_theme_replaces_the_built_in_one(tmp_path: Path) -> None:
    page = as_html(session_content(), tmp_path, load_theme(EXAMPLE))
    assert "Bash, 2026-11-25 09:20: Not before the release on Thursday." in page


def test_a_section_that_is_not_listed_is_absent(folder: Path, tmp_path: Path) -> None:
    (folder / "theme.json").write_text('{"sections": ["timeline"]}')
    page = as_html(session_content(), tmp_path, load_theme(folder))
    assert 'id="timeline"' in page
    assert 'id="conversation"' not in page


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("{", "theme.json: is not valid JSON: EOF"),
        ('{"colors": {}}', "theme.json: colors: is no setting of a theme"),
        ('{"colours": {"accent": "red"}}', "theme.json: colours.accent: must be a colour like #1d4ed8"),
        ('{"sections": ["cost"]}', "theme.json: sections.0: must be one of timeline, executions, charts"),
        ('{"sections": ["files", "files"]}', "theme.json: sections: names a section twice"),
        ('{"logo": "missing.png"}', "missing.png: No such file or directory"),
        ('{"logo": "../secret.png"}', "the file must be in the folder of the theme"),
        ('{"logo": "theme.json"}', "a logo is a file of the type .png, .svg"),
        ('{"organisation": 7}', "theme.json: organisation: "),
        ("[]", "theme.json: the file: "),
    ],
)
def test_a_mistake_in_the_settings_is_named(folder: Path, settings: str, message: str) -> None:
    (folder / "theme.json").write_text(settings)
    with pytest.raises(ThemeError) as raised:
        load_theme(folder)
    assert message in str(raised.value)
    assert "Value error" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("cover.html.j2", "{% if %}", "templates/cover.html.j2: line 1: Expected an expression"),
        ("cover.html.j2", "\n{{ nothing.here }}", "templates/cover.html.j2: line 2: 'nothing' is undefined"),
        ("cover.html.j2", "\n\n{{ content.titel }}", "line 3: 'report.content.ReportContent object' has no attribute"),
        ("report.md.j2", "{{ content.title | shout }}", "templates/report.md.j2: line 1: No filter named 'shout'"),
        ("cover.html.j2", '{% include "other.j2" %}', "a template includes 'other.j2', which does not exist"),
        ("cover.html.j2", "{{ content.title / 2 }}", "templates/cover.html.j2: line 1: unsupported operand"),
    ],
)
def test_a_mistake_in_a_template_is_named(folder: Path, name: str, text: str, message: str) -> None:
    (folder / "templates" / name).write_text(text)
    with pytest.raises(ThemeError) as raised:
        check_theme(folder)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    "css", ["@import 'x.css';", "p { background: url(http://example.com/x.png) }", "</style><script>"]
)
def test_a_style_sheet_that_loads_something_is_refused(folder: Path, css: str) -> None:
    (folder / "style.css").write_text(css)
    with pytest.raises(ThemeError, match=r"style\.css"):
        load_theme(folder)


def test_a_folder_without_settings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ThemeError, match=r"theme\.json: No such file"):
        load_theme(tmp_path)


def test_a_large_logo_is_refused(folder: Path) -> None:
    (folder / "big.png").write_bytes(bytes(500_001))
    (folder / "theme.json").write_text(json.dumps({"logo": "big.png"}))
    with pytest.raises(ThemeError, match="at most 500,000 bytes"):
        load_theme(folder)
