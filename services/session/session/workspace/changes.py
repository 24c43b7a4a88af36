"""Changes of files: one at a time in a workspace, and only if the file is in the state that the client requires."""

import fcntl
import os
import stat
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from contracts.files import FilePrecondition
from contracts.refusals import Code, Refusal
from runtime.files.parts import etag_of

LOCK_SECONDS, POLL_SECONDS = 4.0, 0.01
LOCK_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def locked(lock: Path) -> Generator[None]:
    """Hold the lock of a workspace, a file beside it, until the block ends; it also ends with the process. Blocks.

    A lock of the file system excludes the other replicas, too, because the workspaces are on storage that all of them
    share. The agent takes no lock.

    Raises:
        TimeoutError: another process has held it all the time.
    """
    lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(lock, LOCK_FLAGS, 0o600)
    try:
        deadline = time.monotonic() + LOCK_SECONDS
        while not _take(descriptor):
            if time.monotonic() > deadline:
                raise TimeoutError("the workspace is locked by another process")
            time.sleep(POLL_SECONDS)  # in a thread; a blocking flock could not be given up
        yield
    finally:
        os.close(descriptor)


def check_precondition(precondition: FilePrecondition, status: os.stat_result | None) -> None:
    """Check the present state of what a client wants to change; None if nothing is there.

    Raises:
        Refusal: PRECONDITION_FAILED.
    """
    etag = etag_of(status) if status and stat.S_ISREG(status.st_mode) else None
    if not precondition.permits(etag):
        detail = "The file is not in the state that the preconditions of the request name. Read it again."
        raise Refusal(Code.PRECONDITION_FAILED, detail)


def replaceable(name: str, within: int) -> os.stat_result | None:
    """Return the status of a file that may be replaced; None if there is none.

    Raises:
        Refusal: NOT_A_FILE.
    """
    try:
        status = os.stat(name, dir_fd=within, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        raise Refusal(Code.NOT_A_FILE, f"{name!r} exists and is not a regular file; delete it first.")
    return status


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
