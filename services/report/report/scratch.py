"""The folder for temporary files, which hold what users wrote: it must not outlive a process that is killed."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "report-"


@contextmanager
def scratch_folder() -> Generator[Path]:
    """Create a folder for this process, and remove those of processes that were killed. Blocks."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError), _locked(folder):  # it is in use, or belongs to another account
            shutil.rmtree(folder)
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as name, _locked(Path(name)):
        yield Path(name)


@contextmanager
def _locked(folder: Path) -> Generator[None]:
    """Hold the lock of a folder, which the kernel releases when the process ends.

    Raises:
        OSError: another process holds it, or the folder does not exist or is not accessible.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
