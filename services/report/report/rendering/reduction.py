"""Shortening of contents that are too long to show, with a note about everything that is left out.

HTML and Markdown show long values shortened. A PDF is laid out in memory, about 3 MB a page, so that a long report is
reduced step by step until it is estimated to fit: first its colours, then its tool calls, its messages, their number.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil

from pydantic import JsonValue

from report.content import ChangedFile, MessageEntry, ReportContent, SessionSection, ToolCallEntry
from report.rendering.text import cut, cut_lines
from report.rendering.view import sessions

MAX_LINE = 2_000
MAX_PDF_LINES = 15_000
"""About 270 pages, which need 900 MB and 55 seconds of CPU time."""
MAX_COLOURED_LINES = 4_000
MAX_COLOURED_SYMBOLS = 40_000
"""Punctuation in code, most of which is an element of its own where code is in colour."""

_SYMBOL = re.compile(r"[^\w\s]")
_MARKUP = re.compile(r"[*_`\[|<]")
_MARKUP_LINES = 0.25
"""Cost in lines of a character of Markdown that begins or ends an element."""


@dataclass(frozen=True)
class Bounds:
    """How much of each value, of each message, and of all messages is shown."""

    value_characters: int = 32_000
    value_lines: int = 400
    message_characters: int = 64_000
    message_lines: int = 4_000
    rows: int = 2_000


STEPS = (
    Bounds(),
    Bounds(value_characters=8_000, value_lines=60),
    Bounds(value_characters=2_000, value_lines=15),
    Bounds(value_characters=600, value_lines=5, message_characters=4_000, message_lines=150, rows=500),
    Bounds(value_characters=300, value_lines=3, message_characters=1_200, message_lines=40, rows=200),
)


@dataclass
class _Reduction:
    """One pass over a content: applies bounds and counts what it shortens."""

    bounds: Bounds
    values: int = 0
    messages: int = 0
    rows: int = 0
    notes: list[str] = field(default_factory=list[str])

    def content(self, content: ReportContent) -> ReportContent:
        session = content.session and self._session(content.session)
        executions = [
            execution.model_copy(update={"session": execution.session and self._session(execution.session)})
            for execution in content.executions
        ]
        for number, what in (
            (self.values, "Inputs, outputs and diffs of tool calls that are shortened"),
            (self.messages, "Messages that are shortened"),
            (self.rows, "Rows of tables that are left out"),
        ):
            if number:
                self.notes.append(f"{what}: {number:,}.")
        update = {"session": session, "executions": executions, "notes": [*content.notes, *self.notes]}
        return content.model_copy(update=update)

    def _session(self, session: SessionSection) -> SessionSection:
        update = {
            "messages": [self._message(message) for message in session.messages],
            "files_changed": [self._file(file) for file in self._rows(session.files_changed)],
            "workspace": self._rows(session.workspace),
            "runs": self._rows(session.runs),
            "approvals": self._rows(session.approvals),
        }
        return session.model_copy(update=update)

    def _rows[T](self, rows: Sequence[T]) -> list[T]:
        self.rows += max(len(rows) - self.bounds.rows, 0)
        return list(rows[: self.bounds.rows])

    def _message(self, message: MessageEntry) -> MessageEntry:
        text = cut(message.text, self.bounds.message_characters)
        text = cut_lines(text, self.bounds.message_characters, self.bounds.message_lines)
        self.messages += text != message.text
        calls = [self._call(call) for call in message.tool_calls]
        shortened = message.shortened or text != message.text
        return message.model_copy(update={"text": text, "tool_calls": calls, "shortened": shortened})

    def _call(self, call: ToolCallEntry) -> ToolCallEntry:
        before = self.values
        update = {"input": self._value(call.input), "output": self._value(call.output), "diff": self._text(call.diff)}
        shortened = call.shortened or self.values > before
        return call.model_copy(update=update | {"shortened": shortened})

    def _file(self, file: ChangedFile) -> ChangedFile:
        return file.model_copy(update={"diff": self._text(file.diff)})

    def _value(self, value: JsonValue) -> JsonValue:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            strings = {key: self._text(item) for key, item in value.items() if isinstance(item, str)}
            value = {**value, **strings}
        text = json.dumps(value, indent=2, ensure_ascii=False)
        short = self._text(text)
        return value if short == text else short

    def _text[T: str | None](self, text: T) -> T | str:
        if text is None:
            return text
        short = cut(cut_lines(text, MAX_LINE, self.bounds.value_lines), self.bounds.value_characters)
        self.values += short != text
        return text if short == text else short


def shortened(content: ReportContent) -> ReportContent:
    """Return a content as HTML and Markdown show it."""
    return _Reduction(STEPS[0]).content(content)


def reduced(content: ReportContent) -> tuple[ReportContent, bool]:
    """Return a content as a PDF shows it, and whether code is shown in colour."""
    found = content
    for step in STEPS:
        found = _Reduction(step).content(content)
        if estimated_lines(found) <= MAX_PDF_LINES:
            break
    found = _without_middle(found)
    in_colour = estimated_lines(found) <= MAX_COLOURED_LINES and _symbols(found) <= MAX_COLOURED_SYMBOLS
    notes = list(found.notes)
    if not in_colour:
        notes.append("Code is shown without colours, because the report is long.")
    if len(notes) > len(content.notes):
        notes.append("The report as HTML, Markdown or JSON contains more than this PDF.")
    return found.model_copy(update={"notes": notes}), in_colour


def estimated_lines(content: ReportContent) -> int:
    """Return how many lines a PDF costs, of which 50 are a page."""
    return 3 * len(content.executions) + sum(_session_lines(session) for session in sessions(content))


def _session_lines(session: SessionSection) -> int:
    tables = 3 * len(session.runs) + 2 * (len(session.workspace) + len(session.approvals) + len(session.files_changed))
    diffs = sum(_lines(file.diff or "") for file in session.files_changed)
    return tables + diffs + sum(_message_lines(message) for message in session.messages)


def _message_lines(message: MessageEntry) -> int:
    calls = (10 + sum(map(_lines, _texts(call))) for call in message.tool_calls)
    return 3 + _lines(message.text) + int(_MARKUP_LINES * len(_MARKUP.findall(message.text))) + sum(calls)


def _symbols(content: ReportContent) -> int:
    messages = [message for session in sessions(content) for message in session.messages]
    texts = [text for message in messages for call in message.tool_calls for text in _texts(call)]
    texts += [message.text for message in messages]
    return sum(len(_SYMBOL.findall(text)) for text in texts)


def _texts(call: ToolCallEntry) -> tuple[str, str]:
    return call.diff or _as_text(call.input), _as_text(call.output)


def _as_text(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2)


def _lines(text: str) -> int:
    return sum(max(ceil(len(line) / 100), 1) for line in text.split("\n"))


def _without_middle(content: ReportContent) -> ReportContent:
    """Leave messages out of the longest sessions until the content fits: those between the first and the last."""
    too_many = estimated_lines(content) - MAX_PDF_LINES
    if too_many <= 0:
        return content
    if content.session:
        session, left_out = _shorter(content.session, too_many)
        note = f"Messages in the middle of the conversation that are left out: {left_out:,}."
        return content.model_copy(update={"session": session, "notes": [*content.notes, note]})
    executions = list(content.executions)
    dropped = 0
    for number in reversed(range(len(executions))):
        if too_many > 0 and (session := executions[number].session):
            too_many -= _session_lines(session)
            executions[number] = executions[number].model_copy(update={"session": None})
            dropped += 1
    note = f"Executions at the end whose details are left out: {dropped:,}."
    return content.model_copy(update={"executions": executions, "notes": [*content.notes, note]})


def _shorter(session: SessionSection, too_many: int) -> tuple[SessionSection, int]:
    messages = session.messages
    start = end = len(messages) // 4
    while too_many > 0 and end < len(messages) - 1:
        too_many -= _message_lines(messages[end])
        end += 1
    while too_many > 0 and start > 0:
        start -= 1
        too_many -= _message_lines(messages[start])
    return session.model_copy(update={"messages": [*messages[:start], *messages[end:]]}), end - start
