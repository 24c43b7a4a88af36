"""The look of reports, which an operator can change with a folder. `docs/guides/reports.md` describes the folder."""

from pathlib import Path
from typing import Annotated, Literal, get_args

from jinja2 import BaseLoader, ChoiceLoader, FileSystemLoader, PackageLoader
from pydantic import BaseModel, ConfigDict, Field, field_validator

type Section = Literal["timeline", "executions", "charts", "conversation", "tools", "files", "approvals"]
type Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]

SECTIONS: tuple[Section, ...] = get_args(Section.__value__)


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

    def __init__(
        self, settings: ThemeFile, logo: str | None = None, css: str = "", templates: Path | None = None
    ) -> None:
        self.settings, self.logo, self.css, self._templates = settings, logo, css, templates

    @property
    def loader(self) -> BaseLoader:
        """The templates: those of the theme, then the built-in ones."""
        own = [FileSystemLoader(self._templates)] if self._templates else []
        return ChoiceLoader([*own, PackageLoader("report.rendering")])
