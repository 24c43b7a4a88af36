"""Rendering of a report's content into the four formats. Nothing here performs network I/O."""

from report.rendering.render import Rendered, render
from report.rendering.theme import Theme, ThemeError
from report.rendering.theme_files import load_theme

__all__ = ["Rendered", "Theme", "ThemeError", "load_theme", "render"]
