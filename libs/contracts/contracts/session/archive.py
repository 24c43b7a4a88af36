"""All messages about archives: the workspace of a session packed into one file."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from contracts.files import ByteRange, FilePart
from contracts.messages import Command, Event, Failure, ProgressEvent, Query, View
from contracts.samples import ARCHIVE, SESSION, TIME
from contracts.session.values import Compression

CONTENT_TYPES: dict[Compression, str] = {
    "gzip": "application/gzip",
    "bzip2": "application/x-bzip2",
    "xz": "application/x-xz",
    "zstd": "application/zstd",
    "none": "application/x-tar",
}


class ArchiveView(View):
    """An archive."""

    sample = {
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

    archive_id: UUID = Field(description="Id of the archive.")
    session_id: UUID = Field(description="Id of the session.")
    status: Literal["packing", "ready", "unpacking"] = Field(description="Current status.")
    compression: Compression = Field(description="Compression of the archive.")
    archive_path: str = Field(description="Name of the archive, in the form of a path.")
    archive_size_bytes: int = Field(description="Size of the archive in bytes.")
    file_count: int = Field(description="Number of archived files.")
    left_out: int = Field(description="Number of files that cannot be archived: pipes and sockets.")
    created_at: datetime = Field(description="Time of creation.")


class GetArchive(Query[ArchiveView]):
    """Return the archive of a session."""

    subject = "qry.session.get_archive"
    sample = {"session_id": SESSION}

    session_id: UUID


class ReadArchive(ByteRange, Query[FilePart]):
    """Return a part of the archive file of a session; with `etag`, only if it is still the same archive."""

    subject = "qry.session.read_archive"
    sample = {"session_id": SESSION, "offset": 0, "length": 1024}

    session_id: UUID


class ArchiveSession(Command[ArchiveView]):
    """Archive a session: close it and pack its workspace."""

    subject = "cmd.session.archive"
    outcome_query = GetArchive
    sample = {"session_id": SESSION, "archive_id": ARCHIVE, "compression": "gzip"}

    session_id: UUID
    archive_id: UUID
    compression: Compression


class CompleteArchive(Command[None]):
    """Report that the workspace is packed, and now exists only in the archive."""

    subject = "cmd.session.complete_archive"
    senders = ()
    sample = {"session_id": SESSION, "archive_id": ARCHIVE, "size_bytes": 1048576, "file_count": 42, "left_out": 0}

    session_id: UUID
    archive_id: UUID
    size_bytes: int
    file_count: int
    left_out: int


class FailArchive(Failure, Command[None]):
    """Report that the workspace could not be packed; it is unchanged."""

    subject = "cmd.session.fail_archive"
    senders = ()
    sample = {
        "session_id": SESSION,
        "archive_id": ARCHIVE,
        "error_code": "STORAGE_FAILED",
        "error_detail": "No space left on device.",
    }

    session_id: UUID
    archive_id: UUID


class CompleteUnarchive(Command[None]):
    """Report that the workspace is unpacked, and the bytes of its files."""

    subject = "cmd.session.complete_unarchive"
    senders = ()
    sample = {"session_id": SESSION, "archive_id": ARCHIVE, "size_bytes": 2097152}

    session_id: UUID
    archive_id: UUID
    size_bytes: int | None = None


class FailUnarchive(Failure, Command[None]):
    """Report that the workspace could not be unpacked; the archive is unchanged."""

    subject = "cmd.session.fail_unarchive"
    senders = ()
    sample = FailArchive.sample

    session_id: UUID
    archive_id: UUID


class ArchiveRequested(Event):
    """The session was closed, and its workspace has to be packed."""

    subject = "evt.session.archive_requested"
    sample = {"archive_id": ARCHIVE, "compression": "gzip"}

    archive_id: UUID
    compression: Compression


class SessionArchived(ProgressEvent):
    """The workspace was packed, and exists only in the archive."""

    subject = "evt.session.archived"
    sample = {"archive_id": ARCHIVE, "size_bytes": 1048576, "file_count": 42, "left_out": 0}

    archive_id: UUID
    size_bytes: int
    file_count: int
    left_out: int


class ArchiveFailed(Failure, ProgressEvent):
    """The workspace could not be packed; the session is open again."""

    subject = "evt.session.archive_failed"
    sample = {"archive_id": ARCHIVE, "error_code": "STORAGE_FAILED", "error_detail": "No space left on device."}

    archive_id: UUID


class UnarchiveRequested(Event):
    """The workspace has to be unpacked."""

    subject = "evt.session.unarchive_requested"
    sample = {"archive_id": ARCHIVE}

    archive_id: UUID


class SessionUnarchived(ProgressEvent):
    """The workspace was unpacked, and the session is open again. `size_bytes` is that of its files, if it is known."""

    subject = "evt.session.unarchived"
    sample = {"archive_id": ARCHIVE, "size_bytes": 2097152}

    archive_id: UUID
    size_bytes: int | None = None


class UnarchiveFailed(Failure, ProgressEvent):
    """The workspace could not be unpacked; the session is still archived."""

    subject = "evt.session.unarchive_failed"
    sample = ArchiveFailed.sample

    archive_id: UUID


ArchiveEvent = (
    ArchiveRequested | SessionArchived | ArchiveFailed | UnarchiveRequested | SessionUnarchived | UnarchiveFailed
)
