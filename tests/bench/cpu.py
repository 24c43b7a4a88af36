"""Who uses the processors, as the kernel counts it."""

import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class _Process:
    number: int
    parent: int
    seconds: float
    """Its own, and those of its children that have ended."""


def used(pid: int) -> float:
    """Return the seconds that a process has used, with all its descendants."""
    return sum(process.seconds for process in _tree(pid))


def used_alone(pid: int) -> float:
    """Return the seconds that a process has used, without its descendants that live."""
    return next(process.seconds for process in _tree(pid))


def tree(pid: int) -> list[int]:
    """Return the numbers of a process and all its descendants."""
    return [process.number for process in _tree(pid)]


def _tree(pid: int) -> Iterator[_Process]:
    children: defaultdict[int, list[_Process]] = defaultdict(list)
    unseen: list[_Process] = []
    for process in _processes():
        children[process.parent].append(process)
        unseen += [process] if process.number == pid else []
    while unseen:
        process = unseen.pop()
        yield process
        unseen += children[process.number]


@dataclass(frozen=True)
class Watch:
    """Looks from its making on at how much of the machine others use: processes that are not ours."""

    machine: tuple[float, float] = field(default_factory=lambda: _machine())
    ours: float = field(default_factory=lambda: used(os.getpid()))

    def others(self) -> float:
        """Return their share of all processors, until now."""
        busy, total = (now - then for now, then in zip(_machine(), self.machine, strict=True))
        return max(0.0, busy - (used(os.getpid()) - self.ours)) / max(total, 1 / TICK)


def _processes() -> Iterator[_Process]:
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            yield _Process(int(entry.name), int(fields[1]), sum(map(int, fields[11:15])) / TICK)


def _machine() -> tuple[float, float]:
    """Return the seconds that all processors were busy, and those that passed on all of them."""
    ticks = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / TICK, sum(ticks) / TICK
