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

MAX_BYTES = 2**30
MAX_ENTRIES = 1_000_000
FRESH_SECONDS = 10.0
REMEASURE_FACTOR = 20
"""How many times as long as it took to measure a workspace nobody measures it again."""
MAX_TRACKED = 1000


@dataclass
class Quota:
    """What is taken of it so far."""

    size: int = 0
    entries: int = 0

    def consume(self, size: int) -> None:
        """Count a file, a folder or a symlink.

        Raises:
            Refusal: WORKSPACE_FULL.
        """
        self.size += size
        self.entries += 1
        if self.size > MAX_BYTES or self.entries > MAX_ENTRIES:
            raise Refusal(Code.WORKSPACE_FULL, f"A workspace holds {MAX_BYTES} bytes and {MAX_ENTRIES} files at most.")

    def consume_all(self, found: Iterable[os.stat_result]) -> None:
        """Count all of it. Raises as `take` does."""
        for status in found:
            self.consume(status.st_size if stat.S_ISREG(status.st_mode) else 0)


@dataclass
class _Measurement:
    """What one workspace held when it was measured, and what was written since; or why it is too much."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    quota: Quota = field(default_factory=Quota)
    refusal: Refusal | None = None
    due: float = 0.0

    def measure(self, measure: Callable[[], Quota]) -> None:
        began = time.monotonic()
        try:
            self.quota, self.refusal = measure(), None
        except Refusal as refusal:
            self.refusal = refusal
        now = time.monotonic()
        self.due = now + max(FRESH_SECONDS, REMEASURE_FACTOR * (now - began))

    def consume(self, size: int) -> None:
        if self.refusal:
            raise Refusal(self.refusal.code, self.refusal.detail)
        wanted = replace(self.quota)
        wanted.consume(size)
        self.quota = wanted


class Quotas:
    """What the workspaces hold as far as this replica knows: measured now and then, counted in between.

    To measure one is to walk through all of it, which takes seconds where there are many files. So it is done by one
    thread at a time, and not again for a while. What agents and other replicas write is noticed when it is.
    """

    def __init__(self) -> None:
        self._lock, self._measurements = threading.Lock(), OrderedDict[Path, _Measurement]()

    def consume(self, root: Path, size: int, measure: Callable[[], Quota]) -> None:
        """Count so many bytes more. Blocks.

        Raises:
            Refusal: WORKSPACE_FULL.
        """
        measurement = self._measurement(root)
        with measurement.lock:
            if measurement.due <= time.monotonic():
                measurement.measure(measure)
            measurement.consume(size)

    def forget(self, root: Path) -> None:
        """Measure it at the next occasion: files were removed, or an agent was at work."""
        with self._lock:
            self._measurements.pop(root, None)

    def _measurement(self, root: Path) -> _Measurement:
        with self._lock:
            measurement = self._measurements.setdefault(root, _Measurement())
            self._measurements.move_to_end(root)
            if len(self._measurements) > MAX_TRACKED:
                self._measurements.popitem(last=False)
            return measurement
