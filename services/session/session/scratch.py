"""A place for what lives as long as this process does: the papers of its agents, and what the SDK unpacks."""

import os
import tempfile
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from runtime.logging import get_logger

from session.workspace import erase

log = get_logger()

NAME = "agentapi-session-"


@contextmanager
def scratch() -> Generator[Path]:
    """Let temporary files go to a folder of this process, and remove it in the end.

    Folders of processes that were killed are removed meanwhile: they hold conversations. All lie under the system's
    folder for temporary files, because the path of a unix socket has at most 108 bytes.
    """
    root = Path(tempfile.gettempdir())
    left = [path for path in root.glob(f"{NAME}*") if _is_left(path)]
    # Nobody waits for it: it may be much. What is not done when this process ends is found by the next one.
    threading.Thread(target=_erase_all, args=(left,), name="scratch", daemon=True).start()
    own = Path(tempfile.mkdtemp(prefix=f"{NAME}{os.getpid()}-"))
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


def _is_left(folder: Path) -> bool:
    try:
        own = folder.stat().st_uid == os.geteuid()
    except FileNotFoundError:  # another process has just removed it
        return False
    pid = folder.name.removeprefix(NAME).partition("-")[0]
    # In a container each process may get the number of the one before.
    return own and (pid == str(os.getpid()) or not _lives(pid))


def _lives(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, PermissionError, ValueError):  # the folder is ours, so another's process is not its
        return False
    return True
