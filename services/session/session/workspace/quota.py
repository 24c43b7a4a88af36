"""The quota of a workspace: enforced for agents when a run begins, and for everything else immediately."""

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
"""A measurement is valid for at least this many times its duration."""
MAX_TRACKED = 1000


@dataclass
class Quota:
    """The part of a quota that is used so far."""

    size: int = 0
    entries: int = 0

    def consume(self, size: int) -> None:
        """Count a file, a folder or a symlink of `size` bytes.

        Raises:
            Refusal: WORKSPACE_FULL.
        """
        self.size += size
        self.entries += 1
        if self.size > MAX_BYTES or self.entries > MAX_ENTRIES:
            raise Refusal(Code.WORKSPACE_FULL, f"A workspace has at most {MAX_BYTES} bytes and {MAX_ENTRIES} files.")

    def consume_all(self, found: Iterable[os.stat_result]) -> None:
        """Count all entries. Raises as `consume` does."""
        for status in found:
            self.consume(status.st_size if stat.S_ISREG(status.st_mode) else 0)


@dataclass
class _Measurement:
    """The usage of one workspace: as measured, plus what was written since; or the refusal if it is over the quota."""

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
        updated = replace(self.quota)
        updated.consume(size)
        self.quota = updated


class Quotas:
    """The usage of workspaces, as far as this replica knows.

    Measuring a workspace means walking through it, which takes seconds if it has many files. So one thread at a time
    measures a workspace, at most every few seconds, and writes are counted in between. Files written by agents and
    other replicas are noticed at the next measurement.
    """

    def __init__(self) -> None:
        self._lock, self._measurements = threading.Lock(), OrderedDict[Path, _Measurement]()

    def consume(self, root: Path, size: int, measure: Callable[[], Quota]) -> None:
        """Count another `size` bytes in the workspace `root`. Blocks.

        Raises:
            Refusal: WORKSPACE_FULL.
        """
        measurement = self._measurement(root)
        with measurement.lock:
            if measurement.due <= time.monotonic():
                measurement.measure(measure)
            measurement.consume(size)

    def forget(self, root: Path) -> None:
        """Discard the measurement, because files were deleted or an agent has run."""
        with self._lock:
            self._measurements.pop(root, None)

    def _measurement(self, root: Path) -> _Measurement:
        with self._lock:
            measurement = self._measurements.setdefault(root, _Measurement())
            self._measurements.move_to_end(root)
            if len(self._measurements) > MAX_TRACKED:
                self._measurements.popitem(last=False)
            return measurement
