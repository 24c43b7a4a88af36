"""Handlers of commands about archives. An archived session is reopened by resuming it."""

from contracts.session.archive import ArchiveSession, CompleteArchive, CompleteUnarchive, FailArchive, FailUnarchive
from eventing.handling import Handlers

from session.aggregate import Session
from session.dependencies import Work

handles = Handlers()


@handles
async def archive_session(command: ArchiveSession, work: Work) -> None:
    """Close a session, and request that its workspace is packed."""
    async with work.change(Session, command.session_id) as session:
        session.archive(command.archive_id, command.compression)


@handles
async def complete_archive(command: CompleteArchive, work: Work) -> None:
    """Record that a workspace is packed."""
    async with work.change(Session, command.session_id) as session:
        session.complete_archive(command.archive_id, command.size_bytes, command.file_count, command.left_out)


@handles
async def fail_archive(command: FailArchive, work: Work) -> None:
    """Reopen a session whose workspace could not be packed."""
    async with work.change(Session, command.session_id) as session:
        session.fail_archive(command.archive_id, command.error_code, command.error_detail)


@handles
async def complete_unarchive(command: CompleteUnarchive, work: Work) -> None:
    """Reopen a session after its workspace was unpacked."""
    async with work.change(Session, command.session_id) as session:
        session.complete_unarchive(command.archive_id, command.size_bytes)


@handles
async def fail_unarchive(command: FailUnarchive, work: Work) -> None:
    """Leave a session archived whose workspace could not be unpacked."""
    async with work.change(Session, command.session_id) as session:
        session.fail_unarchive(command.archive_id, command.error_code, command.error_detail)
