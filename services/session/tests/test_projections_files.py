"""The read models of forks and archives."""

from uuid import UUID

import pytest
from contracts.refusals import Code, Refusal
from contracts.samples import FORK, SESSION
from contracts.session.archive import (
    ArchiveSession,
    CompleteArchive,
    CompleteUnarchive,
    FailArchive,
    FailUnarchive,
    GetArchive,
)
from contracts.session.conversation import ListMessages
from contracts.session.fork import CompleteFork, FailFork, ForkSession
from contracts.session.session import GetSession, PauseSession, ResumeSession

from services.session.tests.desk import Desk


async def test_a_new_fork_shows_its_parents_messages_and_is_not_ready(desk_after_run: Desk) -> None:
    fork = await desk_after_run.send(ForkSession.example())
    assert (fork.is_fork, str(fork.parent_session_id), fork.mode, fork.status) == (True, SESSION, "forked", "created")
    assert (fork.ready, fork.total_messages, fork.total_tool_calls) == (False, 2, 0)
    of_fork = await desk_after_run.ask(ListMessages(session_id=fork.id))
    assert of_fork == await desk_after_run.ask(ListMessages(session_id=UUID(SESSION)))


async def test_a_completed_fork_is_ready(desk_after_run: Desk) -> None:
    await desk_after_run.send(ForkSession.example())
    await desk_after_run.send(CompleteFork.example())
    assert (await desk_after_run.ask(GetSession(session_id=UUID(FORK)))).ready


async def test_an_archive_shows_its_progress(desk_after_run: Desk) -> None:
    packing = await desk_after_run.send(ArchiveSession.example())
    assert (packing.status, packing.archive_path) == ("packing", f"/archives/{packing.archive_id}.tar.gz")
    await desk_after_run.send(CompleteArchive.example())
    ready = await desk_after_run.ask(GetArchive.example())
    assert (ready.status, ready.archive_size_bytes, ready.file_count) == ("ready", 1048576, 42)
    await desk_after_run.send(ResumeSession.example())
    assert (await desk_after_run.ask(GetArchive.example())).status == "unpacking"


async def test_a_session_is_archived_until_it_is_unarchived(desk_after_run: Desk) -> None:
    states: list[tuple[str, bool]] = []
    for command in (ArchiveSession, CompleteArchive, ResumeSession, CompleteUnarchive):
        await desk_after_run.send(command.example())
        session = await desk_after_run.ask(GetSession(session_id=UUID(SESSION)))
        states.append((session.status, session.ready))
    assert states == [("archived", False), ("archived", True), ("archived", False), ("active", True)]


async def test_an_unarchived_session_has_no_archive(desk_after_run: Desk) -> None:
    for command in (ArchiveSession, CompleteArchive, ResumeSession, CompleteUnarchive):
        await desk_after_run.send(command.example())
    with pytest.raises(Refusal, match=Code.ARCHIVE_NOT_FOUND):
        await desk_after_run.ask(GetArchive.example())


FAILED = (Code.STORAGE_FAILED, "No space left on device.")


async def test_a_failed_fork_shows_the_error(desk_after_run: Desk) -> None:
    await desk_after_run.send(ForkSession.example())
    await desk_after_run.send(FailFork.example())
    fork = await desk_after_run.ask(GetSession(session_id=UUID(FORK)))
    assert (fork.status, fork.ready, fork.error_code, fork.error_detail) == ("failed", False, *FAILED)


async def test_a_failed_archive_leaves_the_session_active_with_an_error(desk_after_run: Desk) -> None:
    for command in (ArchiveSession, FailArchive):
        await desk_after_run.send(command.example())
    session = await desk_after_run.ask(GetSession(session_id=UUID(SESSION)))
    assert (session.status, session.ready, session.error_code, session.error_detail) == ("active", True, *FAILED)
    with pytest.raises(Refusal, match=Code.ARCHIVE_NOT_FOUND):
        await desk_after_run.ask(GetArchive.example())


async def test_a_failed_unarchive_leaves_the_session_archived_with_an_error(desk_after_run: Desk) -> None:
    for command in (ArchiveSession, CompleteArchive, ResumeSession, FailUnarchive):
        await desk_after_run.send(command.example())
    session = await desk_after_run.ask(GetSession(session_id=UUID(SESSION)))
    assert (session.status, session.ready, session.error_code, session.error_detail) == ("archived", True, *FAILED)
    assert (await desk_after_run.ask(GetArchive.example())).status == "ready"


async def test_an_error_is_cleared_by_the_next_attempt(desk_after_run: Desk) -> None:
    for command in (ArchiveSession, FailArchive, ArchiveSession):
        await desk_after_run.send(command.example())
    assert (await desk_after_run.ask(GetSession(session_id=UUID(SESSION)))).error_code is None


async def test_a_paused_session_is_paused_again_once_unarchived(desk_after_run: Desk) -> None:
    for command in (PauseSession, ArchiveSession, CompleteArchive, ResumeSession, CompleteUnarchive):
        await desk_after_run.send(command.example())
    assert (await desk_after_run.ask(GetSession(session_id=UUID(SESSION)))).status == "paused"
