"""A folder for temporary files that is erased when the process ends."""

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
    """Use a new folder for the temporary files of this process, and erase it on exit.

    Folders of killed processes are erased in the background, since they may contain conversations or documents. All of
    them are directly below the system's temporary folder, because the path of a Unix socket has at most 108 bytes. If
    this process may not list that folder, they stay there.
    """
    root, prefix = Path(tempfile.gettempdir()), f"agentapi-{service}-"
    orphaned = [path for path in _beginning_with(root, prefix) if _is_orphaned(path, path.name.removeprefix(prefix))]
    # In the background, since it may take long. If this process ends first, the next one erases the rest.
    threading.Thread(target=_erase_all, args=(orphaned,), name="scratch", daemon=True).start()
    own = Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-"))
    tempfile.tempdir = str(own)
    try:
        yield own
    finally:
        tempfile.tempdir = str(root)
        _erase_all([own])


def _beginning_with(root: Path, prefix: str) -> list[Path]:
    try:
        return [path for path in root.iterdir() if path.name.startswith(prefix)]  # `glob` would compile an expression
    except PermissionError:
        return []


def _erase_all(folders: list[Path]) -> None:
    for folder in folders:
        try:
            erase(folder)
        except OSError as error:
            log.warning("could not erase temporary files", folder=str(folder), error=repr(error))


def _is_orphaned(folder: Path, name: str) -> bool:
    try:
        own = folder.stat().st_uid == os.geteuid()
    except FileNotFoundError:  # another process has just removed it
        return False
    return own and owner_has_ended(name)


def owner_has_ended(name: str) -> bool:
    """Return whether the process has ended that created something whose name begins with its process id and a dash.

    Call it before this process creates such things: in a container, each process may get the same process id as the one
    before it.
    """
    pid = name.partition("-")[0]
    return pid.isdecimal() and (int(pid) == os.getpid() or not _is_running(int(pid)))


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):  # a process of another user cannot have created our folder
        return False
    return True
