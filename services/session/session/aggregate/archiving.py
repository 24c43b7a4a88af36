"""What a Session decides about its archive, and about itself as a copy of another one."""

from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session.events import (
    ArchiveRequested,
    ForkCompleted,
    SessionArchived,
    SessionUnarchived,
    UnarchiveRequested,
)
from contracts.session.values import Compression

from session.aggregate.state import State


class Archiving(State):
    """A session is closed from the moment that its archive is asked for until its files are back."""

    def complete_fork(self, file_count: int, left_out: int) -> None:
        """Note that all is copied; said again, it is ignored."""
        if not self.ready:
            self.record(ForkCompleted(file_count=file_count, left_out=left_out))

    def archive(self, archive_id: UUID, compression: Compression) -> None:
        """Close the session, and let its workspace be packed.

        Raises:
            Refusal: SESSION_BUSY, SESSION_NOT_READY, SESSION_ARCHIVED.
        """
        self.check_idle()
        self.record(ArchiveRequested(archive_id=archive_id, compression=compression))

    def complete_archive(self, archive_id: UUID, size_bytes: int, file_count: int, left_out: int) -> None:
        """Note that the workspace is packed; said again, it is ignored."""
        if self.archive_id == archive_id and not self.ready:
            fact = SessionArchived(
                archive_id=archive_id, size_bytes=size_bytes, file_count=file_count, left_out=left_out
            )
            self.record(fact)

    def unarchive(self) -> None:
        """Let the workspace be unpacked.

        Raises:
            Refusal: SESSION_NOT_ARCHIVED; SESSION_NOT_READY, it is still being packed or unpacked.
        """
        if not self.archive_id:
            raise Refusal(Code.SESSION_NOT_ARCHIVED, "The session is not archived.")
        if not self.ready:
            raise Refusal(Code.SESSION_NOT_READY, "The archive is still being packed or unpacked; try again shortly.")
        self.record(UnarchiveRequested(archive_id=self.archive_id))

    def complete_unarchive(self, archive_id: UUID) -> None:
        """Open the session again; said again, it is ignored."""
        if self.archive_id == archive_id and not self.ready:
            self.record(SessionUnarchived(archive_id=archive_id))
