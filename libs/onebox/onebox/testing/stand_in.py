"""The stand-in for Claude Code, which most tests run in its place."""

import shutil
import subprocess
import sys
import tempfile
from atexit import register
from functools import cache
from pathlib import Path

PACKING = "simulator.claude_code.packing"


@cache
def stand_in() -> Path:
    """Return the program, packed once per test process; every account can run it."""
    folder = Path(tempfile.mkdtemp(prefix="agent-", dir="/tmp"))
    register(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    program = folder / "claude"
    subprocess.run([sys.executable, "-P", "-m", PACKING, str(program)], check=True)  # noqa: S603  our own program
    return program
