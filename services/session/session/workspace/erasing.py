"""A folder removed with all that is in it: however deep it is, and whatever its owner closed."""

import os
import stat
from pathlib import Path

from session.workspace.paths import FOLDER, let_owner, opened

RANDOM = 16


def erase(root: Path) -> None:
    """Remove a folder with all that is in it, or what lies in its place; nothing happens when nothing does.

    Raises:
        OSError: something cannot be removed, or somebody still adds to it.
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
    let_owner(name, within)
    with opened(name, FOLDER, within) as top:
        while names := _names(top):
            for below in names:
                if _is_folder(below, top):
                    _empty(below, top)
                    os.rmdir(below, dir_fd=top)
                else:
                    os.unlink(below, dir_fd=top)
    os.rmdir(name, dir_fd=within)


def _empty(name: str, top: int) -> None:
    let_owner(name, top)
    with opened(name, FOLDER, top) as within:
        for below in _names(within):
            if _is_folder(below, within):
                let_owner(below, within)  # who moves a folder writes in it
                os.rename(below, os.urandom(RANDOM).hex(), src_dir_fd=within, dst_dir_fd=top)
            else:
                os.unlink(below, dir_fd=within)


def _names(place: int) -> list[str]:
    with os.scandir(place) as found:
        return [entry.name for entry in found]


def _is_folder(name: str, within: int) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=within, follow_symlinks=False).st_mode)
