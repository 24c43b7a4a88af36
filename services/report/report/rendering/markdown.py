"""Messages of agents and users: Markdown to HTML without any HTML, image or link of theirs that could do something."""

import re
from collections.abc import Sequence
from functools import partial
from typing import Any, cast

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup, escape

from report.rendering.code import code
from report.rendering.text import cut_lines

MAX_CODE_LINES = 400
MAX_LINE = 2_000
_SAFE_LINK = re.compile(r"(?:https?://|mailto:)[^\s]", re.IGNORECASE)
_SAFE_LANGUAGE = re.compile(r"[A-Za-z0-9_+#.-]{1,30}")


def is_safe_link(url: str) -> bool:
    """Return whether a link may be followed: only to the web, or to write a mail."""
    return _SAFE_LINK.match(url) is not None


def parser() -> MarkdownIt:
    """Return a parser for which HTML and unsafe links are text, and which ignores deep nesting."""
    options = {"html": False, "linkify": False, "maxNesting": 20, "typographer": False}
    found = MarkdownIt("commonmark", options).enable(["table", "strikethrough"])
    found.validateLink = is_safe_link
    return found


def image_text(token: Token) -> str:
    """Return what is shown for an image. Loading it would report to its server who reads the report, and when."""
    return f"[image: {' · '.join(filter(None, (token.content, str(token.attrs.get('src', '')))))}]"


class MessageMarkdown:
    """Renders messages. Headings become paragraphs, so that the outline of a report is only its own."""

    def __init__(self, in_colour: bool = True) -> None:
        self._parser = parser()
        rules = cast("dict[str, Any]", cast(RendererHTML, self._parser.renderer).rules)
        rules |= {
            "heading_open": _heading_open,
            "heading_close": _heading_close,
            "image": _image,
            "link_open": _link_open,
            "fence": partial(_code, in_colour),
            "code_block": partial(_code, False),
        }

    def html(self, text: str) -> Markup:
        """Return a message as HTML. The result contains no script, style, image or form, whatever the text is."""
        return Markup(self._parser.render(text))  # noqa: S704  HTML in the text is escaped


def _heading_open(tokens: Sequence[Token], i: int, _options: OptionsDict, _env: EnvType) -> str:
    return f'<p class="heading heading-{tokens[i].tag[1]}">'


def _heading_close(_tokens: Sequence[Token], _i: int, _options: OptionsDict, _env: EnvType) -> str:
    return "</p>\n"


def _image(tokens: Sequence[Token], i: int, _options: OptionsDict, _env: EnvType) -> str:
    return str(Markup('<span class="image">{}</span>').format(image_text(tokens[i])))


def _link_open(tokens: Sequence[Token], i: int, _options: OptionsDict, _env: EnvType) -> str:
    return f'<a href="{escape(tokens[i].attrs["href"])}" rel="noopener noreferrer nofollow">'


def _code(in_colour: bool, tokens: Sequence[Token], i: int, _options: OptionsDict, _env: EnvType) -> str:
    words = tokens[i].info.split()
    language = words[0] if words and _SAFE_LANGUAGE.fullmatch(words[0]) else ""
    return code(cut_lines(tokens[i].content.removesuffix("\n"), MAX_LINE, MAX_CODE_LINES), language, in_colour)
