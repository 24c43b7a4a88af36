"""How much a workspace holds: agents are held to it when a run begins, everything else at once."""

import os
import stat
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from contracts.refusals import Code, Refusal

LARGEST = 2**30
MOST = 1_000_000
FRESH_SECONDS = 10.0
REST = 20
"""How many times as long as it took to measure a workspace nobody measures it again."""
REMEMBERED = 1000


@dataclass
class Room:
    """What is taken of it so far."""

    size: int = 0
    entries: int = 0

    def take(self, size: int) -> None:
        """Count a file, a folder or a symlink.

        Raises:
            Refusal: WORKSPACE_FULL.
        """
        self.size += size
        self.entries += 1
        if self.size > LARGEST or self.entries > MOST:
            raise Refusal(Code.WORKSPACE_FULL, f"A workspace holds {LARGEST} bytes and {MOST} files at most.")

    def take_all(self, found: Iterable[os.stat_result]) -> None:
        """Count all of it. Raises as `take` does."""
        for status in found:
            self.take(status.st_size if stat.S_ISREG(status.st_mode) else 0)


@dataclass
class _Figure:
    """What one workspace held when it was measured, and what was written since; or why it is too much."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    room: Room = field(default_factory=Room)
    refusal: Refusal | None = None
    due: float = 0.0

    def measure(self, measure: Callable[[], Room]) -> None:
        began = time.monotonic()
        try:
            self.room, self.refusal = measure(), None
        except Refusal as refusal:
            self.refusal = refusal
        now = time.monotonic()
        self.due = now + max(FRESH_SECONDS, REST * (now - began))

    def take(self, size: int) -> None:
        if self.refusal:
            raise Refusal(self.refusal.code, self.refusal.detail)
        wanted = replace(self.room)
        wanted.take(size)
        self.room = wanted


class Rooms:
    """What the workspaces hold as far as this replica knows: measured now and then, counted in between.

    To measure one is to walk through all of it, which takes seconds where there are many files. So it is done by one
    thread at a time, and not again for a while. What agents and other replicas write is noticed when it is.
    """

    def __init__(self) -> None:
        self._lock, self._figures = threading.Lock(), OrderedDict[Path, _Figure]()

    def take(self, root: Path, size: int, measure: Callable[[], Room]) -> None:
        """Count so many bytes more. Blocks.

        Raises:
            Refusal: WORKSPACE_FULL.
        """
        figure = self._figure(root)
        with figure.lock:
            if figure.due <= time.monotonic():
                figure.measure(measure)
            figure.take(size)

    def forget(self, root: Path) -> None:
        """Measure it at the next occasion: files were removed, or an agent was at work."""
        with self._lock:
            self._figures.pop(root, None)

    def _figure(self, root: Path) -> _Figure:
        with self._lock:
            figure = self._figures.setdefault(root, _Figure())
            self._figures.move_to_end(root)
            if len(self._figures) > REMEMBERED:
                self._figures.popitem(last=False)
            return figure
