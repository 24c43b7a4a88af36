"""The reactions that make forks and archives, by hand."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast
from unittest.mock import AsyncMock
from uuid import UUID

from contracts.messages import Event
from contracts.samples import FORK, SESSION, USER
from contracts.session.archive import ArchiveRequested, ArchiveSession, UnarchiveRequested
from contracts.session.fork import ForkSession, SessionForked
from contracts.session.session import DeleteSession, GetSession, ResumeSession, SessionDeleted, SessionView
from eventing.recording import Recorded
from eventing.testing.reacting import reaction_to
from runtime.blocking import BlockingPool
from runtime.clock import now
from runtime.envelope import Envelope
from session.app import service
from session.dependencies import Dependencies
from session.reactions.session import remove_traces
from session.workspace import Quotas

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


class WantedCheck:
    """The question whether a job is still wanted."""


class Hands:
    """The reactions, by hand. `meanwhile` names what happens before messages of these kinds arrive, in this order."""

    def __init__(self, desk: Desk, root: Path, blocking: BlockingPool) -> None:
        self.desk, self.root = desk, root
        nothing = cast(Any, None)
        self.dependencies = Dependencies(
            AsyncMock(),
            AsyncMock(),
            root / "workspaces",
            root / "archives",
            *(nothing, nothing, 1, 1, nothing, nothing),
            blocking=blocking,
            writing=blocking,
            quotas=Quotas(),
        )
        self.meanwhile: list[tuple[type, Callable[[], Awaitable[Any]] | None]] = []
        self.dependencies.workspace(PARENT).mkdir(parents=True)
        (root / PLAIN).write_text("hello")

    async def send(self, command: Any, envelope: Envelope) -> Any:
        await self._before(command)
        return await self.desk.dispatcher.send(command, envelope)

    async def ask(self, query: Any, envelope: Envelope) -> Any:
        await self._before(query)
        return await self.desk.dispatcher.ask(query, envelope)

    @property
    def database(self) -> "Hands":
        return self

    async def fetchval(self, statement: str, *args: object) -> Any:
        """Answer whether a job is still wanted."""
        await self._before(WantedCheck())
        return await self.desk.dispatcher.database.fetchval(statement, *args)

    async def _before(self, message: Any) -> None:
        if self.meanwhile and isinstance(message, self.meanwhile[0][0]):
            _, act = self.meanwhile.pop(0)
            if act:
                await act()

    async def react(self, react: Any, id: UUID, event: Event) -> None:  # noqa: A002  the field's name
        envelope = Envelope.begin(actor=OWNER)
        recorded = Recorded(id, 1, now(), event, envelope, UUID(USER))
        await react(recorded, reaction_to(recorded, self.dependencies, cast(Any, self), service.name))

    async def give_up(self, name: str, id: UUID, event: Event) -> None:  # noqa: A002  the field's name
        await self.react(service.reactions.by_name[name].on_dead_letter, id, event)

    async def pack(self) -> None:
        await self.react(service.reactions.by_name["pack_workspace"].react, PARENT, PACKING)

    async def unpack(self) -> None:
        await self.react(service.reactions.by_name["unpack_workspace"].react, PARENT, UNPACKING)

    async def copy(self) -> None:
        await self.react(service.reactions.by_name["copy_parent"].react, COPY, COPYING)

    async def delete(self) -> None:
        session = await self.session()
        await self.desk.send(DELETE)
        await self.react(remove_traces, PARENT, SessionDeleted(user_id=session.user_id))

    async def session(self, id: UUID = PARENT) -> SessionView:  # noqa: A002  the field's name
        return await self.desk.ask(GetSession(session_id=id))

    def all(self) -> list[str]:
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file())


async def archived(hands: Hands) -> None:
    await hands.desk.send(ARCHIVE)
    await hands.pack()
    assert hands.all() == [PACKED]
