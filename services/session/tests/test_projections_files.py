"""What forks and archives mean for those who read."""

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


async def test_a_fork_shows_the_messages_of_its_parent_and_is_not_ready(talked: Desk) -> None:
    fork = await talked.send(ForkSession.example())
    assert (fork.is_fork, str(fork.parent_session_id), fork.mode, fork.status) == (True, SESSION, "forked", "created")
    assert (fork.ready, fork.total_messages, fork.total_tool_calls) == (False, 2, 0)
    of_fork = await talked.ask(ListMessages(session_id=fork.id))
    assert of_fork == await talked.ask(ListMessages(session_id=UUID(SESSION)))


async def test_a_completed_fork_is_ready(talked: Desk) -> None:
    await talked.send(ForkSession.example())
    await talked.send(CompleteFork.example())
    assert (await talked.ask(GetSession(session_id=UUID(FORK)))).ready


async def test_an_archive_shows_how_far_it_is(talked: Desk) -> None:
    packing = await talked.send(ArchiveSession.example())
    assert (packing.status, packing.archive_path) == ("packing", f"/archives/{packing.archive_id}.tar.gz")
    await talked.send(CompleteArchive.example())
    ready = await talked.ask(GetArchive.example())
    assert (ready.status, ready.archive_size_bytes, ready.file_count) == ("ready", 1048576, 42)
    await talked.send(ResumeSession.example())
    assert (await talked.ask(GetArchive.example())).status == "unpacking"


async def test_a_session_is_archived_until_it_is_opened_again(talked: Desk) -> None:
    states: list[tuple[str, bool]] = []
    for command in (ArchiveSession, CompleteArchive, ResumeSession, CompleteUnarchive):
        await talked.send(command.example())
        session = await talked.ask(GetSession(session_id=UUID(SESSION)))
        states.append((session.status, session.ready))
    assert states == [("archived", False), ("archived", True), ("archived", False), ("active", True)]


async def test_an_opened_session_has_no_archive(talked: Desk) -> None:
    for command in (ArchiveSession, CompleteArchive, ResumeSession, CompleteUnarchive):
        await talked.send(command.example())
    with pytest.raises(Refusal, match=Code.ARCHIVE_NOT_FOUND):
        await talked.ask(GetArchive.example())


FAILED = (Code.STORAGE_FAILED, "No space left on device.")


async def test_a_fork_that_failed_says_why(talked: Desk) -> None:
    await talked.send(ForkSession.example())
    await talked.send(FailFork.example())
    fork = await talked.ask(GetSession(session_id=UUID(FORK)))
    assert (fork.status, fork.ready, fork.error_code, fork.error_detail) == ("failed", False, *FAILED)


async def test_a_session_that_could_not_be_packed_is_as_it_was_and_says_why(talked: Desk) -> None:
    for command in (ArchiveSession, FailArchive):
        await talked.send(command.example())
    session = await talked.ask(GetSession(session_id=UUID(SESSION)))
    assert (session.status, session.ready, session.error_code, session.error_detail) == ("active", True, *FAILED)
    with pytest.raises(Refusal, match=Code.ARCHIVE_NOT_FOUND):
        await talked.ask(GetArchive.example())


async def test_a_session_that_could_not_be_unpacked_is_archived_still_and_says_why(talked: Desk) -> None:
    for command in (ArchiveSession, CompleteArchive, ResumeSession, FailUnarchive):
        await talked.send(command.example())
    session = await talked.ask(GetSession(session_id=UUID(SESSION)))
    assert (session.status, session.ready, session.error_code, session.error_detail) == ("archived", True, *FAILED)
    assert (await talked.ask(GetArchive.example())).status == "ready"


async def test_a_failure_is_forgotten_when_it_is_tried_again(talked: Desk) -> None:
    for command in (ArchiveSession, FailArchive, ArchiveSession):
        await talked.send(command.example())
    assert (await talked.ask(GetSession(session_id=UUID(SESSION)))).error_code is None


async def test_a_paused_session_is_paused_again_when_its_archive_is_opened(talked: Desk) -> None:
    for command in (PauseSession, ArchiveSession, CompleteArchive, ResumeSession, CompleteUnarchive):
        await talked.send(command.example())
    assert (await talked.ask(GetSession(session_id=UUID(SESSION)))).status == "paused"
