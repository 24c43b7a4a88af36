"""Words to the person at the terminal."""

import sys


def say(text: str) -> None:
    """Tell what goes on."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def fail(text: str, code: int = 1) -> int:
    """Tell what went wrong, and give the exit code."""
    sys.stderr.write(f"{text}\n")
    return code
