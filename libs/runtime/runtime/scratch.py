"""A folder for what lives as long as this process does, such as the files that libraries unpack."""

import os
import tempfile
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from runtime.files.erasing import erase
from runtime.logging import get_logger

log = get_logger()


@contextmanager
def scratch_folder(service: str) -> Generator[Path]:
    """Let temporary files go to a folder of this process, and erase it in the end.

    Folders of processes that were killed are erased meanwhile: they may hold conversations, or documents of users. All
    lie under the system's folder for temporary files, because the path of a unix socket has at most 108 bytes.
    """
    root, prefix = Path(tempfile.gettempdir()), f"agentapi-{service}-"
    left = [path for path in root.glob(f"{prefix}*") if _is_left(path, path.name.removeprefix(prefix))]
    # Nobody waits for it: it may be much. What is not done when this process ends is found by the next one.
    threading.Thread(target=_erase_all, args=(left,), name="scratch", daemon=True).start()
    own = Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-"))
    tempfile.tempdir = str(own)
    try:
        yield own
    finally:
        tempfile.tempdir = str(root)
        _erase_all([own])


def _erase_all(folders: list[Path]) -> None:
    for folder in folders:
        try:
            erase(folder)
        except OSError as error:
            log.warning("temporary files are not all erased", folder=str(folder), error=repr(error))


def _is_left(folder: Path, name: str) -> bool:
    try:
        own = folder.stat().st_uid == os.geteuid()
    except FileNotFoundError:  # another process has just removed it
        return False
    pid = name.partition("-")[0]
    # In a container each process may get the number of the one before.
    return own and pid.isdecimal() and (int(pid) == os.getpid() or not _lives(int(pid)))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):  # the folder is ours, so another's process is not its
        return False
    return True
