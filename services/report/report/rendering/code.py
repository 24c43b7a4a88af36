"""Source code, diffs and values as HTML, in colour where that is cheap enough."""

import json
from collections.abc import Callable
from typing import cast

from markupsafe import Markup, escape
from pydantic import JsonValue
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name, get_lexer_for_filename
from pygments.util import ClassNotFound

MAX_COLOURED_CHARACTERS = 20_000
"""More is shown without colour: each token is an element that WeasyPrint lays out."""

_FORMATTER = cast("HtmlFormatter[str]", HtmlFormatter(nowrap=True, classprefix="t-"))
_DIFF_CLASSES = (("+++", "meta"), ("---", "meta"), ("@@", "hunk"), ("+", "added"), ("-", "removed"))


def code(text: str, language: str = "", in_colour: bool = True) -> Markup:
    """Return a block of code. An unknown language is plain text."""
    inner = _coloured(text, lambda: get_lexer_by_name(language)) if in_colour and language else escape(text)
    return _block(inner)


def file_code(text: str, path: str, in_colour: bool = True) -> Markup:
    """Return the content of a file as a block of code in the language that its name suggests."""
    return _block(_coloured(text, lambda: get_lexer_for_filename(path)) if in_colour else escape(text))


def diff(text: str) -> Markup:
    """Return a unified diff with its lines marked. Signs stay, so that nothing depends on colour alone."""
    lines = [Markup('<span class="{}">{}</span>').format(_diff_class(line), line or " ") for line in text.split("\n")]
    return Markup('<pre class="code diff"><code>{}</code></pre>').format(Markup("").join(lines))


def value_text(value: JsonValue) -> str:
    """Return a value as readers expect it: text as it is, everything else as indented JSON."""
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def _block(inner: str) -> Markup:
    return Markup('<pre class="code"><code>{}</code></pre>').format(inner)


def _coloured(text: str, lexer: Callable[[], Lexer]) -> Markup:
    if len(text) > MAX_COLOURED_CHARACTERS:
        return escape(text)
    try:
        return Markup(highlight(text, lexer(), _FORMATTER).removesuffix("\n"))  # noqa: S704  Pygments escapes
    except ClassNotFound:
        return escape(text)


def _diff_class(line: str) -> str:
    return next((name for start, name in _DIFF_CLASSES if line.startswith(start)), "context")
