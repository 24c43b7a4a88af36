"""Processes of this machine that tests look for: what agents and MCP servers have started."""

import os
from contextlib import suppress
from pathlib import Path
from zlib import crc32


def processes(marker: str) -> list[int]:
    """Return the ids of the processes whose command line contains the marker; arguments end with a NUL."""
    found: list[int] = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # the process has ended meanwhile
            found += [int(process.name)] if marker.encode() in (process / "cmdline").read_bytes() else []
    return found


def seconds_of(module: str) -> str:
    """Return how long the programs of a test module sleep: those of other modules, and runs, sleep for another time."""
    return f"300.{os.getpid()}{crc32(module.encode())}"


def sleeping(seconds: str) -> list[int]:
    """Return the ids of the processes of `sleep` for this time."""
    return processes(f"sleep\0{seconds}\0")
