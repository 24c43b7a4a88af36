"""Messages on the terminal."""

import sys


def report(text: str) -> None:
    """Write a message to standard output."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def fail(text: str, code: int = 1) -> int:
    """Write an error to standard error, and return the exit code."""
    sys.stderr.write(f"{text}\n")
    return code
