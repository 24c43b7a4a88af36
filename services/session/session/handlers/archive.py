"""What is done about archives; one is opened by resuming its session."""

from contracts.session.archive import ArchiveSession, CompleteArchive, CompleteUnarchive, FailArchive, FailUnarchive
from eventing.handling import Handlers

from session.aggregate import Session
from session.dependencies import Work

handles = Handlers()


@handles
async def archive_session(command: ArchiveSession, work: Work) -> None:
    """Close a session and let its workspace be packed."""
    async with work.change(Session, command.session_id) as session:
        session.archive(command.archive_id, command.compression)


@handles
async def complete_archive(command: CompleteArchive, work: Work) -> None:
    """Note that a workspace is packed."""
    async with work.change(Session, command.session_id) as session:
        session.complete_archive(command.archive_id, command.size_bytes, command.file_count, command.left_out)


@handles
async def fail_archive(command: FailArchive, work: Work) -> None:
    """Open a session whose workspace cannot be packed."""
    async with work.change(Session, command.session_id) as session:
        session.fail_archive(command.archive_id, command.error_code, command.error_detail)


@handles
async def complete_unarchive(command: CompleteUnarchive, work: Work) -> None:
    """Open a session again."""
    async with work.change(Session, command.session_id) as session:
        session.complete_unarchive(command.archive_id)


@handles
async def fail_unarchive(command: FailUnarchive, work: Work) -> None:
    """Leave a session archived whose workspace cannot be unpacked."""
    async with work.change(Session, command.session_id) as session:
        session.fail_unarchive(command.archive_id, command.error_code, command.error_detail)
