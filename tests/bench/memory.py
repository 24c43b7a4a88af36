"""How much memory processes take, as the kernel counts it."""

import re
from contextlib import suppress
from pathlib import Path

from tests.bench import cpu


def used(pid: int) -> int:
    """Return the bytes that a process and its descendants take; of what several share, each counts its part."""
    return sum(_proportional(process) for process in cpu.tree(pid))


def _proportional(pid: int) -> int:
    with suppress(FileNotFoundError, ProcessLookupError):  # it has ended
        found = re.search(r"^Pss:\s+(\d+) kB", (Path("/proc") / str(pid) / "smaps_rollup").read_text(), re.MULTILINE)
        return int(found[1]) * 1024 if found else 0
    return 0


def megabytes(count: float) -> str:
    """Write an amount."""
    return f"{count / 2**20:.1f} MB"
