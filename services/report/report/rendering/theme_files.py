"""Reading of a theme from its folder. Everything that is wrong with it is reported when the service starts."""

import base64
import re
from pathlib import Path

from jinja2 import TemplateError, TemplateNotFound, TemplateSyntaxError
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from report.rendering.example import EXAMPLE_CHART, session_example, task_example
from report.rendering.page import markdown_page, page
from report.rendering.theme import SECTIONS, Theme, ThemeError, ThemeFile

LOGO_TYPES = {".png": "image/png", ".svg": "image/svg+xml", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}
MAX_LOGO_BYTES = 500_000
_REFERENCE = re.compile(r"@import|url\(\s*(?![\"']?data:)", re.IGNORECASE)


def load_theme(folder: Path | None) -> Theme:
    """Return the theme in a folder, or the built-in one.

    Raises:
        ThemeError: a file is missing or not valid.
    """
    if folder is None:
        return Theme(ThemeFile())
    settings = _settings(folder / "theme.json")
    templates = folder / "templates"
    return Theme(
        settings,
        _logo(folder, settings.logo),
        _css(folder / "style.css"),
        templates if templates.is_dir() else None,
    )


def check_theme(folder: Path) -> None:
    """Check the theme in a folder, also by rendering small reports with its templates.

    Raises:
        ThemeError: a file is missing or not valid.
    """
    theme, templates = load_theme(folder), folder / "templates"
    if templates.is_dir():
        _try_templates(theme, templates)


def _try_templates(theme: Theme, folder: Path) -> None:
    try:
        for content in (session_example(), task_example()):
            for in_print in (False, True):
                page(content, theme, in_print=in_print, drawn=[EXAMPLE_CHART])
            markdown_page(content, theme)
    except TemplateSyntaxError as error:
        raise ThemeError(f"{folder / (error.name or '')}: line {error.lineno}: {error.message}") from None
    except TemplateNotFound as error:
        raise ThemeError(f"{folder}: a template includes {error.name!r}, which does not exist") from None
    except (TemplateError, TypeError, ValueError, AttributeError) as error:
        raise ThemeError(f"{_place(error, folder)}: {error}") from None


def _place(error: Exception, folder: Path) -> str:
    """Return the innermost template of the theme that an exception comes from, with its line."""
    place, entry = str(folder), error.__traceback__
    while entry:
        if (name := entry.tb_frame.f_code.co_filename).startswith(str(folder)):
            place = f"{name}: line {entry.tb_lineno}"
        entry = entry.tb_next
    return place


def _settings(file: Path) -> ThemeFile:
    try:
        return ThemeFile.model_validate_json(file.read_bytes())
    except OSError as error:
        raise ThemeError(f"{file}: {error.strerror}; a theme needs this file") from None
    except ValidationError as error:
        raise ThemeError("; ".join(f"{file}: {_sentence(problem)}" for problem in error.errors())) from None


def _sentence(problem: ErrorDetails) -> str:
    """Return what is wrong in the words of the guide, not in those of pydantic."""
    field = ".".join(str(part) for part in problem["loc"])
    wrong = problem["type"]
    if wrong == "json_invalid":
        return f"is not valid JSON: {problem['ctx']['error'] if 'ctx' in problem else ''}"
    reasons = {
        "extra_forbidden": "is no setting of a theme",
        "string_pattern_mismatch": "must be a colour like #1d4ed8",
        "literal_error": f"must be one of {', '.join(SECTIONS)}",
        "value_error": problem["msg"].removeprefix("Value error, "),
    }
    return f"{field or 'the file'}: {reasons.get(wrong, problem['msg'][:1].lower() + problem['msg'][1:])}"


def _logo(folder: Path, name: str | None) -> str | None:
    if name is None:
        return None
    file = folder / name
    if not file.resolve().is_relative_to(folder.resolve()):
        raise ThemeError(f"{folder / 'theme.json'}: logo: the file must be in the folder of the theme")
    if file.suffix.lower() not in LOGO_TYPES:
        raise ThemeError(f"{file}: a logo is a file of the type {', '.join(LOGO_TYPES)}")
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ThemeError(f"{file}: {error.strerror}; logo in theme.json names it") from None
    if len(content) > MAX_LOGO_BYTES:
        raise ThemeError(f"{file}: a logo has at most {MAX_LOGO_BYTES:,} bytes")
    return f"data:{LOGO_TYPES[file.suffix.lower()]};base64,{base64.b64encode(content).decode()}"


def _css(file: Path) -> str:
    if not file.exists():
        return ""
    css = file.read_text()
    for number, line in enumerate(css.splitlines(), start=1):
        if _REFERENCE.search(line):
            raise ThemeError(f"{file}: line {number}: a report loads nothing; use data: in url(), and no @import")
    if "</" in css:
        raise ThemeError(f"{file}: '</' would end the style sheet inside the page")
    return css
