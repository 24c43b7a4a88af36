"""Text for the Markdown format, as it renders on a code host: no HTML, no images, no markup that escapes its place."""

import re
from collections import Counter
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

from markdown_it.token import Token
from mdformat.renderer import MDRenderer, RenderContext, RenderTreeNode

from report.rendering.markdown import image_text, parser

_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~&!@$])")
_LIST_OR_HEADING = re.compile(r"^(\s*)([-+=]|\d+(?=[.)]))")


def inline(text: str) -> str:
    """Return text on one line with all markup escaped, also for cells of tables."""
    line = " ".join(text.split())
    return _LIST_OR_HEADING.sub(r"\1\\\2" if not line[:1].isdigit() else r"\1\2\\", _MARKUP.sub(r"\\\1", line))


def fence(text: str, language: str = "") -> str:
    """Return a block of code, with a fence that is longer than any run of backticks in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}{language}\n{text}\n{ticks}"


def heading_anchors(headings: Sequence[str]) -> list[str]:
    """Return the anchors that code hosts derive from the headings of a document, in their order."""
    seen = Counter[str]()
    anchors: list[str] = []
    for heading in headings:
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        anchors.append(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return anchors


def quote(markdown: str) -> str:
    """Return a message in Markdown as a quotation, so that its headings and lists do not mix with the report's."""
    return "\n".join(f"> {line}".rstrip() for line in _plain_markdown(markdown).splitlines()) or ">"


def _plain_markdown(markdown: str) -> str:
    """Return Markdown that means the same on a code host as in the other formats, where HTML in a message is text."""
    tokens = _PARSER.parse(markdown)
    renderer = cast(Any, MDRenderer())
    return renderer.render(_without_images(tokens), _PARSER.options, {})


def _without_images(tokens: Sequence[Token]) -> Sequence[Token]:
    for token in tokens:
        if token.type == "fence":
            token.info = token.info.split()[0] if token.info.split() else ""
        for child in token.children or ():
            if child.type == "image":
                child.type, child.tag, child.content, child.children = "text", "", image_text(child), None
    return tokens


def _strikethrough(node: RenderTreeNode, context: RenderContext) -> str:
    return f"~~{_inner(node, context)}~~"


def _table(node: RenderTreeNode, context: RenderContext) -> str:
    rows = [[_cell(cell, context) for cell in row.children] for part in node.children for row in part.children]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])


def _inner(node: RenderTreeNode, context: RenderContext) -> str:
    return "".join(child.render(context) for child in node.children)


def _cell(node: RenderTreeNode, context: RenderContext) -> str:
    text = _inner(node, context).replace("\n", " ")
    return re.sub(r"(?<!\\)\|", r"\\|", text)


_EXTENSION = SimpleNamespace(RENDERERS={"s": _strikethrough, "table": _table}, POSTPROCESSORS={}, CHANGES_AST=False)
"""How mdformat writes what is not in CommonMark."""

_PARSER = parser()
cast(Any, _PARSER.options)["parser_extension"] = [_EXTENSION]
