"""The processes of this machine."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import UUID


def command_lines() -> Iterator[tuple[int, list[str]]]:
    """Yield the id and the command line of every process of this machine."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield int(path.parent.name), path.read_bytes().decode(errors="replace").split("\0")
        except OSError:  # the process has ended meanwhile
            continue


def running(*words: str) -> list[int]:
    """Return the ids of the processes whose command line contains these words."""
    return [pid for pid, line in command_lines() if set(words) <= set(line)]


def agents_of(session_id: UUID) -> list[int]:
    """Return the ids of a session's agents on this machine; only their command lines name the session."""
    return [*running(f"--session-id={session_id}"), *running(f"--resume={session_id}")]


def kill_agents_of(session_id: UUID) -> None:
    """Kill a session's agents on this machine."""
    for pid in agents_of(session_id):
        with suppress(ProcessLookupError):  # it has ended with another one of them
            os.kill(pid, signal.SIGKILL)
