"""Tool calls as readers expect them: a command as shell code, a file in its language, everything else as JSON."""

import json
from dataclasses import dataclass
from typing import Any, cast

from pydantic import JsonValue
from pygments import lexers
from pygments.util import ClassNotFound

from report.content import ToolCallEntry
from report.rendering.text import one_line

_SUMMARY_NAMES = ("command", "file_path", "path", "pattern", "url", "query", "description", "prompt")


@dataclass(frozen=True)
class Source:
    """Text and the language it is written in, which is empty for plain text."""

    text: str
    language: str = ""


def call_input(call: ToolCallEntry) -> Source:
    """Return the input of a tool call."""
    values: dict[str, Any] = call.input if isinstance(call.input, dict) else {}
    match values:
        case {"command": str(command)}:
            return Source(command, "bash")
        case {"file_path": str(path), "content": str(text)}:
            return Source(text, _language_of(path))
        case _:
            return _value(call.input)


def call_output(call: ToolCallEntry) -> Source:
    """Return the output of a tool call: its text alone if it is nothing else."""
    match call.output:
        case {"content": str(text), **rest} if not rest:
            return Source(text)
        case _:
            return _value(call.output)


def call_summary(call: ToolCallEntry) -> str:
    """Return the most important value of the input of a tool call, on one line."""
    values: dict[str, Any] = call.input if isinstance(call.input, dict) else {}
    summary = next((values[name] for name in _SUMMARY_NAMES if isinstance(values.get(name), str)), None)
    return one_line(summary or _value(call.input).text, 110)


def _value(value: JsonValue) -> Source:
    return Source(value) if isinstance(value, str) else Source(json.dumps(value, indent=2, ensure_ascii=False), "json")


def _language_of(path: str) -> str:
    try:
        return cast(Any, lexers).get_lexer_for_filename(path).aliases[0]
    except (ClassNotFound, IndexError):
        return ""
