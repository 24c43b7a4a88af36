"""The look of reports, which an operator can change with a folder. `docs/guides/reports.md` describes the folder."""

import base64
import re
from pathlib import Path
from typing import Annotated, Literal, get_args

from jinja2 import BaseLoader, ChoiceLoader, FileSystemLoader, PackageLoader
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

type Section = Literal["timeline", "executions", "charts", "conversation", "tools", "files", "approvals"]
type Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]

SECTIONS: tuple[Section, ...] = get_args(Section.__value__)
LOGO_TYPES = {".png": "image/png", ".svg": "image/svg+xml", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}
MAX_LOGO_BYTES = 500_000
_REFERENCE = re.compile(r"@import|url\(\s*(?![\"']?data:)", re.IGNORECASE)


class ThemeError(ValueError):
    """A theme is not valid. The message names the file and what to change."""


class Colours(BaseModel):
    """The colours of a theme as `#rrggbb`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    accent: Colour = "#1d4ed8"
    text: Colour = "#1f2937"
    muted: Colour = "#5b6472"


class ThemeFile(BaseModel):
    """The file `theme.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    organisation: str = Field(default="", max_length=100)
    logo: str | None = None
    footer: str = Field(default="", max_length=200)
    colours: Colours = Colours()
    sections: tuple[Section, ...] = SECTIONS

    @field_validator("sections")
    @classmethod
    def _has_each_once(cls, sections: tuple[Section, ...]) -> tuple[Section, ...]:
        if len(set(sections)) < len(sections):
            raise ValueError("names a section twice")
        return sections


class Theme:
    """A valid theme, ready for use: `settings`, `logo` as a `data:` address or None, and additional `css`."""

    def __init__(self, settings: ThemeFile, logo: str | None = None, css: str = "", templates: Path | None = None) -> None:
        self.settings, self.logo, self.css, self._templates = settings, logo, css, templates

    @property
    def loader(self) -> BaseLoader:
        """The templates: those of the theme, then the built-in ones."""
        own = [FileSystemLoader(self._templates)] if self._templates else []
        return ChoiceLoader([*own, PackageLoader("report.rendering")])


def load_theme(folder: Path | None) -> Theme:
    """Return the theme in a folder, or the built-in one. `report.rendering.check_theme` also tries its templates.

    Raises:
        ThemeError: a file is missing or not valid.
    """
    if folder is None:
        return Theme(ThemeFile())
    settings = _settings(folder / "theme.json")
    templates = folder / "templates"
    return Theme(settings, _logo(folder, settings.logo), _css(folder / "style.css"), templates if templates.is_dir() else None)


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
