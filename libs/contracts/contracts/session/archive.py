"""Archives: the workspace of a session, packed into one file, and unpacked again."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from contracts.files import ByteRange, FilePart
from contracts.messages import Command, Event, Failure, Message, Query
from contracts.samples import ARCHIVE, SESSION
from contracts.session.values import Compression

CONTENT_TYPES: dict[Compression, str] = {
    "gzip": "application/gzip",
    "bzip2": "application/x-bzip2",
    "xz": "application/x-xz",
    "zstd": "application/zstd",
    "none": "application/x-tar",
}


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


class ReadArchive(ByteRange, Query[FilePart]):
    """Asks for a part of the archive of a session; with `etag`, only if it is still the same one."""

    subject = "qry.session.read_archive"
    sample = {"session_id": SESSION, "offset": 0, "length": 1024}

    session_id: UUID


class ArchiveSession(Command[ArchiveView]):
    """Closes a session and packs its workspace."""

    subject = "cmd.session.archive"
    outcome_query = GetArchive
    sample = {"session_id": SESSION, "archive_id": ARCHIVE, "compression": "gzip"}

    session_id: UUID
    archive_id: UUID
    compression: Compression


class CompleteArchive(Command[None]):
    """The workspace is packed, and only in the archive."""

    subject = "cmd.session.complete_archive"
    sample = {"session_id": SESSION, "archive_id": ARCHIVE, "size_bytes": 1048576, "file_count": 42, "left_out": 0}

    session_id: UUID
    archive_id: UUID
    size_bytes: int
    file_count: int
    left_out: int


class FailArchive(Failure, Command[None]):
    """The workspace cannot be packed, and is as it was."""

    subject = "cmd.session.fail_archive"
    sample = {
        "session_id": SESSION,
        "archive_id": ARCHIVE,
        "error_code": "STORAGE_FAILED",
        "error_detail": "No space left on device.",
    }

    session_id: UUID
    archive_id: UUID


class CompleteUnarchive(Command[None]):
    """The workspace is unpacked."""

    subject = "cmd.session.complete_unarchive"
    sample = {"session_id": SESSION, "archive_id": ARCHIVE}

    session_id: UUID
    archive_id: UUID


class FailUnarchive(Failure, Command[None]):
    """The workspace cannot be unpacked, and the archive is as it was."""

    subject = "cmd.session.fail_unarchive"
    sample = FailArchive.sample

    session_id: UUID
    archive_id: UUID


class ArchiveRequested(Event):
    """The session is closed; its workspace is to be packed."""

    subject = "evt.session.archive_requested"
    sample = {"archive_id": ARCHIVE, "compression": "gzip"}

    archive_id: UUID
    compression: Compression


class SessionArchived(Event):
    """The workspace is in the archive, and nowhere else."""

    subject = "evt.session.archived"
    sample = {"archive_id": ARCHIVE, "size_bytes": 1048576, "file_count": 42, "left_out": 0}

    archive_id: UUID
    size_bytes: int
    file_count: int
    left_out: int


class ArchiveFailed(Failure, Event):
    """The workspace could not be packed; the session is open, as it was."""

    subject = "evt.session.archive_failed"
    sample = {"archive_id": ARCHIVE, "error_code": "STORAGE_FAILED", "error_detail": "No space left on device."}

    archive_id: UUID


class UnarchiveRequested(Event):
    """The workspace is to be unpacked."""

    subject = "evt.session.unarchive_requested"
    sample = {"archive_id": ARCHIVE}

    archive_id: UUID


class SessionUnarchived(Event):
    """The workspace is back, and the session open."""

    subject = "evt.session.unarchived"
    sample = {"archive_id": ARCHIVE}

    archive_id: UUID


class UnarchiveFailed(Failure, Event):
    """The workspace could not be unpacked; the session is archived, as it was."""

    subject = "evt.session.unarchive_failed"
    sample = ArchiveFailed.sample

    archive_id: UUID


ArchiveEvent = (
    ArchiveRequested | SessionArchived | ArchiveFailed | UnarchiveRequested | SessionUnarchived | UnarchiveFailed
)
