"""What is done about archives; one is opened by resuming its session."""

from contracts.session.archives import (
    ArchiveSession,
    CompleteArchive,
    CompleteUnarchive,
    FailArchive,
    FailUnarchive,
)
from eventing.handling import Handlers

from session.handlers.loading import Work, load_session

handles = Handlers()


@handles
async def archive_session(command: ArchiveSession, work: Work) -> None:
    """Close a session and let its workspace be packed."""
    session = await load_session(command.session_id, work)
    session.archive(command.archive_id, command.compression)
    await work.save(session)


@handles
async def complete_archive(command: CompleteArchive, work: Work) -> None:
    """Note that a workspace is packed."""
    session = await load_session(command.session_id, work)
    session.complete_archive(command.archive_id, command.size_bytes, command.file_count, command.left_out)
    await work.save(session)


@handles
async def fail_archive(command: FailArchive, work: Work) -> None:
    """Open a session whose workspace cannot be packed."""
    session = await load_session(command.session_id, work)
    session.fail_archive(command.archive_id, command.error_code, command.error_detail)
    await work.save(session)


@handles
async def complete_unarchive(command: CompleteUnarchive, work: Work) -> None:
    """Open a session again."""
    session = await load_session(command.session_id, work)
    session.complete_unarchive(command.archive_id)
    await work.save(session)


@handles
async def fail_unarchive(command: FailUnarchive, work: Work) -> None:
    """Leave a session archived whose workspace cannot be unpacked."""
    session = await load_session(command.session_id, work)
    session.fail_unarchive(command.archive_id, command.error_code, command.error_detail)
    await work.save(session)
