"""The files that an agent works on, as clients see them: listed, read, written, removed, and never anything else."""

import os
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from uuid import UUID

from contracts.files import ByteRange, FilePart
from contracts.refusals import Code, Refusal
from contracts.session.values import Compression
from contracts.session.workspace import FilesPage, FileType, FileView, FileWritten
from runtime.files.erasing import erase
from runtime.files.parts import modified_at, read_part_within
from runtime.files.paths import FOLDER, grant_owner, opened, opened_folder, os_errors_as_refusals, split_path
from runtime.logging import get_logger

from session.workspace.copying import Copied, copy
from session.workspace.packing import SUFFIX, described, pack, unpack
from session.workspace.room import Room, Rooms
from session.workspace.storing import NotStored, stored
from session.workspace.uploads import Uploads
from session.workspace.walking import walk

__all__ = [
    "SUFFIX",
    "Copied",
    "NotStored",
    "Rooms",
    "Uploads",
    "Workspace",
    "described",
    "stored",
]

MAX_LISTED = 20_000
REMOVED = ".removed-"

log = get_logger()


class Workspace:
    """One session's files. Its methods block, so they are called in threads."""

    def __init__(self, root: Path, uploads: Uploads, rooms: Rooms | None = None) -> None:
        self.root, self.uploads, self._rooms = root, uploads, rooms or Rooms()

    def listing(self, skip: int, limit: int) -> FilesPage:
        """Give a page of all that is there, in the order of paths."""
        try:
            with opened_folder(self.root, []) as top:
                found = [_view(entry.path, entry.status) for entry in islice(walk(top), MAX_LISTED + 1)]
        except FileNotFoundError:  # no agent has worked here yet
            found = []
        listed = found[:MAX_LISTED]
        return FilesPage(items=listed[skip : skip + limit], total=len(listed), truncated=len(found) > len(listed))

    def read(self, path: str, window: ByteRange) -> FilePart:
        """Return a part of a file; past its end, no bytes.

        Raises:
            Refusal: INVALID_PATH, FILE_NOT_FOUND, NOT_A_FILE; FILE_CHANGED, it is not in the state that the window's
                `etag` names.
        """
        return read_part_within(self.root, path, window)

    def write(self, path: str, upload_id: UUID, size: int) -> FileWritten:
        """Make an upload a file, in folders that are made if need be; what was there is replaced.

        Raises:
            Refusal: INVALID_PATH, NOT_A_FILE, WORKSPACE_FULL; the upload is thrown away.
        """
        try:
            *above, name = split_path(path)
            uploaded = self.uploads.finish(upload_id, size)
            with os_errors_as_refusals(path), opened_folder(self.root, above, make=True) as within:
                before = _status(name, within)
                self.check_room(size - (before.st_size if before else 0))
                uploaded.chmod(stat.S_IMODE(before.st_mode) & 0o777 if before else 0o644)
                os.rename(uploaded, name, dst_dir_fd=within)
                os.fsync(within)
                after = os.stat(name, dir_fd=within, follow_symlinks=False)
        finally:
            self.uploads.forget(upload_id)
        return FileWritten(file=_view(path, after), created=before is None)

    def delete(self, path: str) -> None:
        """Remove a file, a symlink, or a folder with all that is in it.

        A folder is moved out of the agent's reach first. Processes that stand in it may go on adding to it there: what
        that leaves goes with the next removal, or with the session.

        Raises:
            Refusal: INVALID_PATH, FILE_NOT_FOUND, NOT_A_FILE.
        """
        *above, name = split_path(path)
        removed = self._copies.with_name(f"{self.root.name}{REMOVED}{os.urandom(8).hex()}")
        with os_errors_as_refusals(path), opened_folder(self.root, above) as within:
            if stat.S_ISDIR(os.stat(name, dir_fd=within, follow_symlinks=False).st_mode):
                removed.parent.mkdir(mode=0o700, exist_ok=True)
                grant_owner(name, within)  # who moves a folder writes in it
                os.rename(name, removed, src_dir_fd=within)
            else:
                os.unlink(name, dir_fd=within)
            os.fsync(within)
        self.changed()
        try:
            self._erase_removed()
        except OSError as error:  # it is away from here, whatever is left of it there
            log.warning("what was removed is not all erased", error=repr(error))

    def check_room(self, more: int = 0) -> None:
        """Make sure that it is not too large, also with so many bytes more, as far as this replica knows.

        Raises:
            Refusal: WORKSPACE_FULL.
        """
        self._rooms.take(self.root, more, self._measure)

    def changed(self) -> None:
        """Measure it before anything is added again: somebody else was at work in it."""
        self._rooms.forget(self.root)

    def _measure(self) -> Room:
        room = Room()
        with suppress(FileNotFoundError), opened_folder(self.root, []) as top:  # no agent may have worked here yet
            room.take_all(entry.status for entry in walk(top, whole=True))
        return room

    def copy_to(self, other: "Workspace") -> Copied:
        """Copy all of it into a workspace that is not there yet: whole, or not at all.

        What changes meanwhile is copied as it was or as it is. When the other one is there, nothing is done.

        Raises:
            Refusal: WORKSPACE_FULL.
            OSError: it cannot be read or written.
        """
        if other.root.exists() or not self.root.exists():
            return Copied()
        with other.aside() as place:
            try:
                with opened_folder(self.root, []) as top:
                    copied = copy(top, place)
                os.sync()  # a fork that is ready is safe
                place.rename(other.root)
            except OSError:
                if self.root.exists() and not other.root.exists():
                    raise
                copied = Copied()  # the parent was deleted, or another worker was faster
        _keep(other.root)
        other.tidy()
        return copied

    def pack(self, to: Path, compression: Compression) -> Copied:
        """Pack all of it into a file: whole, or not at all. What was packed before is only counted.

        Raises:
            Refusal: WORKSPACE_FULL.
            OSError: it cannot be read or written.
        """
        if to.exists():
            return described(to)
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with opened_folder(self.root, []) as top:
                return pack(top, to, compression)
        except OSError:
            if to.exists():  # another worker was faster
                return described(to)
            raise

    def unpack(self, archive: Path) -> Path:
        """Unpack an archive aside, for `replace` or `tidy`.

        Raises:
            Refusal: WORKSPACE_FULL.
            Exception: it is damaged, or there is no room.
        """
        with self.aside() as place:
            unpack(archive, place)
            os.sync()  # the archive is about to go
        return place

    def replace(self, unpacked: Path) -> None:
        """Let it be what was unpacked, and nothing else."""
        erase(self.root)
        unpacked.rename(self.root)
        self.changed()
        _keep(self.root)
        self.tidy()

    def remove(self) -> None:
        """Remove all of it, and what was to become of it.

        Raises:
            OSError: something cannot be removed.
        """
        for root in (self.root, self.uploads.root):
            erase(root)
        self.changed()
        self.tidy()

    @property
    def _copies(self) -> Path:
        return self.root.parent / ".copies" / self.root.name

    @contextmanager
    def aside(self) -> Generator[Path]:
        """Give a place for what is to become of it, which no agent and no other worker sees."""
        place = self._copies / os.urandom(8).hex()
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            yield place
        except BaseException:
            erase(place)
            raise

    def tidy(self) -> None:
        """Remove what lies aside: also what a worker left that was killed."""
        erase(self._copies)
        self._erase_removed()

    def _erase_removed(self) -> None:
        for removed in self._copies.parent.glob(f"{self.root.name}{REMOVED}*"):
            erase(removed)


def _keep(root: Path) -> None:
    """Make sure that a folder that was moved is still there after the machine lost its power."""
    with opened(root.parent, FOLDER) as within:
        os.fsync(within)


def _status(name: str, within: int) -> os.stat_result | None:
    try:
        status = os.stat(name, dir_fd=within, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        raise Refusal(Code.NOT_A_FILE, f"{name!r} is there and is no file; remove it first.")
    return status


def _view(path: str, status: os.stat_result) -> FileView:
    return FileView(path=path, type=_type(status.st_mode), size_bytes=status.st_size, modified_at=modified_at(status))


def _type(mode: int) -> FileType:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "directory"
    return "symlink" if stat.S_ISLNK(mode) else "other"
