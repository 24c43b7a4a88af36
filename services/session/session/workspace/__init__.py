"""The files of a session: clients list, read, write and delete them, and never reach anything outside."""

import os
import stat
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from itertools import islice
from pathlib import Path
from uuid import UUID

from contracts.files import ByteRange, FilePart, FilePrecondition
from contracts.refusals import Code, Refusal
from contracts.session.values import Compression
from contracts.session.workspace import FilesPage, FileWritten
from runtime.files.erasing import erase
from runtime.files.parts import etag_of, read_part_within
from runtime.files.paths import FOLDER, grant_owner, opened, opened_folder, os_errors_as_refusals, split_path
from runtime.logging import get_logger

from session.workspace.changes import check_precondition, locked, replaceable
from session.workspace.copying import CopyResult, copy
from session.workspace.excess import change_time, remove_excess
from session.workspace.held import HeldFolder, held
from session.workspace.measuring import Meter, measure
from session.workspace.packing import SUFFIX, pack, summarize_archive, unpack
from session.workspace.quota import Quotas
from session.workspace.storage_errors import StorageFailed, convert_storage_errors
from session.workspace.uploads import Uploads
from session.workspace.views import view
from session.workspace.walking import walk

__all__ = [
    "SUFFIX",
    "CopyResult",
    "Meter",
    "Quotas",
    "StorageFailed",
    "Uploads",
    "Workspace",
    "change_time",
    "convert_storage_errors",
    "held",
    "measure",
    "remove_excess",
    "summarize_archive",
]

MAX_LISTED = 20_000
REMOVED_MARKER = ".removed-"
ANY_STATE = FilePrecondition()

log = get_logger()


