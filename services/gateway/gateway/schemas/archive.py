"""Archives, as clients see them."""

from typing import Any
from uuid import UUID

from contracts.samples import ARCHIVE, SESSION, TIME
from contracts.session.archive import ArchiveSession, ArchiveView
from contracts.session.values import Compression
from runtime import clock

from gateway.schemas.shown import Body, Shown, example

_ARCHIVE: dict[str, Any] = {
    "archive_id": ARCHIVE,
    "session_id": SESSION,
    "status": "ready",
    "compression": "gzip",
    "archive_path": f"/archives/{ARCHIVE}.tar.gz",
    "archive_size_bytes": 1048576,
    "file_count": 42,
    "left_out": 0,
    "created_at": TIME,
}


class NewArchive(Body):
    """How a workspace is to be packed."""

    model_config = example({"compression": "gzip"})

    compression: Compression = "gzip"

    def command(self, session_id: UUID) -> ArchiveSession:
        """Ask for the archive."""
        return ArchiveSession(session_id=session_id, archive_id=clock.new_id(), compression=self.compression)


class Archive(ArchiveView, Shown):
    """A packed workspace. `left_out` counts pipes and sockets."""

    model_config = example(_ARCHIVE)
