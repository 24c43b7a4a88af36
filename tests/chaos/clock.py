"""A clock of a process that can be set wrong, from outside and while it runs.

As a program, it runs a module with such a clock. Arguments: the file of the offset, the module.
"""

import runpy
import struct
import sys
from datetime import datetime, timedelta
from mmap import mmap
from pathlib import Path

from runtime import clock

OFFSET = struct.Struct("d")


class OffsetFile:
    """The seconds by which the clock of a process is wrong, in a file that is mapped into its memory."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(OFFSET.pack(0.0))
        with path.open("r+b") as file:
            self._mapped = mmap(file.fileno(), OFFSET.size)

    @property
    def seconds(self) -> float:
        """How many seconds the clock is ahead."""
        return OFFSET.unpack_from(self._mapped)[0]

    @seconds.setter
    def seconds(self, seconds: float) -> None:
        OFFSET.pack_into(self._mapped, 0, seconds)


def _run(path: str, module: str) -> None:
    offset, right = OffsetFile(Path(path)), clock.now

    def now() -> datetime:
        return right() + timedelta(seconds=offset.seconds)

    clock.now = now
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__")


if __name__ == "__main__":
    _run(*sys.argv[1:])
