"""The words and phrases that plain terms replaced, and where they still occur; `docs/glossary.md` defines the terms."""

import io
import re
import tokenize
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

IDENTIFIERS = {
    r"(?i:facts?)": "event",
    r"(?i:told)|teller|telling": "the verb for it: sent, published, reported",
    r"whoever|whom|anothers|away|patiently|unburied|bury|mourn|mended?|harm(?:ed|s)?": "a plain term",
    r"LARGEST|LONGEST|MOST|DEEPEST|WIDEST": "MAX",
    r"SMALLEST|SHORTEST|OLDEST": "MIN",
}
"""Parts of names, between underscores."""

PROSE = {
    r"facts?": "event",
    r"told|tells?|telling": "send, publish, report, notify, say",
    r"gives?(?! up)|gave|giving(?! up)": "return, send, provide",
    r"whoever|whatever becomes|who waits|what is another'?s|another'?s": "a noun",
    r"is away|are away|be away|was away": "is unavailable",
    r"mend(?:s|ed)?|harm(?:s|ed)?|unburied|bur(?:y|ies)|mourns?": "fix, inject faults, dead-letter",
    r"anew|of late|as it were|so since|to be had|in hand|once more": "a plain adverb, or a clause with a subject",
    r"stands? still|went on|goes by": "is stopped, continued, uses",
    r"weaker than": "known limitations",
    r"comes? (?:twice|again)": "is delivered twice, is redelivered",
}
"""Words and phrases of comments, docstrings and Markdown."""

NOT_CHECKED = ("tests/architecture/language.py", "tests/e2e/specification.md", "docs/glossary.md")


def findings(root: Path, files: list[str]) -> Iterator[str]:
    """Yield a line for each replaced word in these files of `root`: where it is, and what to write instead."""
    for name in files:
        if name in NOT_CHECKED or "/vendor/" in name:
            continue
        text = (root / name).read_text() if name.endswith((".py", ".md", ".js", ".html")) else ""
        pieces = _python(text) if name.endswith(".py") else ((n, line, _PROSE) for n, line in _lines(text))
        for line, piece, words in pieces:
            yield from (f"{name}:{line}: {found}" for found in words(piece))


def _replaced(words: dict[str, str], edges: str) -> Callable[[str], tuple[str, ...]]:
    """Return what finds the replaced words of a text; most texts have none, and many names occur often."""
    patterns = {re.compile(edges.format(pattern)): instead for pattern, instead in words.items()}
    any_of_them = re.compile(edges.format("|".join(words)))

    @cache
    def found(text: str) -> tuple[str, ...]:
        if not any_of_them.search(text):
            return ()
        matches = ((pattern.search(text), instead) for pattern, instead in patterns.items())
        return tuple(f"{match.group().strip('_ ')!r}; write: {instead}" for match, instead in matches if match)

    return found


_NAME = _replaced(IDENTIFIERS, r"(?:^|_)(?:{})(?=_|$)")
_PROSE = _replaced(PROSE, r"(?i)\b(?:{})\b")


@cache
def _parts(name: str) -> list[str]:
    return re.findall(r"[A-Z]?[a-z0-9]+|[A-Z0-9]+", name)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    yield from enumerate(text.splitlines(), start=1)


_SUSPECT = re.compile(rf"{'|'.join(IDENTIFIERS)}|(?i:\b(?:{'|'.join(PROSE)})\b)")
"""What every text with a replaced word has: to split the others into tokens takes most of the time."""


def _python(text: str) -> Iterator[tuple[int, str, Callable[[str], tuple[str, ...]]]]:
    if not _SUSPECT.search(text):
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME:
            for word in _parts(token.string):
                yield token.start[0], word, _NAME
        elif token.type == tokenize.COMMENT or (token.type == tokenize.STRING and token.string.startswith('"""')):
            for n, line in _lines(token.string):
                yield token.start[0] + n - 1, line, _PROSE
