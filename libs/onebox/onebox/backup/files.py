"""Saving folders that services and agents change meanwhile.

They are copied before the dump of the database, and what is new or changed is copied again after it. So a file that the
dump refers to is in the backup, whenever it was written or deleted. A service deletes a file after the event that says
so, and writes it before.
"""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from runtime.files.paths import FILE, FOLDER, MAX_DEPTH, grant_owner, is_gone, open_entry, opened

from onebox.backup.archive import Writer

READABLE = stat.S_IRUSR | stat.S_IXUSR
DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)

type Top = tuple[str, str]
"""A folder of the backup, and the name of an entry in it."""


class Copier:
    """Copies folders, by name, to a backup. No symlink is followed, whatever an agent replaces meanwhile."""

    def __init__(self, archive: Writer, folders: dict[str, Path]) -> None:
        self._archive, self._folders = archive, folders
        self._copied = set[int]()  # a hash of each entry, in its present state
        self.files = self.bytes = self.left_out = 0
        """Counts so far: regular files, their bytes, and entries of other kinds, too deep or unreadable."""

    def tops(self) -> set[Top]:
        """Return what is in the folders now, without what is below."""
        found = {(name, entry.name) for name, folder in self._folders.items() for entry in folder.iterdir()}
        return {(name, entry) for name, entry in found if entry != "lost+found"}

    def copy(self, tops: set[Top], *, only_folders: bool = False) -> None:
        """Copy entries with all that is below, as far as they were not copied in their present state.

        Raises:
            OSError: one of them cannot be read.
        """
        for name, folder in self._folders.items():
            with opened(folder.resolve(), FOLDER) as within:
                for entry in sorted(entry for top, entry in tops if top == name):
                    with suppress(FileNotFoundError):  # it was deleted meanwhile
                        if not only_folders or _is_folder(entry, within):
                            self._copy_tree(name, entry, within)

    def _copy_tree(self, top: str, entry: str, within: int) -> None:
        if not self._add(f"{top}/{entry}", entry, within):
            return
        for folder, folders, files, below in os.fwalk(entry, dir_fd=within, onerror=self._note):
            for name in files:
                self._add(f"{top}/{folder}/{name}", name, below)
            # One that is something else by now may be a folder again later, but the backup lacks it as a folder.
            folders[:] = [name for name in folders if self._add(f"{top}/{folder}/{name}", name, below)]
            if folder.count("/") + 2 >= MAX_DEPTH:
                self.left_out += len(folders)
                folders.clear()

    def _add(self, path: str, name: str, within: int) -> bool:
        """Add an entry of an open folder, and return whether it is a folder."""
        try:
            status = os.stat(name, dir_fd=within, follow_symlinks=False)
            mark = hash((path, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
            if mark not in self._copied:
                self._copied.add(mark)
                self._add_new(path, name, within, status.st_mode)
            return stat.S_ISDIR(status.st_mode)
        except OSError as error:
            self._note(error)
            return False

    def _add_new(self, path: str, name: str, within: int, mode: int) -> None:
        if stat.S_ISDIR(mode):
            if mode & READABLE != READABLE:
                grant_owner(name, within)
            self._archive.add_folder(path)
        elif stat.S_ISLNK(mode):
            self._archive.add_link(path, os.readlink(name, dir_fd=within))
        elif stat.S_ISREG(mode) and self._add_file(path, name, within):
            self.files += 1
        else:
            self.left_out += 1

    def _add_file(self, path: str, name: str, within: int) -> bool:
        with os.fdopen(open_entry(name, FILE, within), "rb") as file:
            self.bytes += os.fstat(file.fileno()).st_size
            return self._archive.add_file(path, file)

    def _note(self, error: OSError) -> None:
        """Leave out what was deleted or replaced, count what is not accessible, and raise other errors."""
        if error.errno in DENIED:
            self.left_out += 1
        elif not is_gone(error):
            raise error


def _is_folder(name: str, within: int) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=within, follow_symlinks=False).st_mode)
