"""Writing the folders of a backup, so that nothing is written outside of them, whatever the backup contains."""

import os
import stat
import tarfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from runtime.files.erasing import erase, erase_within
from runtime.files.paths import MAX_DEPTH, opened_folder
from runtime.files.writing import create_file, create_folder, create_symlink

from onebox.backup import BackupFailed
from onebox.backup.archive import ENTRY_BYTES, Reader
from onebox.backup.manifest import End
from onebox.backup.progress import Progress

MAX_MTIME = 2.0**33
"""Seconds before and after 1970 that can be set on every file system. An agent may have set other times on its own."""


class Placer:
    """Writes files, folders and symlinks, at most `budget` bytes; a later member replaces an earlier one.

    A symlink may lead anywhere, as those of agents do, because none is followed: each path is opened step by step.
    """

    def __init__(self, reader: Reader, folders: dict[str, Path], budget: int) -> None:
        self._reader, self._folders, self._budget = reader, folders, budget
        self._progress = Progress()
        self.files = self.bytes = 0
        """Counts so far: regular files, and their bytes."""

    def place(self, member: tarfile.TarInfo) -> None:
        """Write a member.

        Raises:
            BackupFailed: no backup has such a member, or it is more than the backup has.
        """
        name, *steps = member.name.split("/")
        folder = self._folders.get(name)
        if folder is None or not steps or len(steps) > MAX_DEPTH or any(step in ("", ".", "..") for step in steps):
            raise BackupFailed(f"The backup has an unexpected member: {member.name[:100]!r}.")
        self.spend(member)
        if _makes_room(folder, steps, member):
            self._create(folder, steps, member)

    def spend(self, member: tarfile.TarInfo) -> None:
        """Count the bytes of a member.

        Raises:
            BackupFailed: there are more than the backup has.
        """
        self._progress.add(member.size + ENTRY_BYTES)
        if self._progress.bytes > self._budget:
            raise BackupFailed("The backup has more content than its keys file says.")

    def remove(self, end: End) -> None:
        """Remove what was deleted before the state that the dump has."""
        for name, entry in end.gone:
            if name in self._folders and "/" not in entry and entry not in ("", ".", ".."):
                erase(self._folders[name] / entry)

    def _create(self, folder: Path, steps: Sequence[str], member: tarfile.TarInfo) -> None:
        if member.isdir():
            create_folder(folder, steps)
        elif member.issym():
            create_symlink(folder, steps, member.linkname)
        elif member.isreg():
            modified = int(member.mtime * 1e9) if abs(member.mtime) <= MAX_MTIME else 0  # also of what is not a number
            create_file(folder, steps, self._reader.stream(member), member.size, member.mode, modified)
            self.files += 1
            self.bytes += member.size
        else:
            raise BackupFailed(f"The backup has an unexpected member: {member.name[:100]!r}.")


def _makes_room(folder: Path, steps: Sequence[str], member: tarfile.TarInfo) -> bool:
    """Remove what has the name of a member, and return whether that is to be created: not if it is a folder already."""
    *above, name = steps
    with opened_folder(folder, above) as within, suppress(FileNotFoundError):
        if stat.S_ISDIR(os.stat(name, dir_fd=within, follow_symlinks=False).st_mode) and member.isdir():
            return False
        erase_within(name, within)
    return True
