"""Which characters no font can show here. They appear as boxes, which the report has to say."""

import ctypes
import re
from collections.abc import Iterable
from functools import cache

from fontTools.ttLib import TTFont

from report.rendering.text import INVISIBLE
from report.rendering.typefaces import REGULAR, file_of

_NEEDS_NO_GLYPH = re.compile(f"[\x00-\x20{INVISIBLE}]")


def without_font(texts: Iterable[str]) -> list[str]:
    """Return the characters in these texts that neither the report's fonts nor those of the system have, sorted."""
    characters = _NEEDS_NO_GLYPH.sub("", "".join(set[str]().union(*texts)))
    return sorted(char for char in characters if ord(char) not in _own() and not _system_has(ord(char)))


@cache
def _own() -> frozenset[int]:
    with TTFont(file_of(REGULAR), lazy=True) as font:
        return frozenset(font.getBestCmap() or ())


@cache
def _system_has(code_point: int) -> bool:
    fonts = _system_fonts()
    return fonts is not None and bool(fonts[0].FcCharSetHasChar(fonts[1], code_point))


@cache
def _system_fonts() -> tuple[ctypes.CDLL, ctypes.c_void_p] | None:
    """Return fontconfig and the characters of all fonts that it knows, or None without fontconfig."""
    try:
        lib = ctypes.CDLL("libfontconfig.so.1")
    except OSError:
        return None
    for name in ("FcPatternCreate", "FcObjectSetBuild", "FcFontList", "FcCharSetCreate"):
        getattr(lib, name).restype = ctypes.c_void_p
    return lib, _all_characters(lib)


class _FontSet(ctypes.Structure):
    _fields_ = [("nfont", ctypes.c_int), ("sfont", ctypes.c_int), ("fonts", ctypes.POINTER(ctypes.c_void_p))]


def _all_characters(lib: ctypes.CDLL) -> ctypes.c_void_p:
    every = ctypes.c_void_p(lib.FcCharSetCreate())
    pattern = ctypes.c_void_p(lib.FcPatternCreate())
    wanted = ctypes.c_void_p(lib.FcObjectSetBuild(b"charset", None))
    found = ctypes.cast(lib.FcFontList(None, pattern, wanted), ctypes.POINTER(_FontSet)).contents
    changed, charset = ctypes.c_int(), ctypes.c_void_p()
    for number in range(found.nfont):
        font = ctypes.c_void_p(found.fonts[number])
        if lib.FcPatternGetCharSet(font, b"charset", 0, ctypes.byref(charset)) == 0:
            lib.FcCharSetMerge(every, charset, ctypes.byref(changed))
    return every
