"""What goes wrong at start, in words for the person at the terminal."""

from pathlib import Path


class CannotStart(Exception):
    """One plain message: what is wrong, and what to do about it."""


def tail(log: Path, lines: int = 12) -> str:
    """Give the last lines of a log, indented, or say that there are none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 8192))
            text = file.read().decode(errors="replace")
    except OSError:
        text = ""
    last = text.splitlines()[-lines:] or ["(nothing)"]
    return f"The end of {log}:\n" + "\n".join(f"    {line}" for line in last)
