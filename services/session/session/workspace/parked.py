"""Empty folders in which agents are started before their session is known, and that become its workspace.

Replicas share the folders. Each one touches its own, so that those of a replica that was killed are recognised.
"""

import ctypes
import os
import time
from contextlib import suppress
from pathlib import Path

FOLDER = ".spares"
ABANDONED_SECONDS = 60.0
_AT_FDCWD, _RENAME_NOREPLACE = -100, 1


def park(workspaces: Path, name: str) -> Path:
    """Create an empty folder."""
    (workspaces / FOLDER).mkdir(mode=0o700, exist_ok=True)
    parked = workspaces / FOLDER / name
    parked.mkdir(mode=0o700)
    return parked


def take(parked: Path, workspace: Path) -> None:
    """Make a folder the workspace of a session that has none. What works in the folder sees it where it was.

    Another replica may create the workspace at the same time, for an agent or a file: that one stays.

    Raises:
        FileExistsError: the session has a workspace.
        OSError: the folder was removed, or the file system cannot rename without replacing.
    """
    rename = ctypes.CDLL(None, use_errno=True).renameat2  # the standard library can only replace
    if rename(_AT_FDCWD, os.fsencode(parked), _AT_FDCWD, os.fsencode(workspace), _RENAME_NOREPLACE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(workspace))


def is_empty(workspace: Path) -> bool:
    """Return whether a folder that was taken is there, and still as empty as it was."""
    try:
        with os.scandir(workspace) as entries:
            return next(entries, None) is None
    except OSError:
        return False


def keep(parked: Path) -> None:
    """Note that the folder is in use.

    Raises:
        FileNotFoundError: it was removed.
    """
    os.utime(parked)


def remove(parked: Path) -> None:
    """Remove a folder that nobody has taken, unless something is in it."""
    with suppress(OSError):
        parked.rmdir()


def remove_abandoned(workspaces: Path, seconds: float = ABANDONED_SECONDS) -> None:
    """Remove the folders of replicas that were killed, which nobody has touched for so long. They are empty."""
    with suppress(FileNotFoundError):
        for parked in (workspaces / FOLDER).iterdir():
            with suppress(OSError):  # another replica was faster, or has taken it
                if parked.stat().st_mtime < time.time() - seconds:
                    parked.rmdir()
