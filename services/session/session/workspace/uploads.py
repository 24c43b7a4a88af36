"""Files that are on their way into a workspace, in parts; they lie where no agent sees them."""

import os
import time
from pathlib import Path
from uuid import UUID

from contracts.refusals import Code, Refusal

from session.workspace.paths import meaning

MOST = 32
LONGEST_SECONDS = 3600.0


class Uploads:
    """The unfinished files of one session."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, upload_id: UUID, offset: int, data: bytes) -> None:
        """Put a part aside.

        Raises:
            Refusal: WORKSPACE_FULL, too many files are unfinished; STORAGE_FAILED, the disk is full.
        """
        with meaning("the upload"):
            self._put(upload_id, offset, data)

    def _put(self, upload_id: UUID, offset: int, data: bytes) -> None:
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not offset:
            self._sweep()
        place = os.open(self.root / str(upload_id), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while data:
                written = os.pwrite(place, data, offset)
                data, offset = data[written:], offset + written
        finally:
            os.close(place)

    def finish(self, upload_id: UUID, size: int) -> Path:
        """Give the whole file, safe on the disk.

        Raises:
            ValueError: it does not have its size.
        """
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.root / str(upload_id)
        place = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if (found := os.fstat(place).st_size) != size:
                raise ValueError(f"upload {upload_id} has {found} bytes, not {size}")
            os.fsync(place)
        finally:
            os.close(place)
        return path

    def forget(self, upload_id: UUID) -> None:
        """Throw an unfinished file away; nothing happens when there is none."""
        (self.root / str(upload_id)).unlink(missing_ok=True)

    def _sweep(self) -> None:
        oldest = time.time() - LONGEST_SECONDS
        files = list(self.root.iterdir())
        for path in files:
            if path.lstat().st_mtime < oldest:
                path.unlink(missing_ok=True)
        if len(files) >= MOST:
            raise Refusal(Code.WORKSPACE_FULL, "Too many files are being uploaded to this session.")
