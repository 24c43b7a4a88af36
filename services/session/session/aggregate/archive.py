"""What a Session decides about its archive."""

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
    """A session is closed from the moment that its archive is asked for until its files are back.

    What comes from a worker that was only slow, or is message again, finds the session in another state, and is ignored.
    """

    def archive(self, archive_id: UUID, compression: Compression) -> None:
        """Close the session, and let its workspace be packed.

        Raises:
            Refusal: SESSION_BUSY, SESSION_NOT_READY, SESSION_ARCHIVED.
        """
        self.check_idle()
        self.record(ArchiveRequested(archive_id=archive_id, compression=compression))

    def complete_archive(self, archive_id: UUID, size_bytes: int, file_count: int, left_out: int) -> None:
        """Note that the workspace is packed."""
        if (self.phase, self.archive_id) == ("packing", archive_id):
            event = SessionArchived(
                archive_id=archive_id, size_bytes=size_bytes, file_count=file_count, left_out=left_out
            )
            self.record(event)

    def fail_archive(self, archive_id: UUID, error_code: Code, error_detail: str) -> None:
        """Open the session again as it was: its workspace is still there."""
        if (self.phase, self.archive_id) == ("packing", archive_id):
            self.record(ArchiveFailed(archive_id=archive_id, error_code=error_code, error_detail=error_detail))

    def complete_unarchive(self, archive_id: UUID) -> None:
        """Open the session again."""
        if (self.phase, self.archive_id) == ("unpacking", archive_id):
            self.record(SessionUnarchived(archive_id=archive_id))

    def fail_unarchive(self, archive_id: UUID, error_code: Code, error_detail: str) -> None:
        """Leave the session archived: the archive is still there."""
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
