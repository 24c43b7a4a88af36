"""Handlers: plain functions, registered by the type of the message that they handle, and what they work with."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol, get_type_hints
from uuid import UUID

from contracts.messages import Actor, Command, Query
from contracts.refusals import Code, Refusal, not_found, resource_name
from runtime import telemetry
from runtime.bus.envelope import Envelope

from eventing.database import Database
from eventing.handling.locks import Locks
from eventing.store import AggregateNotFound, AnyAggregate, EventStore

DATABASE = {"db.system.name": "postgresql"}
LOCK_TIMEOUT = 1.0
"""Seconds for which a unit of work that holds a lock waits for another one."""


class Ask(Protocol):
    """A function that answers the queries of this service."""

    async def __call__[R](self, query: Query[R], envelope: Envelope) -> R:
        """Return the answer."""
        ...


type _Load[A: AnyAggregate] = Callable[[type[A], UUID], Awaitable[A]]


class UnitOfWork[T]:
    """The context of a command handler: aggregates, the time, the actor, and the dependencies of the service."""

    def __init__(
        self,
        store: EventStore,
        envelope: Envelope,
        dependencies: T,
        locks: Locks,
        ask: Ask,
        now: datetime | None = None,
    ) -> None:
        self.store, self.envelope, self.dependencies, self.now = store, envelope, dependencies, now or store.now()
        self._ask = ask
        self._locks, self._stack, self._ids = locks, AsyncExitStack(), set[UUID]()
        self.saved = False
        self.version: int | None = None
        self.owner: UUID | None = None
        """The owner of the first aggregate that was loaded because the actor may see it."""

    async def __aenter__(self) -> "UnitOfWork[T]":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def actor(self) -> Actor:
        """The user on whose behalf the command is sent. Raises ValueError if the message names none."""
        return _actor_of(self.envelope)

    async def ask[R](self, query: Query[R]) -> R:
        """Return this service's answer to a query of the actor, from the committed read models.

        This is for history that an aggregate does not keep in its state.

        Raises:
            Refusal: the requested object does not exist for the actor.
        """
        return await self._ask(query, self.envelope)

    async def load[A: AnyAggregate](self, kind: type[A], id: UUID) -> A:
        """Load an aggregate, and lock it within this process until the unit of work ends.

        Raises:
            AggregateNotFound: no event is stored for it.
            DuplicateCommand: this command was recorded before.
        """
        await self.lock(id)
        return await self.store.load(kind, id, self.envelope.message_id)

    async def load_visible[A: AnyAggregate](self, kind: type[A], id: UUID) -> A:
        """Load an aggregate that exists for the actor. Raises as `load` does, except AggregateNotFound.

        Raises:
            Refusal: with the code `kind.missing`. A private aggregate of another user is refused in the same way, so
                that its existence is not revealed.
        """
        return await self._visible(kind, id, self.load)

    async def read_visible[A: AnyAggregate](self, kind: type[A], id: UUID) -> A:
        """Return an aggregate that exists for the actor, without a lock, for a handler that records nothing.

        Raises:
            Refusal: with the code `kind.missing`.
        """
        return await self._visible(kind, id, self.store.load)

    async def load_owned[A: AnyAggregate](self, kind: type[A], id: UUID) -> A:
        """Load an aggregate that the actor may change. Raises as `load_visible` does.

        Raises:
            Refusal: NOT_OWNER; the actor may only read it.
        """
        aggregate = await self.load_visible(kind, id)
        if not self.actor.may_see(aggregate.owner):
            name = resource_name(kind.missing).capitalize()
            detail = f"{name} {id} is public, but only its owner may change it."
            raise Refusal(Code.NOT_OWNER, detail, owner=aggregate.owner)
        return aggregate

    @asynccontextmanager
    async def change[A: AnyAggregate](self, kind: type[A], id: UUID) -> AsyncGenerator[A]:
        """Load an aggregate as `load_owned` does, and save it at the end of the block unless that raises."""
        aggregate = await self.load_owned(kind, id)
        yield aggregate
        await self.save(aggregate)

    async def save(self, *aggregates: AnyAggregate, named: AnyAggregate | None = None) -> None:
        """Store the events of all the aggregates or none; to be called once. Raises as `EventStore.save` does.

        `named` is the one that the command names, by default the first.

        Raises:
            Refusal: PRECONDITION_FAILED; it has none of the versions that the command expects. The store permits no
                change between this check and the append.
        """
        if self.saved:
            raise RuntimeError("a unit of work saves once; pass all aggregates to one call of `save`")
        expected, named = self.envelope.expected_versions, named or next(iter(aggregates), None)
        if expected and named and named.version not in expected:
            detail = "It was changed since this client has read it. Read it again, and decide on its present state."
            raise Refusal(Code.PRECONDITION_FAILED, detail)
        with telemetry.span("append events", attributes=DATABASE):
            trace = telemetry.traceparent() or self.envelope.traceparent
            cause = replace(self.envelope, traceparent=trace, expected_versions=(), wants_version=False)
            await self.store.save(aggregates, cause)
        self.version = named.version if named else None
        self.saved = True

    async def _visible[A: AnyAggregate](self, kind: type[A], id: UUID, load: "_Load[A]") -> A:
        try:
            aggregate = await load(kind, id)
        except AggregateNotFound:
            aggregate = None
        if aggregate is None or aggregate.deleted:
            raise not_found(kind.missing, id)
        if not aggregate.visible_to(self.actor):
            raise not_found(kind.missing, id, owner=aggregate.owner)
        self.owner = self.owner or aggregate.owner
        return aggregate

    async def lock(self, id: UUID) -> None:
        """Lock an id, such as that of an aggregate or a user, within this process until the unit of work ends."""
        if id in self._ids:
            return
        # Two units of work that each hold the lock of the other would wait forever. Both continue without it after a
        # while: the expected version ensures correctness, and the lock only spares conflicts.
        with suppress(TimeoutError):
            async with asyncio.timeout(LOCK_TIMEOUT if self._ids else None):
                await self._stack.enter_async_context(self._locks.of(id))
                self._ids.add(id)


@dataclass
class WantedVersion:
    """The version of the aggregate `id`, which a query names first. A row with this id is read together with it."""

    id: UUID
    is_read: bool = False
    version: int | None = None


@dataclass(frozen=True)
class QueryContext[T]:
    """The context of a query handler: the read models, the actor, and the dependencies of the service."""

    database: Database
    envelope: Envelope
    dependencies: T
    wanted: WantedVersion | None = None

    @property
    def actor(self) -> Actor:
        """The user on whose behalf the query is sent. Raises ValueError if the message names none."""
        return _actor_of(self.envelope)


type Handler = Callable[[Any, Any], Awaitable[Any]]


class Handlers:
    """The handlers of a service. Used as a decorator, which reads the message type from the first parameter."""

    def __init__(self) -> None:
        self.by_type: dict[type[Command[Any] | Query[Any]], Handler] = {}

    @classmethod
    def merge(cls, *parts: "Handlers") -> "Handlers":
        """Return the handlers of several modules as one."""
        merged = cls()
        for part in parts:
            for handler in part.by_type.values():
                merged(handler)
        return merged

    def __call__[H: Handler](self, handler: H) -> H:
        """Register a handler.

        Raises:
            TypeError: its first parameter is not annotated with a command or a query, or that has a handler already.
        """
        kind = next(iter(get_type_hints(handler).values()), None)
        if not (isinstance(kind, type) and issubclass(kind, Command | Query)):
            raise TypeError(f"{handler.__qualname__}: annotate the first parameter with a command or a query")
        if kind in self.by_type:
            raise TypeError(f"{handler.__qualname__}: {kind.__name__} has a handler already")
        self.by_type[kind] = handler
        return handler


def _actor_of(envelope: Envelope) -> Actor:
    if envelope.actor is None:
        raise ValueError("the message names no actor")
    return envelope.actor
