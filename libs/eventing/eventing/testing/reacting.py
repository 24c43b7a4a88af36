"""Replicas with reactions, and a reaction that records its calls."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

from runtime.bus import Client
from runtime.testing import background

from eventing.database import Database
from eventing.handling import Handlers
from eventing.handling.dispatch import Dispatcher
from eventing.handling.routing import Router
from eventing.reactions import Concurrency, Reaction, Reactor, Registration, UnfinishedWork
from eventing.recording import Recorded
from eventing.store.memory import MemoryStore
from eventing.testing.jars import Jar
from eventing.testing.messages import JarOpened

type Act = Callable[[Recorded[Any], Reaction[Any]], Awaitable[None]]


class ReactionSpy:
    """A reaction to an opened jar, which records the events that it sees and then calls `act`."""

    def __init__(self, act: Act | None = None) -> None:
        self.act, self.seen, self.go = act, list[Recorded[Any]](), asyncio.Event()
        self.on_dead_letter: Act | None = None

    @classmethod
    def waiting(cls) -> "ReactionSpy":
        """Create one that waits for `go`."""
        spy = cls()
        spy.act = spy._wait
        return spy

    async def _wait(self, *_: object) -> None:
        await self.go.wait()

    async def react(self, recorded: Recorded[JarOpened], reaction: Reaction[Any]) -> None:
        """Record the event, and call `act`."""
        self.seen.append(recorded)
        if self.act:
            await self.act(recorded, reaction)

    def registration(self, concurrency: Concurrency = 16, unfinished: UnfinishedWork | None = None) -> Registration:
        """Return its registration as the reaction `open`."""
        return Registration("open", JarOpened, self.react, concurrency, self.on_dead_letter, unfinished)


class UnavailableDatabase:
    """A database that is unavailable for a number of checks, by default for none."""

    def __init__(self, checks: int = 0) -> None:
        self.checks = checks

    async def check(self) -> None:
        """Raise ConnectionRefusedError while it is unavailable."""
        self.checks -= 1
        if self.checks >= 0:
            raise ConnectionRefusedError

    async def fetchval(self, *_: object) -> None:
        """Return None: there are no rows."""


def replica(
    client: Client,
    commands: Handlers | None = None,
    database: UnavailableDatabase | None = None,
    *,
    service: str = "shelf",
) -> Reactor[str]:
    """Create a replica of a service that reacts to jars, with a text as its dependencies and its store in memory."""
    stored = cast(Database, database or UnavailableDatabase())
    dispatcher = Dispatcher(MemoryStore(Jar.events), stored, "a tool", commands or Handlers(), Handlers())
    return Reactor(service, client, dispatcher)


def reaction_to[T](event: Recorded[Any], dependencies: T, dispatcher: Dispatcher[T], service: str) -> Reaction[T]:
    """Create the context of a reaction without a bus: it can only reach its own service."""
    return Reaction(dependencies, Router(service, dispatcher, cast(Client, None)), event, "tested")


def working(*pairs: tuple[Reactor[str], ReactionSpy]) -> AbstractAsyncContextManager[object]:
    """Run the reactions of replicas as long as the context is open."""
    never = asyncio.Event()
    return background(*(reactor.work(spy.registration(), never) for reactor, spy in pairs))
