"""The handlers, queries and jobs of a service on a database of its own, without a bus."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from contracts.messages import Actor, Command, Event, Query
from runtime.bus.envelope import Envelope

from eventing.bus import wire
from eventing.database import Database
from eventing.handling.dispatch import Dispatcher
from eventing.migrating import migrate_as_owner
from eventing.reactions import Reaction
from eventing.reactions.jobs import Job
from eventing.recording import Recorded
from eventing.service import Service
from eventing.testing.key_rings import default_ring
from eventing.testing.reacting import reaction_to


class ServiceHarness:
    """Handles commands and queries as the service does, without publishing events."""

    actor: Actor | None = None
    """The default actor of commands and queries."""

    def __init__(self, service: Service[Any, Any], database: Database, dependencies: object) -> None:
        store = service.store(database)
        self.database, self.name = database, service.name
        self.dispatcher = Dispatcher[Any](
            store, database, dependencies, service.commands, service.queries, service.unique_violations
        )

    async def send[R](self, command: Command[R], actor: Actor | None = None) -> R:
        """Handle a command, and return its result."""
        return await self.dispatcher.send(command, Envelope.begin(actor=actor or self.actor))

    async def ask[R](self, query: Query[R], actor: Actor | None = None) -> R:
        """Return the answer to a query."""
        return await self.dispatcher.ask(query, Envelope.begin(actor=actor or self.actor))

    async def latest_event(self, kind: type[Event], id: UUID) -> Recorded[Any]:
        """Return the latest event of a kind of an aggregate, as it is published.

        Raises:
            LookupError: there is none.
        """
        if stored := await self.dispatcher.store.latest(kind, id):
            return wire.as_published(stored)
        raise LookupError(f"{id} has no {kind.__name__}")

    def reaction(self, recorded: Recorded[Any]) -> Reaction[Any]:
        """Return the context of a reaction to an event."""
        return reaction_to(recorded, self.dispatcher.dependencies, self.dispatcher, self.name)

    async def do(self, job: type[Job[Any, Any]], kind: type[Event], id: UUID) -> None:
        """Carry out the job that the latest event of a kind requested."""
        recorded = await self.latest_event(kind, id)
        await job.react(recorded, self.reaction(recorded))

    async def give_up_job(self, job: type[Job[Any, Any]], kind: type[Event], id: UUID) -> None:
        """Give up the job that the latest event of a kind requested."""
        recorded = await self.latest_event(kind, id)
        await job.react_to_dead_letter(recorded, self.reaction(recorded))


class Databases(Protocol):
    """Creates databases, as `onebox.testing.databases` does."""

    async def template(self, name: str, fill: Callable[[str], Awaitable[None]]) -> str:
        """Return the name of a template database, which is filled on first use."""
        ...

    def reused(self, template: str) -> AbstractAsyncContextManager[str]:
        """Yield the URL of a database that is like a new copy of a template."""
        ...

    def as_service(self, url: str) -> str:
        """Return the URL of the same database for the role of the services, which does not own the tables."""
        ...

    def as_owner(self, url: str) -> str:
        """Return the URL of the same database for the role that owns the tables."""
        ...


@asynccontextmanager
async def migrated(
    databases: Databases, name: str, migrations: Path, tables: str = "", *, as_owner: bool = False
) -> AsyncGenerator[Database]:
    """Open a new database with the migrations of a service applied, as the role of the services or of the owner.

    A database with `tables`, which are statements, can be reused; one in which the test creates them cannot.
    """

    async def fill(url: str) -> None:
        async with Database.open(databases.as_service(url), name) as database:
            await migrate_as_owner(database, migrations, url)
        if tables:
            async with Database.open(url, name) as database:
                await database.execute(tables)

    template = await databases.template(name + tables, fill)
    async with databases.reused(template) as owner_url:
        url = owner_url if as_owner else databases.as_service(owner_url)
        async with Database.open(url, name, ring=default_ring) as database:
            yield database


def owned(databases: Databases, database: Database) -> AbstractAsyncContextManager[Database]:
    """Open the same database for the role that owns the tables."""
    return Database.open(databases.as_owner(database.url), database.schema)
