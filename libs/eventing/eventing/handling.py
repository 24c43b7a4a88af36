"""What handlers are: plain functions, found by the type of the message they take."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol, get_type_hints
from uuid import UUID

from contracts.messages import Actor, Command, Query
from contracts.refusals import Code, Refusal, not_found, resource_name
from runtime import clock
from runtime.envelope import Envelope

from eventing.database import Database
from eventing.locks import Locks
from eventing.store import AggregateNotFound, AnyAggregate, EventStore

PATIENCE = 1.0


class Ask(Protocol):
    """Answers a query of the service that a message came to."""

    async def __call__[R](self, query: Query[R], envelope: Envelope) -> R:
        """Return the answer."""
        ...


type _Load[A: AnyAggregate] = Callable[[type[A], UUID], Awaitable[A]]


class UnitOfWork[T]:
    """What a command handler works with: the aggregates, the time, the actor, and the service's `dependencies`."""

    def __init__(self, store: EventStore, envelope: Envelope, dependencies: T, locks: Locks, ask: Ask) -> None:
        self.store, self.envelope, self.dependencies, self.now = store, envelope, dependencies, clock.now()
        self._ask = ask
        self._locks, self._held, self._ids = locks, AsyncExitStack(), set[UUID]()
        self._saved = False

    async def __aenter__(self) -> "UnitOfWork[T]":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._held.aclose()

    @property
    def actor(self) -> Actor:
        """On whose behalf; a message that needs one and has none is a fault of the sender."""
        return _required(self.envelope)

    async def ask[R](self, query: Query[R]) -> R:
        """Return what this service answers the actor to a query, from its read models as they were last committed.

        It is for what an aggregate does not keep of its history.

        Raises:
            Refusal: what is asked for does not exist for the actor.
        """
        return await self._ask(query, self.envelope)

    async def load[A: AnyAggregate](self, kind: type[A], id: UUID) -> A:  # noqa: A002  the field's name
        """Load an aggregate; inside this process nobody else works on it until this unit of work ends.

        Raises:
            Missing: there is none.
            Repeated: this very command was recorded before.
        """
        await self._hold(id)
        return await self.store.load(kind, id, self.envelope.message_id)

    async def load_visible[A: AnyAggregate](self, kind: type[A], id: UUID) -> A:  # noqa: A002
        """Load an aggregate that exists for the actor. Raises as `load` does, but for Missing.

        Raises:
            Refusal: as `kind.missing`. What another user alone may see does not exist: nobody learns more than that.
        """
        return await self._visible(kind, id, self.load)

    async def read_visible[A: AnyAggregate](self, kind: type[A], id: UUID) -> A:  # noqa: A002
        """Return an aggregate that exists for the actor, for a handler that records nothing: it takes no lock.

        Raises:
            Refusal: as `kind.missing`.
        """
        return await self._visible(kind, id, self.store.load)

    async def load_owned[A: AnyAggregate](self, kind: type[A], id: UUID) -> A:  # noqa: A002
        """Load an aggregate that the actor may change. Raises as `load_visible` does.

        Raises:
            Refusal: NOT_OWNER; the actor may only see it.
        """
        aggregate = await self.load_visible(kind, id)
        if not self.actor.may_see(aggregate.owner):
            name = resource_name(kind.missing).capitalize()
            raise Refusal(Code.NOT_OWNER, f"{name} {id} is public, but only its owner may change it.")
        return aggregate

    @asynccontextmanager
    async def change[A: AnyAggregate](self, kind: type[A], id: UUID) -> AsyncGenerator[A]:  # noqa: A002
        """Load an aggregate as `load_owned` does; save it at the end of the block, unless that raises."""
        aggregate = await self.load_owned(kind, id)
        yield aggregate
        await self.save(aggregate)

    async def save(self, *aggregates: AnyAggregate) -> None:
        """Store what the aggregates recorded, once: all of it or nothing. Raises as `EventStore.save` does."""
        if self._saved:
            raise RuntimeError("a unit of work saves once; give `save` all the aggregates")
        await self.store.save(aggregates, self.envelope)
        self._saved = True

    async def _visible[A: AnyAggregate](self, kind: type[A], id: UUID, load: "_Load[A]") -> A:  # noqa: A002
        try:
            aggregate = await load(kind, id)
        except AggregateNotFound:
            aggregate = None
        if aggregate is None or aggregate.deleted or not aggregate.visible_to(self.actor):
            raise not_found(kind.missing, id)
        return aggregate

    async def _hold(self, id: UUID) -> None:  # noqa: A002  the field's name
        if id in self._ids:
            return
        # Two that hold what the other wants would wait for ever: they go on without, a lock only spares conflicts.
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE if self._ids else None):
                await self._held.enter_async_context(self._locks.of(id))
                self._ids.add(id)


@dataclass(frozen=True)
class QueryContext[T]:
    """What a query is answered from: the read models, for an actor, with the service's `dependencies`."""

    database: Database
    envelope: Envelope
    dependencies: T

    @property
    def actor(self) -> Actor:
        """On whose behalf."""
        return _required(self.envelope)


type Handler = Callable[[Any, Any], Awaitable[Any]]


class Handlers:
    """The handlers of a service, by message type. The decorator reads the type from the first parameter."""

    def __init__(self) -> None:
        self.by_type: dict[type[Command[Any] | Query[Any]], Handler] = {}

    @classmethod
    def together(cls, *parts: "Handlers") -> "Handlers":
        """Give the handlers of all the parts of a room."""
        whole = cls()
        for part in parts:
            for handler in part.by_type.values():
                whole(handler)
        return whole

    def __call__[H: Handler](self, handler: H) -> H:
        """Register a handler.

        Raises:
            TypeError: its first parameter is not annotated with a command or a query, or another one has that.
        """
        kind = next(iter(get_type_hints(handler).values()), None)
        if not (isinstance(kind, type) and issubclass(kind, Command | Query)):
            raise TypeError(f"{handler.__qualname__}: annotate the first parameter with a command or a query")
        if kind in self.by_type:
            raise TypeError(f"{handler.__qualname__}: {kind.__name__} has a handler already")
        self.by_type[kind] = handler
        return handler


def _required(envelope: Envelope) -> Actor:
    if envelope.actor is None:
        raise ValueError("the message names no actor")
    return envelope.actor
