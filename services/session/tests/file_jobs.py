"""The reactions that create forks and archives, run step by step."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast
from unittest.mock import AsyncMock
from uuid import UUID

from contracts.messages import Event
from contracts.samples import FORK, SESSION, USER
from contracts.session.archive import ArchiveRequested, ArchiveSession, UnarchiveRequested
from contracts.session.fork import ForkSession, SessionForked
from contracts.session.session import DeleteSession, GetSession, ResumeSession, SessionDeleted
from contracts.session.session_view import SessionView
from eventing.recording import Recorded
from eventing.testing.reacting import reaction_to
from runtime.activity import Activity
from runtime.blocking import BlockingPool
from runtime.bus.envelope import Envelope
from runtime.clock import now
from session.agent.places import Places
from session.app import service
from session.ceilings import Ceilings
from session.copied_work import CopiedWork
from session.dependencies import Dependencies
from session.reactions.session import remove_traces
from session.shared_folders import FILE
from session.storage import Storage
from session.workspace import Quotas

from services.session.tests.desk import OWNER, Desk

PARENT_ID, FORK_ID = UUID(SESSION), UUID(FORK)
ARCHIVE_SESSION, FORK_SESSION, RESUME_SESSION = (
    ArchiveSession.example(),
    ForkSession.example(),
    ResumeSession(session_id=PARENT_ID),
)
DELETE_SESSION = DeleteSession(session_id=PARENT_ID)
ARCHIVE_REQUESTED = ArchiveRequested(archive_id=ARCHIVE_SESSION.archive_id, compression=ARCHIVE_SESSION.compression)
UNARCHIVE_REQUESTED = UnarchiveRequested(archive_id=ARCHIVE_SESSION.archive_id)
SESSION_FORKED = SessionForked(parent_session_id=PARENT_ID, message_ids=[])
PARENT_FILE, FORK_FILE = f"workspaces/{SESSION}/a.txt", f"workspaces/{FORK}/a.txt"
ARCHIVE_FILE = f"archives/{SESSION}/{ARCHIVE_SESSION.archive_id}.tar.gz"


class WorkerKilled(Exception):
    """Stands for the death of a worker at this point."""


async def kill_worker() -> None:
    """Interrupt the reaction like the death of its worker."""
    raise WorkerKilled


class WantedCheck:
    """Names the check of whether a job is still wanted, in `FileJobs.interventions`."""


class FileJobs:
    """Runs the reactions on forks and archives, each called by the test.

    `interventions` are pairs of a message type and a function, in order: the function is called before the next message
    of that type is handled. `None` lets one message of the type pass. `after_check` is called once, after the
    next check of whether a job is still wanted.
    """

    def __init__(self, desk: Desk, root: Path, blocking: BlockingPool) -> None:
        self.desk, self.root = desk, root
        nothing = cast(Any, None)
        self.dependencies = Dependencies(
            AsyncMock(),
            AsyncMock(),
            root / "workspaces",
            root / "archives",
            *(nothing, nothing, 1, Places(1, 60, Activity(0)), nothing, nothing),
            ceilings=Ceilings(),
            storage=Storage(desk.database),
            blocking=blocking,
            writing=blocking,
            measuring=blocking,
            quotas=Quotas(),
            copied_work=CopiedWork(desk.database),
            spending=nothing,
        )
        self.interventions: list[tuple[type, Callable[[], Awaitable[Any]] | None]] = []
        self.after_check: Callable[[], Awaitable[Any]] | None = None
        self.dependencies.workspace(PARENT_ID).mkdir(parents=True)
        (root / "workspaces" / FILE).write_text("the id of the shared folder")
        (root / PARENT_FILE).write_text("hello")

    async def send(self, command: Any, envelope: Envelope) -> Any:
        await self._intervene(command)
        return await self.desk.dispatcher.send(command, envelope)

    async def ask(self, query: Any, envelope: Envelope) -> Any:
        await self._intervene(query)
        return await self.desk.dispatcher.ask(query, envelope)

    @property
    def database(self) -> "FileJobs":
        return self

    async def fetchval(self, statement: str, *args: object) -> Any:
        """Run the only statement that reactions send: the check of whether a job is still wanted."""
        await self._intervene(WantedCheck())
        wanted = await self.desk.dispatcher.database.fetchval(statement, *args)
        act, self.after_check = self.after_check, None
        if act:
            await act()
        return wanted

    async def _intervene(self, message: Any) -> None:
        if self.interventions and isinstance(message, self.interventions[0][0]):
            _, act = self.interventions.pop(0)
            if act:
                await act()

    async def react(self, react: Any, id: UUID, event: Event) -> None:
        recorded = _recorded(id, event)
        await react(recorded, reaction_to(recorded, self.dependencies, cast(Any, self), service.name))

    async def run_job(self, name: str, id: UUID, event: Event) -> None:
        """Run a job, if a lease on it would be acquired."""
        registration, database = service.reactions.by_name[name], self.desk.dispatcher.database
        assert registration.unfinished
        if await registration.unfinished.includes(_recorded(id, event), database):
            await self.react(registration.react, id, event)

    async def dead_letter(self, name: str, id: UUID, event: Event) -> None:
        await self.react(service.reactions.by_name[name].on_dead_letter, id, event)

    async def archive(self) -> None:
        """Archive the parent, with one file in it."""
        await self.desk.send(ARCHIVE_SESSION)
        await self.pack()
        assert self.stored_files() == [ARCHIVE_FILE]

    async def pack(self) -> None:
        await self.run_job("pack_workspace", PARENT_ID, ARCHIVE_REQUESTED)

    async def unpack(self) -> None:
        await self.run_job("unpack_workspace", PARENT_ID, UNARCHIVE_REQUESTED)

    async def copy(self) -> None:
        await self.run_job("copy_parent", FORK_ID, SESSION_FORKED)

    async def delete(self) -> None:
        session = await self.session()
        self.dependencies.archives.mkdir(exist_ok=True)
        (self.dependencies.archives / FILE).write_text("the id of the shared folder")
        await self.desk.send(DELETE_SESSION)
        await self.react(remove_traces, PARENT_ID, SessionDeleted(user_id=session.user_id))

    async def session(self, id: UUID = PARENT_ID) -> SessionView:
        return await self.desk.ask(GetSession(session_id=id))

    def stored_files(self) -> list[str]:
        files = (path for path in self.root.rglob("*") if path.is_file() and path.name != FILE)
        return sorted(str(path.relative_to(self.root)) for path in files)


def _recorded(id: UUID, event: Event) -> Recorded[Event]:
    return Recorded(id, 1, now(), event, Envelope.begin(actor=OWNER), UUID(USER))
