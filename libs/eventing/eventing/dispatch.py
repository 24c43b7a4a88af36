"""From a message to its result: finds the handler, tries again on a conflict, knows a command that came twice."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

from contracts.messages import Command, Query
from contracts.refusals import Code, Refusal
from runtime.envelope import Envelope

from eventing.database import Database
from eventing.handling import Handlers, QueryContext, UnitOfWork
from eventing.locks import Locks
from eventing.store import Conflict, DuplicateCommand, EventStore, UniqueViolation

ATTEMPTS = 10
MIN_PAUSE, MAX_PAUSE = 0.005, 0.3
"""Seconds between two attempts: several replicas that write to one aggregate get out of each other's way."""


@dataclass
class Dispatcher[T]:
    """Runs a service's handlers. `unique_violations` says which refusal the violation of a unique index means."""

    store: EventStore
    database: Database
    dependencies: T
    commands: Handlers
    queries: Handlers
    unique_violations: dict[str, Refusal] = field(default_factory=dict[str, Refusal])
    locks: Locks = field(default_factory=Locks)

    async def send[R](self, command: Command[R], envelope: Envelope) -> R:
        """Handle a command and give its result.

        Raises:
            Refusal: the domain says no.
            Conflict: others changed the same aggregate, ten times in a row, for more than a second.
        """
        try:
            result = await self._decide(command, envelope)
        except DuplicateCommand:
            if command.outcome() is None:
                raise Refusal(Code.COMMAND_REPEATED, "This very command was carried out before.") from None
            result = None
        except UniqueViolation as unique_violations:
            raise self.unique_violations.get(unique_violations.constraint, unique_violations) from None
        query = command.outcome()
        return cast(R, result) if query is None else await self.ask(query, envelope)

    async def ask[R](self, query: Query[R], envelope: Envelope) -> R:
        """Answer a query.

        Raises:
            Refusal: what is asked for does not exist for the actor.
        """
        handler = self.queries.by_type[type(query)]
        return await handler(query, QueryContext(self.database, envelope, self.dependencies))

    async def _decide(self, command: Command[Any], envelope: Envelope) -> Any:
        handler = self.commands.by_type[type(command)]
        for attempt in range(ATTEMPTS):
            try:
                async with UnitOfWork(self.store, envelope, self.dependencies, self.locks, self.ask) as work:
                    return await handler(command, work)
            except Conflict:
                if attempt + 1 == ATTEMPTS:
                    raise
            await asyncio.sleep(min(MIN_PAUSE * 2**attempt, MAX_PAUSE))
        raise AssertionError("unreachable")
