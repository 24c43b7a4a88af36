"""Files that are on their way into a workspace, in parts; they lie where no agent sees them."""

import os
import time
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.wire import MAX_UPLOAD_BYTES
from runtime.files.paths import os_errors_as_refusals

MAX_UPLOADS, MAX_TOTAL_BYTES = 32, 32 * MAX_UPLOAD_BYTES
MAX_AGE_SECONDS = 3600.0


class Uploads:
    """The unfinished files of one session: the newest, for what was broken off is never finished."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, upload_id: UUID, offset: int, data: bytes) -> None:
        """Put a part staging_folder; with the first of a file, the oldest files go, if there are too many.

        Raises:
            Refusal: WORKSPACE_FULL, newer files took its descriptor; STORAGE_FAILED, the disk is full.
        """
        with os_errors_as_refusals("the upload"):
            self._put(upload_id, offset, data)

    def _put(self, upload_id: UUID, offset: int, data: bytes) -> None:
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not offset:
            self._sweep()
        descriptor = self._open(upload_id, os.O_WRONLY, new=not offset)
        try:
            while data:
                written = os.pwrite(descriptor, data, offset)
                data, offset = data[written:], offset + written
        finally:
            os.close(descriptor)

    def finish(self, upload_id: UUID, size: int) -> Path:
        """Give the whole file, safe on the disk.

        Raises:
            Refusal: WORKSPACE_FULL, newer files took its descriptor.
            ValueError: it does not have its size.
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
        """Throw an unfinished file away; nothing happens when there is none."""
        (self.root / str(upload_id)).unlink(missing_ok=True)

    def _open(self, upload_id: UUID, flags: int, *, new: bool) -> int:
        try:
            return os.open(self.root / str(upload_id), flags | os.O_CLOEXEC | (os.O_CREAT if new else 0), 0o600)
        except FileNotFoundError:  # made anew, it would lack its beginning
            raise Refusal(Code.WORKSPACE_FULL, "Too many files are being uploaded to this session.") from None

    def _sweep(self) -> None:
        oldest, size = time.time() - MAX_AGE_SECONDS, 0
        for number, (path, status) in enumerate(self._newest_first(), start=1):
            size += status.st_size
            if number >= MAX_UPLOADS or size > MAX_TOTAL_BYTES - MAX_UPLOAD_BYTES or status.st_mtime < oldest:
                path.unlink(missing_ok=True)

    def _newest_first(self) -> list[tuple[Path, os.stat_result]]:
        found: list[tuple[Path, os.stat_result]] = []
        for path in self.root.iterdir():
            with suppress(FileNotFoundError):  # it is finished meanwhile, or swept by another
                found.append((path, path.lstat()))
        return sorted(found, key=lambda file: file[1].st_mtime_ns, reverse=True)
