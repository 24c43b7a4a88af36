"""Faults around the processes: a clock that jumps, and a folder of workspaces that is unavailable for a while."""

import sys
from collections.abc import Sequence
from pathlib import Path

from eventing.database import Database
from report.app import service as report
from task_scheduler.app import service as task_scheduler

from tests.chaos import clock

DAY_SECONDS = 24 * 3600.0
WITH_CLOCK = ("task_scheduler", "report", "session")
"""The services that decide by the time what is due."""
WORKSPACES = "workspaces"
EARLY = "SELECT task_id, scheduled_for FROM executions WHERE scheduled_for > now()"
EXPIRED = "SELECT count(*) FROM events WHERE topic LIKE 'evt.report.deleted;%' AND convert_from(state, 'UTF8') ~ $1"


class Surroundings:
    """The clocks of processes, and the folder of the workspaces, both of which can be made wrong and right again."""

    def __init__(self, folder: Path, workspaces: Path) -> None:
        self._folder, self._workspaces = folder, workspaces
        self._hidden = workspaces.with_name(f"{workspaces.name}.hidden")
        self._clocks = dict[str, clock.OffsetFile]()
        self._wrong = set[str]()

    def with_clock(self, target: str, command: Sequence[str]) -> Sequence[str]:
        """Return the command of a process (`python -P -m <module>`) with a clock that can be set wrong."""
        if target.rpartition("-")[0] not in WITH_CLOCK:
            return command
        path = self._folder / f"{target}.clock"
        self._clocks[target] = clock.OffsetFile(path)
        return [sys.executable, "-P", clock.__file__, str(path), command[-1]]

    def set_clock_wrong(self, target: str) -> None:
        """Let the clock of a process jump a day ahead, or back from its second time on."""
        offset = self._clocks[target]
        offset.seconds = -DAY_SECONDS if target in self._wrong else DAY_SECONDS
        self._wrong ^= {target}

    def hide_folder(self, _: str) -> None:
        """Put a file in the place of the folder: nothing in it can be read, written or removed."""
        self._workspaces.rename(self._hidden)
        while True:
            try:
                self._workspaces.touch(exist_ok=False)
            except FileExistsError:  # a service has created it again, in the same moment
                self._workspaces.rename(self._workspaces.with_name(f"{self._workspaces.name}.created"))
            else:
                return

    def mend(self, target: str) -> bool:
        """Make the clock, or the folder, right again; return whether it was wrong."""
        if target == WORKSPACES:
            self._workspaces.unlink()
            self._hidden.rename(self._workspaces)
            return True
        offset = self._clocks.get(target)
        if offset is None or not offset.seconds:
            return False
        offset.seconds = 0.0
        return True


async def violations(database_url: str) -> list[str]:
    """Return what happened too early, a sentence each."""
    async with Database.open(database_url, task_scheduler.name) as database:
        rows = await database.fetch(EARLY)
    found = [f"task {row['task_id']}: the tick {row['scheduled_for']} is executed before its time" for row in rows]
    async with Database.open(database_url, report.name) as database:
        if expired := await database.fetchval(EXPIRED, '"expired": ?true'):
            found.append(f"{expired} reports have expired before their time")
    return found
