"""The processes of this machine."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import UUID


def _command_lines() -> Iterator[tuple[int, bytes]]:
    """Yield the id of every process of this machine, and its command line: each word stands between two NULs."""
    for pid in filter(str.isdecimal, os.listdir("/proc")):  # noqa: PTH208  `pathlib` takes twice the time
        try:
            with open(f"/proc/{pid}/cmdline", "rb", buffering=0) as file:  # noqa: PTH123
                yield int(pid), b"\0" + file.read()
        except OSError:  # the process has ended meanwhile
            continue


def command_lines() -> Iterator[tuple[int, list[str]]]:
    """Yield the id and the command line of every process of this machine."""
    for pid, line in _command_lines():
        yield pid, line[1:].decode(errors="replace").split("\0")


def running(*words: str) -> list[int]:
    """Return the ids of the processes whose command line contains these words."""
    wanted = [f"\0{word}\0".encode() for word in words]
    return [pid for pid, line in _command_lines() if all(word in line for word in wanted)]


def agents_of(session_id: UUID) -> list[int]:
    """Return the ids of a session's agents, the oldest first; only their command lines name the session.

    The last one is Claude Code itself; those before have started it. This is not the order of their ids, which begin
    again after the highest one.
    """
    names = [f"\0--{option}={session_id}\0".encode() for option in ("session-id", "resume")]
    found = list[tuple[int, int]]()
    for pid, line in _command_lines():
        if any(name in line for name in names):
            with suppress(OSError):  # the process has ended meanwhile
                found.append((_start_of(pid), pid))
    return [pid for _, pid in sorted(found)]


def _start_of(pid: int) -> int:
    """Return when a process was started, in ticks since the start of the machine."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[22 - 3])  # field 22; the first one after the name is field 3


def kill_agents_of(session_id: UUID) -> None:
    """Kill a session's agents on this machine."""
    for pid in agents_of(session_id):
        with suppress(ProcessLookupError):  # it has ended with another one of them
            os.kill(pid, signal.SIGKILL)
