"""Commands and queries that reactions send to their own service."""

from typing import Any

import asyncpg
import pytest
from contracts.messages import Actor, Command, Query
from eventing import reactions as module
from eventing.handling import Handlers, QueryContext, UnitOfWork
from eventing.handling.dispatch import ATTEMPTS
from eventing.reactions import Reaction
from eventing.recording import Recorded
from eventing.store import START, Conflict
from eventing.testing import eventually
from eventing.testing.deliveries import all_acknowledged, dead_letter_count
from eventing.testing.jars import Jar
from eventing.testing.messages import JAR, JarOpened
from eventing.testing.publishing import publish
from eventing.testing.reacting import ReactionSpy, replica, working
from runtime.bus import Client
from runtime.bus.envelope import Envelope
from runtime.bus.jetstream import JetStream

pytestmark = pytest.mark.usefixtures("fast_reactions")

ADA = Actor(user_id=JAR, role="user")
OPENED = JarOpened.example()


class Tidy(Command[int]):
    subject = "cmd.shelf.tidy"
    sample = {}


class Weigh(Query[int]):
    subject = "qry.shelf.weigh"
    sample = {}


async def test_a_command_of_a_reaction_has_the_event_as_its_cause(client: Client, js: JetStream) -> None:
    envelopes: list[Envelope] = []
    commands = Handlers()

    @commands
    async def add(_: Tidy, work: UnitOfWork[str]) -> int:  # pyright: ignore[reportUnusedFunction]
        envelopes.append(work.envelope)
        return len(work.dependencies)

    async def send(_: Recorded[Any], reaction: Reaction[str]) -> None:
        assert await reaction.send(Tidy()) == len("a tool")

    event = await publish(js, OPENED, envelope=Envelope.begin(correlation_id="story", actor=ADA))
    async with working((replica(client, commands), ReactionSpy(send))):
        [envelope] = await eventually(lambda: envelopes)
    assert (envelope.causation_id, envelope.correlation_id) == (event.envelope.message_id, "story")
    assert envelope.actor == ADA


async def test_a_command_is_retried_during_an_outage_and_executed_once(client: Client, js: JetStream) -> None:
    commands, tries = Handlers(), list[int]()

    @commands
    async def open_it(_: Tidy, work: UnitOfWork[str]) -> int:  # pyright: ignore[reportUnusedFunction]
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionRefusedError
        jar = Jar(JAR)
        jar.record(OPENED)
        await work.save(jar)
        if len(tries) == 3:
            raise ConnectionResetError  # stored, but the reply is lost
        return 0

    spy, reactor = ReactionSpy(_tidy), replica(client, commands)
    await publish(js, OPENED)
    async with working((reactor, spy)):
        await eventually(lambda: all_acknowledged(js))
    assert len(tries) == 4
    assert len(spy.seen) == len(await reactor.dispatcher.store.feed(START, 10)) == 1


async def _tidy(_: Recorded[Any], reaction: Reaction[str]) -> None:
    await reaction.send(Tidy())


async def test_a_command_without_a_handler_fails_the_reaction(
    client: Client, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_DELIVERIES", 1)
    await publish(js, OPENED)
    async with working((replica(client), ReactionSpy(_tidy))):
        await eventually(lambda: dead_letter_count(js))


async def test_a_command_that_conflicts_at_every_attempt_is_retried(client: Client, js: JetStream) -> None:
    commands, tries = Handlers(), list[int]()

    @commands
    async def add(_: Tidy, work: UnitOfWork[str]) -> int:  # pyright: ignore[reportUnusedFunction]
        tries.append(1)
        if len(tries) <= ATTEMPTS:
            raise Conflict
        return 0

    spy = ReactionSpy(_tidy)
    await publish(js, OPENED)
    async with working((replica(client, commands), spy)):
        await eventually(lambda: all_acknowledged(js))
    assert (len(tries), len(spy.seen)) == (ATTEMPTS + 1, 1)


async def test_a_query_is_retried_while_the_database_is_unavailable(client: Client, js: JetStream) -> None:
    answers, tries = Handlers(), list[int]()

    @answers
    async def get(_: Weigh, __: QueryContext[str]) -> int:  # pyright: ignore[reportUnusedFunction]
        tries.append(1)
        if len(tries) < 3:
            raise asyncpg.TooManyConnectionsError
        return 0

    async def ask(_: Recorded[Any], reaction: Reaction[str]) -> None:
        await reaction.ask(Weigh())

    spy, reactor = ReactionSpy(ask), replica(client)
    reactor.dispatcher.queries = answers
    await publish(js, OPENED)
    async with working((reactor, spy)):
        await eventually(lambda: all_acknowledged(js))
    assert (len(tries), len(spy.seen)) == (3, 1)
