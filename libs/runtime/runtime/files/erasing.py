"""Erasing a folder with its contents, at any depth and whatever its permissions."""

import errno
import os
import stat
from contextlib import suppress
from itertools import islice
from pathlib import Path

from runtime.files.paths import FOLDER, grant_owner, opened

RANDOM_NAME_BYTES = 16
BATCH_SIZE = 100_000
MAX_ENTRIES = 4_000_000
"""Files, folders and links after which erasing gives up: a process probably adds them as fast as they are removed."""


class _Budget:
    """The number of entries that may still be removed; a process in a folder can add to it even after it was moved."""

    def __init__(self) -> None:
        self.entries = MAX_ENTRIES

    def spend(self) -> None:
        self.entries -= 1
        if self.entries < 0:
            raise OSError(errno.ENOTEMPTY, "entries are still being added to it")


def erase(root: Path) -> None:
    """Remove a folder with its contents, or the file or link at its path; do nothing if there is none.

    Raises:
        OSError: an entry cannot be removed; ENOTEMPTY if there are more than `MAX_ENTRIES`, or entries are still being
            added. Entries removed before the error stay removed.
    """
    try:
        with opened(root.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) as within:
            erase_within(root.name, within)
    except FileNotFoundError:  # it is gone; or another process is removing it too, and the caller may retry
        if root.exists():
            raise


def erase_within(name: str, within: int) -> None:
    """Remove the entry `name` of the open folder `within`. No symlink is followed.

    Nested folders are moved up to the top before they are emptied, so that depth costs neither descriptors nor stack.

    Raises:
        OSError: as `erase` does; or the entry does not exist.
    """
    if not _is_folder(name, within):
        os.unlink(name, dir_fd=within)
        return
    grant_owner(name, within)
    with opened(name, FOLDER, within) as top:
        empty(top)
    os.rmdir(name, dir_fd=within)


def empty(folder: int) -> None:
    """Remove everything in an open folder. Raises as `erase` does."""
    budget = _Budget()
    while names := _names(folder):
        for below in names:
            budget.spend()
            with suppress(FileNotFoundError):  # another process removed it
                _remove(below, folder, budget)


def _remove(name: str, top: int, budget: _Budget) -> None:
    if not _is_folder(name, top):
        os.unlink(name, dir_fd=top)
        return
    _empty(name, top, budget)
    try:
        os.rmdir(name, dir_fd=top)
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:  # not empty: the next pass removes the rest
            raise


def _empty(name: str, top: int, budget: _Budget) -> None:
    grant_owner(name, top)
    with opened(name, FOLDER, top) as within:
        for below in _names(within):
            budget.spend()
            if _is_folder(below, within):
                grant_owner(below, within)  # moving a folder changes its `..` entry, which needs write permission
                os.rename(below, os.urandom(RANDOM_NAME_BYTES).hex(), src_dir_fd=within, dst_dir_fd=top)
            else:
                os.unlink(below, dir_fd=within)


def _names(descriptor: int) -> list[str]:
    with os.scandir(descriptor) as found:
        return [entry.name for entry in islice(found, BATCH_SIZE)]


def _is_folder(name: str, within: int) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=within, follow_symlinks=False).st_mode)
