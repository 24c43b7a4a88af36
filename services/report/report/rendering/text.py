"""Text from agents made harmless to show: no control characters, no hidden direction changes, no floods."""

import re

_TERMINAL_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]{0,2000}(?:\x07|\x1b\\)")
_LINE_ENDS = re.compile("\r\n|[\r\x85\u2028\u2029]")
_NOT_CHARACTERS = re.compile("[\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_BIDI_CONTROL = re.compile("[\u202a-\u202e\u2066-\u2069]")
INVISIBLE = (
    "\u00ad\u034f\u115f\u1160\u180b-\u180f\u200b-\u200f\u2060-\u2064\u3164\ufe00-\ufe0f\ufeff\U000e0000-\U000e01ef"
)
_INVISIBLE_FLOOD = re.compile(f"[{INVISIBLE}]{{5,}}")
_COMBINING = "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
_COMBINING_FLOOD = re.compile(f"({_COMBINING}{{6}}){_COMBINING}+")


def storable(text: str) -> str:
    """Return the text without what JSON and XML cannot hold: lone surrogates and noncharacters become U+FFFD."""
    return _NOT_CHARACTERS.sub("\ufffd", text)


def readable(text: str) -> str:
    """Return the text as it is safe to show.

    Sequences for terminals are removed. Control characters and controls of the writing direction become visible,
    because the latter can make code read differently from what it is (CVE-2021-42574). Floods of invisible or
    combining characters, which hide text or cover other lines, are replaced by their number.
    """
    text = _LINE_ENDS.sub("\n", _TERMINAL_SEQUENCE.sub("", storable(text)))
    text = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
    text = _BIDI_CONTROL.sub(lambda found: f"[U+{ord(found[0]):04X}]", text)
    text = _INVISIBLE_FLOOD.sub(lambda found: f"[{len(found[0])} invisible characters]", text)
    return _COMBINING_FLOOD.sub(r"\1", text)


def cut(text: str, max_characters: int) -> str:
    """Return the text, or its beginning and a line that says how much is left out."""
    if len(text) <= max_characters:
        return text
    return f"{text[:max_characters]}\n… {len(text) - max_characters:,} more characters are left out"


def cut_lines(text: str, max_line: int, max_lines: int) -> str:
    """Return the text with long lines cut, and without the lines after `max_lines`."""
    lines = text.split("\n", max_lines)
    rest = lines.pop() if len(lines) > max_lines else ""
    short = [line if len(line) <= max_line else f"{line[:max_line]} … (+{len(line) - max_line:,})" for line in lines]
    if rest:
        short.append(f"… {rest.count('\n') + 1:,} more lines are left out")
    return "\n".join(short)


def excerpt(markdown: str, max_characters: int) -> str:
    """Return the first paragraphs of a text in Markdown that fit, at least the beginning of the first one."""
    if len(markdown) <= max_characters:
        return markdown
    end = markdown.rfind("\n\n", 0, max_characters)
    return f"{markdown[: end if end > 0 else max_characters].rstrip()}\n\n…"


def one_line(text: str, max_characters: int) -> str:
    """Return the text as one line, ended by an ellipsis if it is longer than `max_characters`."""
    line = " ".join(text[: max_characters * 4].split())
    return line if len(line) <= max_characters else f"{line[: max_characters - 1].rstrip()}…"
