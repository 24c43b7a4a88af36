"""Who uses the processors, as the kernel counts it."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
LOOK = 0.5


def used(pid: int) -> float:
    """Give the seconds that a process has used, with its children, also those that have ended."""
    usage = dict(_usage())
    mine = {pid}
    for child, (parent, _, _) in sorted(usage.items()):
        if parent in mine:
            mine.add(child)
    return usage[pid][2] + sum(usage[child][1] for child in mine)


async def busy() -> float:
    """Give the share of all processors that is in use now, by whomever."""
    total, idle = _machine()
    await asyncio.sleep(LOOK)
    total_now, idle_now = _machine()
    return 1 - (idle_now - idle) / max(total_now - total, 1)


def _usage() -> Iterator[tuple[int, tuple[int, float, float]]]:
    """Go over all processes: number, parent, own seconds, seconds of children that have ended."""
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            parent, (user, system, user_ended, system_ended) = int(fields[1]), map(int, fields[11:15])
            yield int(entry.name), (parent, (user + system) / TICK, (user_ended + system_ended) / TICK)


def _machine() -> tuple[int, int]:
    ticks = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return sum(ticks), ticks[3] + ticks[4]
