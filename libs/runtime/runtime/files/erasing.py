"""Erasing a folder with all that is in it, however deep it is, and whatever its owner closed."""

import errno
import os
import stat
from contextlib import suppress
from itertools import islice
from pathlib import Path

from runtime.files.paths import FOLDER, grant_owner, opened

RANDOM = 16
AT_A_TIME = 100_000
MAX_ENTRIES = 4_000_000
"""After so many files, folders and links, somebody adds to the folder as fast as they are removed."""


class _Left:
    """How much may still be looked at: a process that stands in a folder adds to it wherever the folder is now."""

    def __init__(self) -> None:
        self.entries = MAX_ENTRIES

    def take(self) -> None:
        self.entries -= 1
        if self.entries < 0:
            raise OSError(errno.ENOTEMPTY, "somebody still adds to it")


def erase(root: Path) -> None:
    """Remove a folder with all that is in it, or what lies in its place; nothing happens when nothing does.

    Raises:
        OSError: something cannot be removed; or it is very much, or somebody still adds to it: ENOTEMPTY, and what
            was removed until then is gone.
    """
    try:
        with opened(root.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) as within:
            erase_within(root.name, within)
    except FileNotFoundError:  # it is gone; or somebody else is removing it, and it is tried again
        if root.exists():
            raise


def erase_within(name: str, within: int) -> None:
    """Remove what lies in an open folder. No symlink is followed.

    What lies deeper is moved up before its folder goes, so that depth costs neither open files nor stack.

    Raises:
        OSError: as `erase` does; or it is not there.
    """
    if not _is_folder(name, within):
        os.unlink(name, dir_fd=within)
        return
    grant_owner(name, within)
    with opened(name, FOLDER, within) as top:
        left = _Left()
        while names := _names(top):
            for below in names:
                left.take()
                with suppress(FileNotFoundError):  # somebody else removes it too
                    _remove(below, top, left)
    os.rmdir(name, dir_fd=within)


def _remove(name: str, top: int, left: _Left) -> None:
    if not _is_folder(name, top):
        os.unlink(name, dir_fd=top)
        return
    _empty(name, top, left)
    try:
        os.rmdir(name, dir_fd=top)
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:  # else there is more in it, and its turn comes again
            raise


def _empty(name: str, top: int, left: _Left) -> None:
    grant_owner(name, top)
    with opened(name, FOLDER, top) as within:
        for below in _names(within):
            left.take()
            if _is_folder(below, within):
                grant_owner(below, within)  # who moves a folder writes in it
                os.rename(below, os.urandom(RANDOM).hex(), src_dir_fd=within, dst_dir_fd=top)
            else:
                os.unlink(below, dir_fd=within)


def _names(descriptor: int) -> list[str]:
    with os.scandir(descriptor) as found:
        return [entry.name for entry in islice(found, AT_A_TIME)]


def _is_folder(name: str, within: int) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=within, follow_symlinks=False).st_mode)
