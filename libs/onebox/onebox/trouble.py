"""What goes wrong at start, in words for the person at the terminal."""

import json
from pathlib import Path
from typing import Any

_LONGEST_LINE = 400
_LARGEST_TAIL = 16_384


class CannotStart(Exception):
    """One plain message: what is wrong, and what to do about it."""


def tail(log: Path, lines: int = 8) -> str:
    """Give the last lines of a log, indented, or say that there are none."""
    last = _end(log)[-lines:] or ["(nothing)"]
    return f"The end of {log}:\n" + "\n".join(f"    {_bounded(_plain(line))}" for line in last)


def last_words(log: Path, beginning: str) -> str:
    """Return the end of a log from the last line with this beginning on; empty when there is none."""
    lines = _end(log)
    at = max((number for number, line in enumerate(lines) if line.startswith(beginning)), default=len(lines))
    return "\n".join(map(_bounded, lines[at:]))


def _end(log: Path) -> list[str]:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _LARGEST_TAIL))
            return file.read().decode(errors="replace").splitlines()
    except OSError:
        return []


def _plain(line: str) -> str:
    """Return a line of JSON, as services log, as a person reads it: of a stack trace the last line alone."""
    try:
        entry: dict[str, Any] = json.loads(line)
        told = {name: value for name, value in entry.items() if name not in {"level", "event", "timestamp", "service"}}
        reason = str(told.pop("exception", "")).strip().rpartition("\n")[2]
        details = [*([reason] if reason else []), *(f"{name}={value}" for name, value in told.items())]
        return f"{entry['level']}: {entry['event']}" + (f" ({', '.join(details)})" if details else "")
    except (ValueError, LookupError, AttributeError, TypeError):
        return line


def _bounded(line: str) -> str:
    """Keep the end, where the reason is."""
    return line if len(line) <= _LONGEST_LINE else f"…{line[-_LONGEST_LINE:]}"
