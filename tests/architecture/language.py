"""The words and phrases that plain terms replaced, and where they still occur; `docs/glossary.md` defines the terms."""

import io
import re
import tokenize
from collections.abc import Iterator
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
        pieces = _python(text) if name.endswith(".py") else ((n, line, PROSE) for n, line in _lines(text))
        for line, piece, words in pieces:
            for pattern, instead in words.items():
                if found := re.search(_whole(pattern, words), piece):
                    yield f"{name}:{line}: {found.group().strip('_ ')!r}; write: {instead}"


def _whole(pattern: str, words: dict[str, str]) -> str:
    edges = r"(?:^|_)(?:{})(?=_|$)" if words is IDENTIFIERS else r"(?i)\b(?:{})\b"
    return edges.format(pattern)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    yield from enumerate(text.splitlines(), start=1)


def _python(text: str) -> Iterator[tuple[int, str, dict[str, str]]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME:
            for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z0-9]+", token.string):
                yield token.start[0], word, IDENTIFIERS
        elif token.type == tokenize.COMMENT or (token.type == tokenize.STRING and token.string.startswith('"""')):
            for n, line in _lines(token.string):
                yield token.start[0] + n - 1, line, PROSE
