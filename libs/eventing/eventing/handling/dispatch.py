"""Dispatches messages: finds the handler, retries conflicts, and recognises a command that is delivered twice."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from contracts.messages import Command, Query, result_type
from contracts.refusals import Code, Refusal
from runtime.bus import Answer
from runtime.bus.envelope import Envelope

from eventing.database import Database
from eventing.database.written import keeping_rows
from eventing.handling import Handlers, QueryContext, UnitOfWork, WantedVersion
from eventing.handling.locks import Locks
from eventing.store import Conflict, DuplicateCommand, EventStore, UniqueViolation

ATTEMPTS = 10
MIN_PAUSE, MAX_PAUSE = 0.005, 0.3
"""Seconds between two attempts, so that replicas that write to the same aggregate avoid each other."""


@dataclass
class Dispatcher[T]:
    """Runs a service's handlers. `unique_violations` maps the names of unique indexes to the refusals they mean.

    `received` is called with the envelope of each message that another process has sent.
    """

    store: EventStore
    database: Database
    dependencies: T
    commands: Handlers
    queries: Handlers
    unique_violations: dict[str, Refusal] = field(default_factory=dict[str, Refusal])
    locks: Locks = field(default_factory=Locks)
    received: Callable[[Envelope], None] | None = None

    async def send[R](self, command: Command[R], envelope: Envelope, now: datetime | None = None) -> R:
        """Handle a command, and return its result. Arguments and errors are those of `send_versioned`."""
        return (await self.send_versioned(command, envelope, now)).result

    async def send_versioned[R](
        self, command: Command[R], envelope: Envelope, now: datetime | None = None
    ) -> Answer[R]:
        """Handle a command, and return its result, with version and owner of the aggregate that it has changed.

        The result may be newer than the version, but never older. `now` is the time of the handler, by default that of
        the store.

        Raises:
            Refusal: the command is refused; COMMAND_REPEATED if it was carried out before, and its result is lost
                because it has no outcome query.
            Conflict: all ten attempts, over more than a second, met concurrent changes of the same aggregate.
        """
        with keeping_rows():
            return await self._answer(command, envelope, now)

    async def _answer[R](self, command: Command[R], envelope: Envelope, now: datetime | None) -> Answer[R]:
        query = command.outcome()
        try:
            answer = await self._decide(command, envelope, now)
        except DuplicateCommand:
            if query is None and result_type(type(command)) is not None:
                raise Refusal(Code.COMMAND_REPEATED, "This command has been carried out already.") from None
            return await self.ask_versioned(query, envelope) if query else Answer(cast(R, None))
        except UniqueViolation as violation:
            raise self.unique_violations.get(violation.constraint, violation) from None
        return answer if query is None else answer._replace(result=await self.ask(query, envelope))

    async def ask[R](self, query: Query[R], envelope: Envelope) -> R:
        """Return the answer to a query.

        Raises:
            Refusal: the requested object does not exist for the actor.
        """
        return await self._ask(query, envelope)

    async def _ask[R](self, query: Query[R], envelope: Envelope, wanted: WantedVersion | None = None) -> R:
        handler = self.queries.by_type[type(query)]
        return await handler(query, QueryContext(self.database, envelope, self.dependencies, wanted))

    async def ask_versioned[R](self, query: Query[R], envelope: Envelope) -> Answer[R]:
        """Return the answer to a query, and the version of the aggregate that it names. Raises as `ask` does.

        The version is read together with the row of the aggregate, or else before the answer, which may be newer than
        it, but never older.
        """
        ids = [value for value in vars(query).values() if isinstance(value, UUID)]
        wanted = WantedVersion(ids[0]) if ids else None
        result = await self._ask(query, envelope, wanted)
        if wanted is None or (wanted.is_read and (wanted.version is not None or len(ids) == 1)):
            return Answer(result, wanted and wanted.version)
        version = await self.store.version(ids)
        return Answer(await self.ask(query, envelope), version)

    async def _decide(self, command: Command[Any], envelope: Envelope, now: datetime | None) -> Answer[Any]:
        handler = self.commands.by_type[type(command)]
        for attempt in range(ATTEMPTS):
            try:
                work = UnitOfWork(self.store, envelope, self.dependencies, self.locks, self.ask, now)
                async with work, self._recognising_repetitions(work):
                    return Answer(await handler(command, work), work.version, work.owner)
            except Conflict:
                if attempt + 1 == ATTEMPTS:
                    raise
            await asyncio.sleep(min(MIN_PAUSE * 2**attempt, MAX_PAUSE))
        raise AssertionError("unreachable")

    @asynccontextmanager
    async def _recognising_repetitions(self, work: UnitOfWork[T]) -> AsyncGenerator[None]:
        """Raise DuplicateCommand if a command is refused that was carried out before.

        It may be refused because of what it has changed itself, or others since then.
        """
        try:
            yield
        except Refusal:
            command_id = work.envelope.message_id
            if not work.saved and await self.store.has_command(command_id):
                raise DuplicateCommand(str(command_id)) from None
            raise
