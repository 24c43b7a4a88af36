"""Whether other processes live."""

import os
from pathlib import Path


def is_alive(pid: int) -> bool:
    """Say whether a process is there and has not ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is another user's
        return True
    return not is_zombie(pid)


def is_zombie(pid: int) -> bool:
    """Say whether a process has ended and its parent has not asked how; without /proc (macOS) nobody can tell."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state in "ZX"
