"""A clock that several processes share, and a replica of the service that uses it.

As a program, it runs a replica. Argument: the file of the clock.
"""

import runpy
import struct
import sys
from datetime import datetime, timedelta
from mmap import mmap
from pathlib import Path

from eventing.testing.due import set_clocks
from runtime import clock

OFFSET = struct.Struct("d")


class SharedClock:
    """The time of this machine plus an offset, which is stored in a file that all processes map into memory."""

    def __init__(self, path: Path) -> None:
        self.path, self._machine_time = path, clock.now
        if not path.exists():
            path.write_bytes(OFFSET.pack(0.0))
        with path.open("r+b") as file:
            self._offset = mmap(file.fileno(), OFFSET.size)

    def now(self) -> datetime:
        """Return the time."""
        return self._machine_time() + timedelta(seconds=self._seconds())

    def step(self, seconds: float) -> None:
        """Set the clock forward, or back, in all processes."""
        OFFSET.pack_into(self._offset, 0, self._seconds() + seconds)

    def _seconds(self) -> float:
        return OFFSET.unpack_from(self._offset)[0]


if __name__ == "__main__":
    set_clocks(setattr, SharedClock(Path(sys.argv.pop())).now)
    runpy.run_module("task_scheduler", run_name="__main__")
