"""Jars with a closing time, for tests of due times: a replica that processes them, and a clock under control."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from runtime.bus.envelope import Envelope
from runtime.clock import new_id

from eventing.database import Connection, Database
from eventing.due import DueKind
from eventing.due_times import DueTimes
from eventing.handling import Handlers, UnitOfWork
from eventing.handling.dispatch import Dispatcher
from eventing.recording import Recorded
from eventing.store.postgres import PostgresStore
from eventing.testing.due import process_due
from eventing.testing.jars import Jar, answers, handles, project
from eventing.testing.messages import AddMarble, JarOpened, MarbleAdded

CLOSING = DueKind("closing", lambda due: AddMarble(jar_id=due.aggregate, colour="due"))
"""When it is due, a last marble is added to the jar."""
LONG_AGO, OPENED = datetime(2000, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
SOON, LATER = OPENED.replace(minute=1), OPENED.replace(hour=1)


class StoppedClock:
    """A clock that always shows `time`."""

    def __init__(self) -> None:
        self.time = OPENED

    def now(self) -> datetime:
        """Return the time."""
        return self.time


async def project_due(recorded: Recorded[Any], db: Connection) -> None:
    """Set the due time from the label of a jar; a marble of colour `later` moves it, and a white one cancels it."""
    await project(recorded, db)
    match recorded.event:
        case JarOpened(label=label):
            await CLOSING.set(recorded, recorded.id, datetime.fromisoformat(label.partition(" ")[0]), db)
        case MarbleAdded(colour="later"):
            await CLOSING.set(recorded, recorded.id, LATER, db)
        case MarbleAdded(colour="white"):
            await CLOSING.cancel(recorded.id, db)
        case _:
            pass


class Closing(DueTimes[None]):
    """A replica that closes jars."""

    def __init__(self, database: Database, commands: Handlers = handles, kinds: Sequence[DueKind] = (CLOSING,)) -> None:
        store = PostgresStore(database, Jar.events, project_due)
        super().__init__(kinds, Dispatcher(store, database, None, commands, answers), store.due_now)

    async def send_batch(self) -> int:
        """Process one claim, and return the number of its due times."""
        return await process_due(self)

    async def open_jar(self, at: datetime, envelope: Envelope | None = None, colour: str = "") -> UUID:
        """Open a jar that closes at a time, with a marble in it if `colour` is set, and return its id."""
        jar = Jar(new_id())
        jar.record(JarOpened(label=f"{at.isoformat()} {jar.id}"))
        if colour:
            jar.add(colour)
        await self.dispatcher.store.save((jar,), envelope or Envelope.begin())
        return jar.id

    async def add(self, jar_id: UUID, colour: str) -> None:
        """Add a marble to a jar."""
        await self.dispatcher.send(AddMarble(jar_id=jar_id, colour=colour), Envelope.begin())

    async def colours(self, jar_id: UUID) -> list[str]:
        """Return the colours of the marbles in a jar."""
        return (await self.dispatcher.store.load(Jar, jar_id)).colours

    async def count(self) -> int:
        """Return the number of due times."""
        return await self.database.fetchval("SELECT count(*) FROM due")

    async def is_done(self) -> bool:
        """Return whether no due time is left."""
        return not await self.count()


def failing_with(error: Exception) -> tuple[Handlers, list[UnitOfWork[Any]]]:
    """Return handlers that raise `error`, and the list of their calls."""
    calls, failing = list[UnitOfWork[Any]](), Handlers()

    @failing
    async def add_marble(_: AddMarble, work: UnitOfWork[Any]) -> None:  # pyright: ignore[reportUnusedFunction]
        calls.append(work)
        raise error

    return failing, calls
