"""Startup errors, with the end of logs, for the terminal."""

import json
from pathlib import Path
from typing import Any

_MAX_LINE_LENGTH = 400
_MAX_TAIL_BYTES = 16_384
_COMPLAINTS = ("warning: ", "error: ", "critical: ")


class CannotStart(Exception):
    """The system cannot start or continue. The message says what is wrong and how to fix it."""


def tail(log: Path, lines: int = 8) -> str:
    """Return the last lines of a log, indented, with a heading."""
    last = _end(log)[-lines:] or ["(empty)"]
    return f"The end of {log}:\n" + "\n".join(f"    {_bounded(_plain(line))}" for line in last)


def tail_from(log: Path, prefix: str) -> str:
    """Return the end of a log, starting with the last line that has the prefix; empty if there is no such line."""
    lines = _end(log)
    start = max((number for number, line in enumerate(lines) if line.startswith(prefix)), default=len(lines))
    return "\n".join(map(_bounded, lines[start:]))


def complaints(log: Path, lines: int) -> list[str]:
    """Return the last warnings and errors of a log."""
    shown = map(_plain, _end(log))
    return [_bounded(line) for line in shown if line.startswith(_COMPLAINTS)][-lines:]


def _end(log: Path) -> list[str]:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _MAX_TAIL_BYTES))
            return file.read().decode(errors="replace").splitlines()
    except OSError:
        return []


def _plain(line: str) -> str:
    """Return a JSON log line as readable text, with only the last line of a stack trace; other lines as they are."""
    try:
        entry: dict[str, Any] = json.loads(line)
        fields = {
            name: value for name, value in entry.items() if name not in {"level", "event", "timestamp", "service"}
        }
        reason = str(fields.pop("exception", "")).strip().rpartition("\n")[2]
        details = [*([reason] if reason else []), *(f"{name}={value}" for name, value in fields.items())]
        return f"{entry['level']}: {entry['event']}" + (f" ({', '.join(details)})" if details else "")
    except (ValueError, LookupError, AttributeError, TypeError):
        return line


def _bounded(line: str) -> str:
    """Truncate a line at its start, since the reason is at its end."""
    return line if len(line) <= _MAX_LINE_LENGTH else f"…{line[-_MAX_LINE_LENGTH:]}"
