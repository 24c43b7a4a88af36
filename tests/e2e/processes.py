"""Processes of this machine that tests look for: what agents and MCP servers have started."""

import os
from contextlib import suppress
from pathlib import Path

SECONDS = f"300.{os.getpid()}"
"""How long the programs sleep that tests look for; those of other test processes sleep for another time."""


def processes(marker: str) -> list[int]:
    """Return the ids of the processes whose command line contains the marker; arguments end with a NUL."""
    found: list[int] = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # the process has ended meanwhile
            found += [int(process.name)] if marker.encode() in (process / "cmdline").read_bytes() else []
    return found


def sleeping() -> list[int]:
    """Return the ids of the processes of `sleep` for the marked time."""
    return processes(f"sleep\0{SECONDS}\0")
