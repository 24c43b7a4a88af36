"""Models of archives."""

from typing import Annotated, Any
from uuid import UUID

from contracts.samples import ARCHIVE, SESSION, TIME
from contracts.session.archive import ArchiveSession, ArchiveView
from contracts.session.values import Compression
from pydantic import Field

from gateway import ids
from gateway.schemas.base import RequestBody, ResponseModel, example

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


class NewArchive(RequestBody):
    """Options of the archive to create."""

    model_config = example({"compression": "gzip"})

    compression: Annotated[Compression, Field(description="The compression of the tar file.")] = "gzip"

    def command(self, session_id: UUID) -> ArchiveSession:
        """Return the command."""
        return ArchiveSession(session_id=session_id, archive_id=ids.new_id(), compression=self.compression)


class Archive(ArchiveView, ResponseModel):
    """A packed workspace."""

    model_config = example(_ARCHIVE)
