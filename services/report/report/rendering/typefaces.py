"""The fonts of reports: in a page of HTML as they are stored; in print decompressed, once in a process."""

import base64
from email.message import Message
from functools import cache
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.request import BaseHandler, Request
from urllib.response import addinfourl

from markupsafe import Markup

FONTS = Path(__file__).with_name("fonts")
REGULAR = "IBMPlexSans-Regular"
SCHEME = "reportfont"
"""Of the addresses of fonts in print, such as `reportfont:IBMPlexSans-Regular`."""
_FACES = (
    ("Plex Sans", REGULAR, 400, "normal"),
    ("Plex Sans", "IBMPlexSans-Italic", 400, "italic"),
    ("Plex Sans", "IBMPlexSans-SemiBold", 600, "normal"),
    ("Plex Mono", "IBMPlexMono-Regular", 400, "normal"),
    ("Plex Mono", "IBMPlexMono-SemiBold", 600, "normal"),
)
_ADDRESSES = {f"{SCHEME}:{name}": name for _, name, _, _ in _FACES}


class FontHandler(BaseHandler):
    """Opens the addresses of fonts in print, for `urllib.request`."""

    def reportfont_open(self, request: Request) -> addinfourl | None:
        """Return the font of an address; None, which is an error, if it is no font of reports."""
        name = _ADDRESSES.get(request.full_url)
        return addinfourl(BytesIO(_true_type(name)), Message(), request.full_url, 200) if name else None


@cache
def font_faces(*, in_print: bool) -> Markup:
    """Return the `@font-face` rules of a page."""
    rules = (
        f"@font-face {{ font-family: '{family}'; font-weight: {weight}; font-style: {style};"
        f" src: {_address(name) if in_print else _embedded(name)} }}"
        for family, name, weight, style in _FACES
    )
    return Markup("\n".join(rules))  # noqa: S704  from the package's own files


def file_of(name: str) -> Path:
    """Return the file of a font."""
    return FONTS / f"{name}.woff2"


@cache
def _true_type(name: str) -> bytes:
    """Return a font as WeasyPrint uses it: to decompress the five takes longer than a short report."""
    woff2: Any = import_module("fontTools.ttLib.woff2")  # here, since the service itself does not need it
    content = BytesIO()
    woff2.decompress(BytesIO(file_of(name).read_bytes()), content)
    return content.getvalue()


def _address(name: str) -> str:
    return f"url({SCHEME}:{name})"


def _embedded(name: str) -> str:
    return f"url(data:font/woff2;base64,{base64.b64encode(file_of(name).read_bytes()).decode()}) format('woff2')"
