"""The processes of this machine."""

from pathlib import Path
from uuid import UUID


def running(*words: str) -> list[int]:
    """Give the processes of this machine whose command line has these words."""
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if set(words) <= set(line):
            found.append(int(path.parent.name))
    return found


def agents_of(session_id: UUID) -> list[int]:
    """Return the agents of a session on this machine: their command lines name it, and nothing else of it."""
    return [*running(f"--session-id={session_id}"), *running(f"--resume={session_id}")]
