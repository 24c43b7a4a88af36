"""The state of other processes."""

import os
from pathlib import Path


def is_alive(pid: int) -> bool:
    """Return whether a process exists and has not ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it belongs to another user
        return True
    return not is_zombie(pid)


def is_zombie(pid: int) -> bool:
    """Return whether a process has ended and its parent has not reaped it yet; False without /proc (macOS)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state in "ZX"
