"""The stand-in for Claude Code, which most tests run in its place."""

import shutil
import tempfile
from atexit import register
from functools import cache
from pathlib import Path

from simulator.claude_code.packing import pack


@cache
def stand_in() -> Path:
    """Return the program, packed once per test process; every account can run it."""
    folder = Path(tempfile.mkdtemp(prefix="agent-", dir="/tmp"))
    register(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    return pack(folder / "claude")
