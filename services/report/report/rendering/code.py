"""Source code and diffs as HTML, in colour where that is cheap enough."""

from typing import Any, cast

from markupsafe import Markup, escape
from pygments import highlight, lexers
from pygments.formatters import HtmlFormatter
from pygments.util import ClassNotFound

MAX_COLOURED_CHARACTERS = 20_000
"""More is shown without colour: each token is an element that WeasyPrint lays out."""

_FORMATTER = cast("HtmlFormatter[str]", HtmlFormatter(nowrap=True, classprefix="t-"))
_DIFF_CLASSES = (("+++", "meta"), ("---", "meta"), ("@@", "hunk"), ("+", "added"), ("-", "removed"))


def code(text: str, language: str = "", in_colour: bool = True) -> Markup:
    """Return a block of code. An unknown language is plain text."""
    inner = _coloured(text, language) if in_colour and language else escape(text)
    return Markup('<pre class="code"><code>{}</code></pre>').format(inner)


def diff(text: str) -> Markup:
    """Return a unified diff with its lines marked. Signs stay, so that nothing depends on colour alone."""
    lines = [_diff_line(line) for line in text.removesuffix("\n").split("\n")]
    return Markup('<pre class="code diff"><code>{}</code></pre>').format(Markup("").join(lines))


def _coloured(text: str, language: str) -> Markup:
    if len(text) > MAX_COLOURED_CHARACTERS:
        return escape(text)
    try:
        lexer = cast(Any, lexers).get_lexer_by_name(language, stripnl=False)
    except ClassNotFound:
        return escape(text)
    return Markup(highlight(text, lexer, _FORMATTER).removesuffix("\n"))  # noqa: S704  Pygments escapes


def _diff_line(line: str) -> Markup:
    name = next((name for start, name in _DIFF_CLASSES if line.startswith(start)), "context")
    return Markup('<span class="{}">{}</span>').format(name, line or " ")
