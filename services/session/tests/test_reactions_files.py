"""Forks and archives as reactions make them, though a worker is killed, or is slow, or the session goes meanwhile."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast
from unittest.mock import AsyncMock
from uuid import UUID

import pytest
import pytest_asyncio
from contracts.messages import Event
from contracts.refusals import Code
from contracts.samples import FORK, SESSION, USER
from contracts.session.archives import (
    ArchiveRequested,
    ArchiveSession,
    CompleteArchive,
    CompleteUnarchive,
    FailArchive,
    GetArchive,
    UnarchiveRequested,
)
from contracts.session.commands import DeleteSession, ResumeSession
from contracts.session.events import SessionDeleted
from contracts.session.forks import CompleteFork, FailFork, ForkSession, SessionForked
from contracts.session.queries import GetSession, SessionView
from eventing.reactions import Reaction
from eventing.recording import Recorded
from runtime.clock import now
from runtime.envelope import Envelope
from session.app import service
from session.reactions.archive import LOST, pack_workspace, unpack_workspace
from session.reactions.fork import copy_parent
from session.reactions.session import remove_traces
from session.tools import Tools
from session.workspace import Lasting

from services.session.tests.desk import OWNER, Desk

PARENT, COPY = UUID(SESSION), UUID(FORK)
ARCHIVE, FORKED, RESUME = ArchiveSession.example(), ForkSession.example(), ResumeSession(session_id=PARENT)
DELETE = DeleteSession(session_id=PARENT)
PACKING = ArchiveRequested(archive_id=ARCHIVE.archive_id, compression=ARCHIVE.compression)
UNPACKING = UnarchiveRequested(archive_id=ARCHIVE.archive_id)
COPYING = SessionForked(parent_session_id=PARENT, message_ids=[])
PLAIN, COPIED = f"workspaces/{SESSION}/a.txt", f"workspaces/{FORK}/a.txt"
PACKED = f"archives/{SESSION}/{ARCHIVE.archive_id}.tar.gz"


class Killed(Exception):
    """The worker is gone."""


async def killed() -> None:
    raise Killed


class Hands:
    """The reactions, by hand. `meanwhile` names what happens before messages of these kinds arrive, in this order."""

    def __init__(self, desk: Desk, root: Path, lasting: Lasting) -> None:
        self.desk, self.root = desk, root
        nothing = cast(Any, None)
        self.tools = Tools(
            AsyncMock(),
            AsyncMock(),
            root / "workspaces",
            root / "archives",
            *(nothing, nothing, 1, 1, nothing, nothing),
            lasting=lasting,
        )
        self.meanwhile: list[tuple[type, Callable[[], Awaitable[Any]] | None]] = []
        self.tools.workspace(PARENT).mkdir(parents=True)
        (root / PLAIN).write_text("hello")

    async def send(self, command: Any, envelope: Envelope) -> Any:
        await self._before(command)
        return await self.desk.dispatcher.send(command, envelope)

    async def ask(self, query: Any, envelope: Envelope) -> Any:
        await self._before(query)
        return await self.desk.dispatcher.ask(query, envelope)

    async def _before(self, message: Any) -> None:
        if self.meanwhile and isinstance(message, self.meanwhile[0][0]):
            _, act = self.meanwhile.pop(0)
            if act:
                await act()

    async def react(self, react: Any, id: UUID, fact: Event) -> None:  # noqa: A002  the field's name
        envelope = Envelope.begin(actor=OWNER)
        recorded = Recorded(id, 1, now(), fact, envelope, UUID(USER))
        await react(recorded, Reaction(self.tools, cast(Any, self), envelope))

    async def give_up(self, name: str, id: UUID, fact: Event) -> None:  # noqa: A002  the field's name
        await self.react(next(listed.lost for listed in service.reactions.shared if listed.name == name), id, fact)

    async def pack(self) -> None:
        await self.react(pack_workspace, PARENT, PACKING)

    async def unpack(self) -> None:
        await self.react(unpack_workspace, PARENT, UNPACKING)

    async def copy(self) -> None:
        await self.react(copy_parent, COPY, COPYING)

    async def delete(self) -> None:
        session = await self.session()
        await self.desk.send(DELETE)
        await self.react(remove_traces, PARENT, SessionDeleted(user_id=session.user_id))

    async def session(self, id: UUID = PARENT) -> SessionView:  # noqa: A002  the field's name
        return await self.desk.ask(GetSession(session_id=id))

    def all(self) -> list[str]:
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file())


@pytest_asyncio.fixture
async def hands(talked: Desk, tmp_path: Path) -> AsyncGenerator[Hands]:
    async with Lasting.open() as lasting:
        yield Hands(talked, tmp_path, lasting)


async def archived(hands: Hands) -> None:
    await hands.desk.send(ARCHIVE)
    await hands.pack()
    assert hands.all() == [PACKED]


async def test_a_worker_that_is_killed_before_it_tells_has_packed_for_the_next(hands: Hands) -> None:
    await hands.desk.send(ARCHIVE)
    hands.meanwhile = [(CompleteArchive, killed)]
    with pytest.raises(Killed):
        await hands.pack()
    await hands.pack()
    archive = await hands.desk.ask(GetArchive(session_id=PARENT))
    assert (archive.status, archive.file_count, hands.all()) == ("ready", 1, [PACKED])


async def test_a_session_that_is_deleted_while_it_is_packed_leaves_nothing(hands: Hands) -> None:
    await hands.desk.send(ARCHIVE)
    hands.meanwhile = [(GetArchive, None), (GetArchive, hands.delete)]
    await hands.pack()
    assert hands.all() == []


async def test_a_slow_worker_does_not_take_away_what_was_unpacked(hands: Hands) -> None:
    async def others() -> None:
        await hands.pack()
        await hands.desk.send(RESUME)
        await hands.unpack()

    await hands.desk.send(ARCHIVE)
    hands.meanwhile = [(GetArchive, None), (GetArchive, others)]
    await hands.pack()
    assert (await hands.session()).status == "active"
    assert PLAIN in hands.all()


async def test_a_failure_that_is_told_too_late_changes_nothing(hands: Hands) -> None:
    async def others() -> None:
        (hands.root / "archives" / SESSION).unlink()
        await hands.pack()

    await hands.desk.send(ARCHIVE)
    (hands.root / "archives").mkdir()
    (hands.root / "archives" / SESSION).touch()
    hands.meanwhile = [(FailArchive, others)]
    await hands.pack()
    session = await hands.session()
    assert (session.status, session.error_code, hands.all()) == ("archived", None, [PACKED])


async def test_a_worker_that_is_killed_before_it_tells_has_unpacked_for_the_next(hands: Hands) -> None:
    await archived(hands)
    await hands.desk.send(RESUME)
    hands.meanwhile = [(CompleteUnarchive, killed)]
    with pytest.raises(Killed):
        await hands.unpack()
    await hands.unpack()
    assert ((await hands.session()).status, hands.all()) == ("active", [PLAIN])


async def test_a_session_that_is_deleted_while_it_is_unpacked_leaves_nothing(hands: Hands) -> None:
    await archived(hands)
    await hands.desk.send(RESUME)
    hands.meanwhile = [(CompleteUnarchive, hands.delete)]
    await hands.unpack()
    assert hands.all() == []


async def test_an_unpacked_session_is_not_unpacked_again_over_later_work(hands: Hands) -> None:
    await archived(hands)
    await hands.desk.send(RESUME)
    await hands.unpack()
    (hands.root / PLAIN).write_text("later")
    await hands.unpack()
    assert (hands.root / PLAIN).read_text() == "later"


async def test_a_fork_is_copied_though_its_first_worker_is_killed(hands: Hands) -> None:
    await hands.desk.send(FORKED)
    hands.meanwhile = [(CompleteFork, killed)]
    with pytest.raises(Killed):
        await hands.copy()
    await hands.copy()
    assert ((await hands.session(COPY)).ready, hands.all()) == (True, [PLAIN, COPIED])


async def test_a_fork_whose_parent_is_archived_first_fails_rather_than_lack_files(hands: Hands) -> None:
    await hands.desk.send(FORKED)
    await archived(hands)
    await hands.copy()
    fork = await hands.session(COPY)
    assert (fork.status, fork.error_code, hands.all()) == ("failed", Code.SESSION_ARCHIVED, [PACKED])


async def test_a_fork_whose_parent_is_deleted_first_fails_rather_than_lack_files(hands: Hands) -> None:
    await hands.desk.send(FORKED)
    await hands.delete()
    await hands.copy()
    fork = await hands.session(COPY)
    assert (fork.status, fork.error_code, hands.all()) == ("failed", Code.SESSION_NOT_FOUND, [])


async def test_a_fork_that_cannot_be_copied_fails_and_says_why(hands: Hands) -> None:
    await hands.desk.send(FORKED)
    in_the_way = hands.root / "workspaces" / ".copies" / FORK
    in_the_way.parent.mkdir()
    in_the_way.touch()
    await hands.copy()
    fork = await hands.session(COPY)
    assert (fork.status, fork.error_code, fork.error_detail) == ("failed", Code.STORAGE_FAILED, "File exists.")
    assert hands.all() == [PLAIN]


async def test_a_fork_that_another_worker_copied_keeps_its_files(hands: Hands) -> None:
    await hands.desk.send(FORKED)
    await archived(hands)
    hands.meanwhile = [(FailFork, lambda: hands.desk.send(CompleteFork.example()))]
    (hands.root / "workspaces" / FORK).mkdir()
    (hands.root / COPIED).write_text("hello")
    await hands.copy()
    assert ((await hands.session(COPY)).ready, hands.all()) == (True, [PACKED, COPIED])


async def test_a_fork_that_is_deleted_while_it_is_copied_leaves_nothing(hands: Hands) -> None:
    await hands.desk.send(FORKED)
    hands.meanwhile = [(CompleteFork, lambda: hands.desk.send(DeleteSession(session_id=COPY)))]
    await hands.copy()
    assert hands.all() == [PLAIN]


async def test_a_fork_that_is_given_up_fails_and_leaves_no_files(hands: Hands) -> None:
    await hands.desk.send(FORKED)
    (hands.root / "workspaces" / FORK).mkdir()
    (hands.root / COPIED).write_text("hello")
    await hands.give_up("copy_parent", COPY, COPYING)
    fork = await hands.session(COPY)
    assert (fork.status, fork.error_code, fork.error_detail) == ("failed", Code.STORAGE_FAILED, LOST)
    assert hands.all() == [PLAIN]


async def test_a_fork_that_another_worker_made_is_not_given_up(hands: Hands) -> None:
    await hands.desk.send(FORKED)
    await hands.copy()
    await hands.give_up("copy_parent", COPY, COPYING)
    assert ((await hands.session(COPY)).ready, hands.all()) == (True, [PLAIN, COPIED])


async def test_a_session_whose_packing_is_given_up_is_open_as_it_was(hands: Hands) -> None:
    await hands.desk.send(ARCHIVE)
    await hands.give_up("pack_workspace", PARENT, PACKING)
    session = await hands.session()
    assert (session.status, session.ready, session.error_code) == ("active", True, Code.STORAGE_FAILED)
    assert hands.all() == [PLAIN]


async def test_a_packing_that_is_given_up_after_its_archive_was_made_counts(hands: Hands) -> None:
    await hands.desk.send(ARCHIVE)
    hands.meanwhile = [(CompleteArchive, killed)]
    with pytest.raises(Killed):
        await hands.pack()
    await hands.give_up("pack_workspace", PARENT, PACKING)
    archive = await hands.desk.ask(GetArchive(session_id=PARENT))
    assert (archive.status, archive.file_count, hands.all()) == ("ready", 1, [PACKED])


async def test_a_session_whose_unpacking_is_given_up_is_archived_and_can_be_resumed(hands: Hands) -> None:
    await archived(hands)
    await hands.desk.send(RESUME)
    await hands.give_up("unpack_workspace", PARENT, UNPACKING)
    assert (await hands.session()).error_code == Code.STORAGE_FAILED
    await hands.desk.send(RESUME)
    await hands.unpack()
    assert ((await hands.session()).status, hands.all()) == ("active", [PLAIN])


@pytest.mark.parametrize(("name", "fact"), [("pack_workspace", PACKING), ("unpack_workspace", UNPACKING)])
async def test_there_is_nothing_to_give_up_of_a_session_that_was_deleted(hands: Hands, name: str, fact: Event) -> None:
    await hands.delete()
    await hands.give_up(name, PARENT, fact)
    assert hands.all() == []
