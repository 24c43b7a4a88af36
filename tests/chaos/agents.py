"""The processes of agents, found by the workspace that their sandbox has: prestarted ones are not named after it."""

import os
import signal
from contextlib import suppress
from pathlib import Path

from tests.e2e.processes import processes


def agents_of(session_id: str) -> list[int]:
    """Return the processes of the agent of a session, without the programs that it has started."""
    agents = [*processes("--session-id="), *processes("--resume=")]
    return [pid for pid in agents if _has_workspace(Path(f"/proc/{pid}"), session_id)]


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process, if it has not ended meanwhile."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def parents_of(pid: int) -> list[int]:
    """Return the parent of a process, its parent, and so on."""
    found = list[int]()
    with suppress(OSError):
        while (pid := int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])) > 1:
            found.append(pid)
    return found


def _has_workspace(process: Path, session_id: str) -> bool:
    with suppress(OSError):
        return f"/{session_id} " in (process / "mountinfo").read_text()
    return False
