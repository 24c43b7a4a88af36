"""Unfinished uploads of files, stored in parts where no agent sees them."""

import os
import time
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.wire import MAX_PART_BYTES
from runtime.files.paths import os_errors_as_refusals

MAX_UPLOADS, MAX_TOTAL_BYTES = 32, 2**30
SYNC_BYTES = 8 * 1024 * 1024
"""How much is synced at once: `finish`, whose client waits for the reply to one message, has no more than that left."""
MAX_AGE_SECONDS = 3600.0


class Uploads:
    """The unfinished uploads of one session. Number and size are bounded: abandoned uploads are never finished."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, upload_id: UUID, offset: int, data: bytes) -> None:
        """Store a part of an upload. If there are too many uploads, those that have waited longest are removed.

        Raises:
            Refusal: WORKSPACE_FULL if the upload was removed in favour of newer ones; STORAGE_FAILED if the disk is
                full.
        """
        with os_errors_as_refusals("the upload"):
            self._put(upload_id, offset, data)

    def _put(self, upload_id: UUID, offset: int, data: bytes) -> None:
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sweep(new=not offset)
        descriptor = self._open(upload_id, os.O_WRONLY, new=not offset)
        synced = offset // SYNC_BYTES
        try:
            while data:
                written = os.pwrite(descriptor, data, offset)
                data, offset = data[written:], offset + written
            if offset // SYNC_BYTES > synced:
                os.fdatasync(descriptor)
        finally:
            os.close(descriptor)

    def finish(self, upload_id: UUID, size: int) -> Path:
        """Return the path of the finished upload, synced to disk.

        Raises:
            Refusal: WORKSPACE_FULL if the upload was removed in favour of newer ones.
            ValueError: the upload does not have `size` bytes.
        """
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = self._open(upload_id, os.O_RDWR, new=not size)
        try:
            if (found := os.fstat(descriptor).st_size) != size:
                raise ValueError(f"upload {upload_id} has {found} bytes, not {size}")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return self.root / str(upload_id)

    def forget(self, upload_id: UUID) -> None:
        """Remove an upload. Does nothing if it does not exist."""
        (self.root / str(upload_id)).unlink(missing_ok=True)

    def _open(self, upload_id: UUID, flags: int, *, new: bool) -> int:
        try:
            return os.open(self.root / str(upload_id), flags | os.O_CLOEXEC | (os.O_CREAT if new else 0), 0o600)
        except FileNotFoundError:  # a new file would lack the first parts
            raise Refusal(Code.WORKSPACE_FULL, "Too many files are being uploaded to this session.") from None

    def _sweep(self, *, new: bool) -> None:
        """Remove uploads until there is space for another part, which is the first one of an upload if it is `new`."""
        number_allowed = MAX_UPLOADS - new
        oldest, size = time.time() - MAX_AGE_SECONDS, 0
        for number, (path, status) in enumerate(self._newest_first(), start=1):
            size += status.st_size
            is_old = status.st_mtime < oldest
            if is_old or number > number_allowed or size > MAX_TOTAL_BYTES - MAX_PART_BYTES:
                path.unlink(missing_ok=True)

    def _newest_first(self) -> list[tuple[Path, os.stat_result]]:
        found: list[tuple[Path, os.stat_result]] = []
        for path in self.root.iterdir():
            with suppress(FileNotFoundError):  # finished or removed meanwhile
                found.append((path, path.lstat()))
        return sorted(found, key=lambda file: file[1].st_mtime_ns, reverse=True)
