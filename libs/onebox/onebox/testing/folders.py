"""Folders for the servers of tests."""

import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108  mkdtemp makes a folder there that is ours alone
_ENOUGH = 2 * 1024**3
_DISK = Path("/tmp")  # noqa: S108  not TMPDIR, which other accounts may not enter


@contextmanager
def temporary_folder() -> Generator[Path]:
    """Make an empty folder that every account can enter, in memory if possible, and remove it in the end."""
    path = Path(tempfile.mkdtemp(prefix="onebox-", dir=MEMORY if usable(MEMORY) else _DISK))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def usable(folder: Path) -> bool:
    """Return whether servers can keep their files in a folder: in containers it is often tiny, or runs no programs."""
    try:
        room = os.statvfs(folder)
    except OSError:
        return False
    enough = room.f_bavail * room.f_frsize >= _ENOUGH
    return enough and not room.f_flag & os.ST_NOEXEC and os.access(folder, os.W_OK)
