"""Replicas that react, and what they do."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

from runtime.bus import Client
from runtime.testing import background

from eventing.database import Database
from eventing.dispatch import Dispatcher
from eventing.handling import Handlers
from eventing.memory import MemoryStore
from eventing.reactions import Concurrency, Reaction, Reactor, Registration, Unfinished
from eventing.recording import Recorded
from eventing.routing import Router
from eventing.testing.jars import Jar
from eventing.testing.messages import JarOpened

type Act = Callable[[Recorded[Any], Reaction[Any]], Awaitable[None]]


class Acting:
    """A reaction to an opened jar: notes that it was called, and does what the test wants."""

    def __init__(self, act: Act | None = None) -> None:
        self.act, self.seen, self.go = act, list[Recorded[Any]](), asyncio.Event()
        self.on_dead_letter: Act | None = None

    @classmethod
    def waiting(cls) -> "Acting":
        """Give one that waits for `go`."""
        acting = cls()
        acting.act = acting._wait
        return acting

    async def _wait(self, *_: object) -> None:
        await self.go.wait()

    async def react(self, recorded: Recorded[JarOpened], reaction: Reaction[Any]) -> None:
        """Act on an event."""
        self.seen.append(recorded)
        if self.act:
            await self.act(recorded, reaction)

    def registration(self, concurrency: Concurrency = 16, unfinished: Unfinished | None = None) -> Registration:
        """Register it as the reaction `open`."""
        return Registration("open", JarOpened, self.react, concurrency, self.on_dead_letter, unfinished)


class Away:
    """A database that is there, or is not for so many checks."""

    def __init__(self, checks: int = 0) -> None:
        self.checks = checks

    async def check(self) -> None:
        """Fail while it is away."""
        self.checks -= 1
        if self.checks >= 0:
            raise ConnectionRefusedError

    async def fetchval(self, *_: object) -> None:
        """Find nothing."""


def replica(
    client: Client, commands: Handlers | None = None, database: Away | None = None, *, service: str = "shelf"
) -> Reactor[str]:
    """Give one replica of a service that hears of jars, whose only tool is a text, and which stores in memory."""
    there = cast(Database, database or Away())
    dispatcher = Dispatcher(MemoryStore(Jar.events), there, "a tool", commands or Handlers(), Handlers())
    return Reactor(service, client, dispatcher)


def reaction_to[T](event: Recorded[Any], dependencies: T, dispatcher: Dispatcher[T], service: str) -> Reaction[T]:
    """Return what a reaction of a service without a bus works with: it reaches its own service alone."""
    return Reaction(dependencies, Router(service, dispatcher, cast(Client, None)), event, "tested")


def working(*pairs: tuple[Reactor[str], Acting]) -> AbstractAsyncContextManager[object]:
    """Let replicas work as long as the context is open."""
    never = asyncio.Event()
    return background(*(reactor.work(acting.registration(), never) for reactor, acting in pairs))
