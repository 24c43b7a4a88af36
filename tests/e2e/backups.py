"""Saving and restoring whole systems."""

import subprocess
import sys
from pathlib import Path

from onebox.children import allowed_environment


def started(command: str, data_dir: Path, file: Path) -> subprocess.Popen[str]:
    """Start a command of backups."""
    return subprocess.Popen(
        [sys.executable, "-m", "onebox.backup", command, str(file)],
        env=allowed_environment() | {"DATA_DIR": str(data_dir)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(command: str, data_dir: Path, file: Path) -> str:
    """Run a command of backups, which must succeed, and return its output."""
    with started(command, data_dir, file) as process:
        output, errors = process.communicate()
    assert process.returncode == 0, errors
    return output
