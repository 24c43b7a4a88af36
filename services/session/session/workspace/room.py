"""How much a workspace holds: agents are held to it when a run begins, everything else at once."""

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass

from contracts.refusals import Code, Refusal

LARGEST = 2**30
MOST = 1_000_000


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
