"""The decisions of a Session about its archive."""

from typing import assert_never
from uuid import UUID

from contracts.refusals import Code
from contracts.session.archive import (
    ArchiveEvent,
    ArchiveFailed,
    ArchiveRequested,
    SessionArchived,
    SessionUnarchived,
    UnarchiveFailed,
    UnarchiveRequested,
)
from contracts.session.values import Compression

from session.aggregate.state import State


class Archiving(State):
    """The archive of a session. The session is closed from the request of the archive until its files are restored.

    Late or repeated reports of a worker find the session in another phase, and are ignored.
    """

    def archive(self, archive_id: UUID, compression: Compression) -> None:
        """Close the session, and request that its workspace is packed.

        Raises:
            Refusal: SESSION_BUSY, SESSION_NOT_READY, SESSION_ARCHIVED.
        """
        self.check_idle()
        self.record(ArchiveRequested(archive_id=archive_id, compression=compression))

    def complete_archive(self, archive_id: UUID, size_bytes: int, file_count: int, left_out: int) -> None:
        """Record that the workspace is packed."""
        if (self.phase, self.archive_id) == ("packing", archive_id):
            event = SessionArchived(
                archive_id=archive_id, size_bytes=size_bytes, file_count=file_count, left_out=left_out
            )
            self.record(event)

    def fail_archive(self, archive_id: UUID, error_code: Code, error_detail: str) -> None:
        """Reopen the session as it was; its workspace still exists."""
        if (self.phase, self.archive_id) == ("packing", archive_id):
            self.record(ArchiveFailed(archive_id=archive_id, error_code=error_code, error_detail=error_detail))

    def complete_unarchive(self, archive_id: UUID, size_bytes: int | None = None) -> None:
        """Reopen the session after its workspace was unpacked."""
        if (self.phase, self.archive_id) == ("unpacking", archive_id):
            self.record(SessionUnarchived(archive_id=archive_id, size_bytes=size_bytes))

    def fail_unarchive(self, archive_id: UUID, error_code: Code, error_detail: str) -> None:
        """Leave the session archived; its archive still exists."""
        if (self.phase, self.archive_id) == ("unpacking", archive_id):
            self.record(UnarchiveFailed(archive_id=archive_id, error_code=error_code, error_detail=error_detail))

    def apply_archive(self, event: ArchiveEvent) -> None:
        """Fold one event of the archive."""
        match event:
            case ArchiveRequested():
                self.phase, self.archive_id = "packing", event.archive_id
            case SessionArchived() | UnarchiveFailed():
                self.phase = "archived"
            case UnarchiveRequested():
                self.phase = "unpacking"
            case ArchiveFailed() | SessionUnarchived():
                self.phase, self.archive_id = "open", None
            case _:
                assert_never(event)
