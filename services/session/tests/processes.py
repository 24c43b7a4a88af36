"""The processes of this machine."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
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
    """Return the ids of a session's agents on this machine; only their command lines name the session."""
    names = [f"\0--{option}={session_id}\0".encode() for option in ("session-id", "resume")]
    return [pid for pid, line in _command_lines() if any(name in line for name in names)]


def kill_agents_of(session_id: UUID) -> None:
    """Kill a session's agents on this machine."""
    for pid in agents_of(session_id):
        with suppress(ProcessLookupError):  # it has ended with another one of them
            os.kill(pid, signal.SIGKILL)
