"""A workspace copied: what is a file, a folder or a symlink, and never what a symlink leads to."""

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from session.workspace.paths import FILE, opened
from session.workspace.walking import Entry, walk

BLOCK = 1024 * 1024
FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass
class Copied:
    """How many files there are now, and what was left out: pipes, sockets, what is closed, and what is too much."""

    files: int = 0
    left_out: int = 0
    size: int = 0


def copy(top: int, to: Path, largest: int) -> Copied:
    """Copy what lies below the open folder `top` to a folder that nobody else knows, up to `largest` bytes."""
    copied = Copied()
    to.mkdir(parents=True)
    for entry in walk(top):
        try:
            _copy(entry, to.joinpath(*entry.steps), copied, largest)
        except OSError as error:  # it is gone, or closed by the agent, or its path too long to be said at once
            if error.errno in FULL:
                raise
            copied.left_out += 1
    return copied


def _copy(entry: Entry, to: Path, copied: Copied, largest: int) -> None:
    mode = entry.status.st_mode
    if stat.S_ISDIR(mode):
        to.mkdir()
    elif stat.S_ISLNK(mode):
        to.symlink_to(os.readlink(entry.name, dir_fd=entry.within))
    elif stat.S_ISREG(mode) and copied.size + entry.status.st_size <= largest:
        _copy_file(entry, to)
        copied.files += 1
        copied.size += entry.status.st_size
    else:
        copied.left_out += 1


def _copy_file(entry: Entry, to: Path) -> None:
    with opened(entry.name, FILE, entry.within) as place, to.open("xb") as copy:
        status, left = os.fstat(place), entry.status.st_size
        if not stat.S_ISREG(status.st_mode):
            raise FileNotFoundError(entry.path)
        while left and (data := os.read(place, min(BLOCK, left))):
            copy.write(data)
            left -= len(data)
        copy.flush()
        os.fchmod(copy.fileno(), stat.S_IMODE(status.st_mode) & 0o777)
        os.utime(copy.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))
