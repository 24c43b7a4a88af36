"""Measures workspaces, also while agents write to them."""

import os
import time
from contextlib import suppress
from pathlib import Path

from contracts.refusals import Refusal
from runtime.files.paths import opened_folder

from session.workspace import quota
from session.workspace.quota import Quota
from session.workspace.walking import walk

INTERVAL_SECONDS, INTERVAL_FACTOR = 2.0, 20
"""A workspace is measured after this time, or this many times the duration of a measurement if that is longer."""
GROWTH_FRACTION = 4
"""It is measured earlier if its disk has lost a quarter of a quota meanwhile: measuring many files takes long."""


def measure(root: Path) -> Quota:
    """Return what a workspace uses of its quota.

    Raises:
        Refusal: WORKSPACE_FULL.
    """
    used = Quota()
    with suppress(FileNotFoundError), opened_folder(root, []) as top:  # no agent may have run here yet
        used.consume_all(entry.status for entry in walk(top, whole=True))
    return used


class Meter:
    """Measures a workspace during a run, often enough for what is written, and at a bounded cost. Blocks."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._due = self._earliest = time.monotonic() + INTERVAL_SECONDS
        self._free: int | None = None

    def check(self) -> None:
        """Measure if it is time to.

        Raises:
            Refusal: WORKSPACE_FULL.
        """
        began, free = time.monotonic(), self._free_bytes()
        if began < (self._earliest if self._lost(free) else self._due):
            return
        try:
            measure(self._root)
        except Refusal:  # what is moved during a measurement may count twice
            measure(self._root)
        now = time.monotonic()
        self._earliest, self._free = now + (now - began), free
        self._due = now + max(INTERVAL_SECONDS, INTERVAL_FACTOR * (now - began))

    def _lost(self, free: int) -> bool:
        if self._free is None:
            self._free = free
        return self._free - free > quota.MAX_BYTES // GROWTH_FRACTION

    def _free_bytes(self) -> int:
        try:
            status = os.statvfs(self._root)
        except FileNotFoundError:
            return 0
        return status.f_bfree * status.f_frsize
