"""Temporary folders for the servers of tests."""

import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108  mkdtemp creates a private folder in it
_MIN_FREE_BYTES = 2 * 1024**3
_DISK = Path("/tmp")  # noqa: S108  other accounts may not be able to enter TMPDIR


@contextmanager
def temporary_folder() -> Generator[Path]:
    """Yield an empty folder that every account can enter, in memory if possible, and remove it on exit."""
    path = Path(tempfile.mkdtemp(prefix="onebox-", dir=MEMORY if usable(MEMORY) else _DISK))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def usable(folder: Path) -> bool:
    """Return whether a folder is suitable for servers: in containers, /dev/shm is often tiny or mounted noexec."""
    try:
        stats = os.statvfs(folder)
    except OSError:
        return False
    enough = stats.f_bavail * stats.f_frsize >= _MIN_FREE_BYTES
    return enough and not stats.f_flag & os.ST_NOEXEC and os.access(folder, os.W_OK)
