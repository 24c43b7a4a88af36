"""Archives: the workspace of a session, packed into one file, and unpacked again."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from contracts.messages import Command, Message, Query
from contracts.samples import ARCHIVE, SESSION
from contracts.session.queries import GetSession, SessionView
from contracts.session.values import Compression
from contracts.session.workspace import LARGEST_PART, FilePart


class ArchiveView(Message):
    """An archive; `archive_path` names it, and is no path of the host. `left_out` counts what is no file."""

    archive_id: UUID
    session_id: UUID
    status: Literal["packing", "ready", "unpacking"]
    compression: Compression
    archive_path: str
    archive_size_bytes: int
    file_count: int
    left_out: int
    created_at: datetime


class GetArchive(Query[ArchiveView]):
    """Asks for the archive of a session."""

    subject = "qry.session.get_archive"
    sample = {"session_id": SESSION}

    session_id: UUID


class ReadArchive(Query[FilePart]):
    """Asks for a part of the archive of a session; with `etag`, only if it is still the same one."""

    subject = "qry.session.read_archive"
    sample = {"session_id": SESSION, "offset": 0, "length": 1024}

    session_id: UUID
    offset: int = Field(default=0, ge=0, le=2**62)
    length: int = Field(default=LARGEST_PART, ge=0, le=LARGEST_PART)
    etag: str | None = None


class ArchiveSession(Command[ArchiveView]):
    """Closes a session and packs its workspace."""

    subject = "cmd.session.archive"
    sample = {"session_id": SESSION, "archive_id": ARCHIVE, "compression": "gzip"}

    session_id: UUID
    archive_id: UUID
    compression: Compression

    def outcome(self) -> GetArchive:
        """Answer with the archive."""
        return GetArchive(session_id=self.session_id)


class CompleteArchive(Command[None]):
    """The workspace is packed, and only in the archive."""

    subject = "cmd.session.complete_archive"
    sample = {"session_id": SESSION, "archive_id": ARCHIVE, "size_bytes": 1048576, "file_count": 42, "left_out": 0}

    session_id: UUID
    archive_id: UUID
    size_bytes: int
    file_count: int
    left_out: int


class UnarchiveSession(Command[SessionView]):
    """Opens an archived session again, and unpacks its workspace."""

    subject = "cmd.session.unarchive"
    sample = {"session_id": SESSION}

    session_id: UUID

    def outcome(self) -> GetSession:
        """Answer with the session."""
        return GetSession(session_id=self.session_id)


class CompleteUnarchive(Command[None]):
    """The workspace is unpacked."""

    subject = "cmd.session.complete_unarchive"
    sample = {"session_id": SESSION, "archive_id": ARCHIVE}

    session_id: UUID
    archive_id: UUID
