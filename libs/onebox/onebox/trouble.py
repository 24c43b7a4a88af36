"""What goes wrong at start, in words for the person at the terminal."""

from pathlib import Path

_LONGEST_LINE = 400


class CannotStart(Exception):
    """One plain message: what is wrong, and what to do about it."""


def tail(log: Path, lines: int = 8) -> str:
    """Give the last lines of a log, indented, or say that there are none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 16_384))
            text = file.read().decode(errors="replace")
    except OSError:
        text = ""
    last = text.splitlines()[-lines:] or ["(nothing)"]
    return f"The end of {log}:\n" + "\n".join(f"    {_bounded(line)}" for line in last)


def _bounded(line: str) -> str:
    """Keep the end: a stack trace in one line of JSON has its reason there."""
    return line if len(line) <= _LONGEST_LINE else f"…{line[-_LONGEST_LINE:]}"