class Workspace:
    """The files of one session. The methods block, so they are called in threads."""

    def __init__(self, root: Path, uploads: Uploads, quotas: Quotas | None = None) -> None:
        self.root, self.uploads, self._quotas = root, uploads, quotas or Quotas()

    def listing(self, skip: int, limit: int) -> FilesPage:
        """Return a page of the files, folders and symlinks, ordered by path."""
        try:
            with opened_folder(self.root, []) as top:
                found = [view(entry.path, entry.status) for entry in islice(walk(top), MAX_LISTED + 1)]
        except FileNotFoundError:  # no agent has run here yet
            found = []
        listed = found[:MAX_LISTED]
        return FilesPage(items=listed[skip : skip + limit], total=len(listed), truncated=len(found) > len(listed))

    def read(self, path: str, window: ByteRange) -> FilePart:
        """Return a part of a file; past the end of the file, an empty one.

        Raises:
            Refusal: INVALID_PATH, FILE_NOT_FOUND, NOT_A_FILE; FILE_CHANGED if the file does not match the window's
                `etag`.
        """
        return read_part_within(self.root, path, window)

    def write(self, path: str, upload_id: UUID, size: int, precondition: FilePrecondition = ANY_STATE) -> FileWritten:
        """Move a finished upload to `path`, creating folders and replacing a file as necessary.

        Raises:
            Refusal: INVALID_PATH, NOT_A_FILE, WORKSPACE_FULL, PRECONDITION_FAILED; the upload is discarded.
            TimeoutError: other replicas change the workspace all the time.
        """
        try:
            *above, name = split_path(path)
            present = self._present(path)
            check_precondition(precondition, present)  # again under the lock, which no measurement should prolong
            self.check_quota(size - (present.st_size if present else 0))
            uploaded = self.uploads.finish(upload_id, size)
            with os_errors_as_refusals(path), self._locked(), opened_folder(self.root, above, create=True) as within:
                before = replaceable(name, within)
                check_precondition(precondition, before)
                uploaded.chmod(stat.S_IMODE(before.st_mode) & 0o777 if before else 0o644)
                os.rename(uploaded, name, dst_dir_fd=within)
                os.fsync(within)
                after = os.stat(name, dir_fd=within, follow_symlinks=False)
        finally:
            self.uploads.forget(upload_id)
        return FileWritten(file=view(path, after), created=before is None, etag=etag_of(after))

    def growth(self, path: str, size: int) -> int:
        """Return the number of bytes by which the workspace grows if a file of `size` bytes is written to `path`."""
        try:
            before = self._present(path)
        except Refusal:  # `write` will refuse it
            before = None
        return size - (before.st_size if before else 0)

    def _present(self, path: str) -> os.stat_result | None:
        """Return the status of the file that `write` replaces; None if there is none. Raises as `write` does."""
        *above, name = split_path(path)
        try:
            with os_errors_as_refusals(path), opened_folder(self.root, above) as within:
                return replaceable(name, within)
        except Refusal as refusal:
            if refusal.code is Code.FILE_NOT_FOUND:  # no such folder
                return None
            raise

    def _locked(self) -> AbstractContextManager[None]:
        """Exclude other changes of files, in all replicas. Folders are opened afterwards: another one may move them."""
        return locked(self._lock)

    @property
    def _lock(self) -> Path:
        return self.root.parent / ".locks" / self.root.name

    def size(self) -> int:
        """Return the number of bytes in the files, as measured now."""
        return self.size_of(self.root)

    def size_of(self, root: Path) -> int:
        """Return the number of bytes in the files of a folder; 0 if it does not exist."""
        try:
            with opened_folder(root, []) as top:
                return sum(entry.status.st_size for entry in walk(top) if stat.S_ISREG(entry.status.st_mode))
        except FileNotFoundError:
            return 0

    def delete(self, path: str, precondition: FilePrecondition = ANY_STATE) -> int:
        """Delete a file, a symlink, or a folder with its contents, and return the number of bytes in it.

        A folder is first moved out of the agent's reach. Processes whose working directory is in it can still add to
        it; what they add is removed with the next deletion, or with the session.

        Raises:
            Refusal: INVALID_PATH, FILE_NOT_FOUND, NOT_A_FILE, PRECONDITION_FAILED.
            TimeoutError: as `write` does.
        """
        *above, name = split_path(path)
        removed = self._staging_root.with_name(f"{self.root.name}{REMOVED_MARKER}{os.urandom(8).hex()}")
        try:
            with os_errors_as_refusals(path), self._locked(), opened_folder(self.root, above) as within:
                before = os.stat(name, dir_fd=within, follow_symlinks=False)
                check_precondition(precondition, before)
                if stat.S_ISDIR(before.st_mode):
                    removed.parent.mkdir(mode=0o700, exist_ok=True)
                    grant_owner(name, within)  # moving a folder requires write permission on it
                    os.rename(name, removed, src_dir_fd=within)
                else:
                    os.unlink(name, dir_fd=within)
                os.fsync(within)
        except Refusal as refusal:
            if refusal.code is Code.FILE_NOT_FOUND:
                check_precondition(precondition, None)
            raise
        self.changed()
        size = before.st_size if stat.S_ISREG(before.st_mode) else self.size_of(removed)
        try:
            self._erase_removed()
        except OSError as error:  # the folder has left the workspace, so the deletion itself succeeded
            log.warning("deleted folder not fully erased", error=repr(error))
        return size

    def check_quota(self, more: int = 0) -> None:
        """Check that the workspace, with `more` bytes added, is within the quota, as far as this replica knows.

        Raises:
            Refusal: WORKSPACE_FULL.
        """
        self._quotas.consume(self.root, more, lambda: measure(self.root))

    def changed(self) -> None:
        """Have the workspace measured before the next addition, because an agent may have changed it."""
        self._quotas.forget(self.root)

    def copy_to(self, other: "Workspace") -> CopyResult:
        """Copy the whole workspace to one that does not exist yet, atomically.

        Files that change meanwhile are copied in their old or their new state. Does nothing if the other workspace
        exists.

        Raises:
            Refusal: WORKSPACE_FULL.
            OSError: a file cannot be read or written.
        """
        if other.root.exists() or not self.root.exists():
            return CopyResult()
        with other.staging_folder() as staging:
            try:
                with opened_folder(self.root, []) as top:
                    copied = copy(top, staging)
                os.sync()  # the files must be on disk before the fork is reported as ready
                staging.rename(other.root)
            except OSError:
                if self.root.exists() and not other.root.exists():
                    raise
                copied = CopyResult()  # the parent was deleted, or another worker was faster
        _sync_parent(other.root)
        other.remove_leftovers()
        return copied

    def pack(self, to: Path, compression: Compression) -> CopyResult:
        """Pack the whole workspace into the file `to`, atomically. If the file exists, only count its members.

        Raises:
            Refusal: WORKSPACE_FULL.
            OSError: a file cannot be read or written.
        """
        if to.exists():
            return summarize_archive(to)
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with opened_folder(self.root, []) as top:
                return pack(top, to, compression)
        except OSError:
            if to.exists():  # another worker was faster
                return summarize_archive(to)
            raise

    def unpack(self, archive: Path) -> Path:
        """Unpack an archive into a new staging folder and return it, for `replace` or `remove_leftovers`.

        Raises:
            Refusal: WORKSPACE_FULL.
            Exception: the archive is damaged, or the disk is full.
        """
        with self.staging_folder() as staging:
            unpack(archive, staging)
            os.sync()  # the archive is deleted next
        return staging

    def replace(self, unpacked: Path) -> None:
        """Replace the workspace by an unpacked archive. Raise FileNotFoundError if another worker has done so."""
        unpacked.stat()  # or the files that agents have written since would be erased
        erase(self.root)
        unpacked.rename(self.root)
        self.changed()
        _sync_parent(self.root)
        self.remove_leftovers()

    def remove(self, folder: HeldFolder | None = None) -> None:
        """Remove the workspace with its uploads and staging folders, unless another one has replaced the held `folder`.

        Raises:
            OSError: something cannot be removed.
        """
        if folder is None:
            erase(self.root)
        elif not folder.remove():
            return
        for root in (self.uploads.root, self._lock):
            erase(root)
        self.changed()
        self.remove_leftovers()

    @property
    def _staging_root(self) -> Path:
        return self.root.parent / ".copies" / self.root.name

    @contextmanager
    def staging_folder(self) -> Generator[Path]:
        """Create the path of a staging folder, which no agent and no other worker uses; remove it on an exception."""
        staging = self._staging_root / os.urandom(8).hex()
        staging.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            yield staging
        except BaseException:
            erase(staging)
            raise

    def remove_leftovers(self) -> None:
        """Remove staging folders and deleted folders, including those of a worker that was killed."""
        erase(self._staging_root)
        self._erase_removed()

    def _erase_removed(self) -> None:
        for removed in self._staging_root.parent.glob(f"{self.root.name}{REMOVED_MARKER}*"):
            erase(removed)


def _sync_parent(root: Path) -> None:
    """Sync the parent folder, so that a rename survives a power failure."""
    with opened(root.parent, FOLDER) as within:
        os.fsync(within)
