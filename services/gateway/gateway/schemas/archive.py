"""Models of archives."""

from typing import Annotated
from uuid import UUID

from contracts.session.archive import ArchiveSession, ArchiveView
from contracts.session.values import Compression
from pydantic import Field

from gateway import ids
from gateway.schemas.base import RequestBody, ResponseModel


class NewArchive(RequestBody):
    """Options of the archive to create."""

    sample = {"compression": "gzip"}

    compression: Annotated[Compression, Field(description="The compression of the tar file.")] = "gzip"

    def command(self, session_id: UUID) -> ArchiveSession:
        """Return the command."""
        return ArchiveSession(session_id=session_id, archive_id=ids.new_id(), compression=self.compression)


class Archive(ArchiveView, ResponseModel):
    """A packed workspace."""
