"""Copies a workspace: files, folders and symlinks, without following symlinks."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from runtime.files.paths import FILE, is_gone, opened
from runtime.files.writing import create_file, create_folder, create_symlink

from session.workspace.quota import Quota
from session.workspace.walking import Entry, walk


@dataclass
class CopyResult:
    """The number of files, and of entries left out: pipes, sockets, and files that disappeared meanwhile."""

    files: int = 0
    left_out: int = 0


def copy(top: int, to: Path) -> CopyResult:
    """Copy the contents of the open folder `top` to a new folder that no other process uses.

    Raises:
        Refusal: WORKSPACE_FULL.
        OSError: a file cannot be read or written.
    """
    copied, quota = CopyResult(), Quota()
    to.mkdir(mode=0o700, parents=True)
    for entry in walk(top, whole=True):
        try:
            _copy(entry, to, copied, quota)
        except OSError as error:
            if not is_gone(error):
                raise
            copied.left_out += 1
    return copied


def _copy(entry: Entry, to: Path, copied: CopyResult, quota: Quota) -> None:
    mode = entry.status.st_mode
    if stat.S_ISDIR(mode):
        quota.consume(0)
        create_folder(to, entry.steps)
    elif stat.S_ISLNK(mode):
        quota.consume(0)
        create_symlink(to, entry.steps, os.readlink(entry.name, dir_fd=entry.within))
    elif stat.S_ISREG(mode):
        _copy_file(entry, to, quota)
        copied.files += 1
    else:
        copied.left_out += 1


def _copy_file(entry: Entry, to: Path, quota: Quota) -> None:
    with opened(entry.name, FILE, entry.within) as descriptor, os.fdopen(descriptor, "rb", closefd=False) as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise FileNotFoundError(entry.path)
        quota.consume(status.st_size)
        create_file(to, entry.steps, file, status.st_size, entry.status.st_mode, status.st_mtime_ns)
