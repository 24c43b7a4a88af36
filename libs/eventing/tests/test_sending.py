"""What reactions send to their service, and ask it."""

from typing import Any

import asyncpg
import pytest
from contracts.messages import Actor, Command, Query
from contracts.wire import DEAD_LETTERS
from eventing import reactions as module
from eventing import retrying
from eventing.dispatch import ATTEMPTS
from eventing.handling import Handlers, QueryContext, UnitOfWork
from eventing.reactions import Reaction
from eventing.recording import Recorded
from eventing.store import START, Conflict
from eventing.testing import eventually
from eventing.testing.jars import Jar
from eventing.testing.messages import JAR, JarOpened
from eventing.testing.publishing import publish
from eventing.testing.reacting import ReactionSpy, replica, working
from nats.js.errors import NotFoundError
from runtime.bus import Client
from runtime.envelope import Envelope
from runtime.jetstream import JetStream

ADA = Actor(user_id=JAR, role="user")
OPENED = JarOpened.example()


class Tidy(Command[int]):
    subject = "cmd.shelf.tidy"
    sample = {}


class Weigh(Query[int]):
    subject = "qry.shelf.weigh"
    sample = {}


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_DELAY", 0.01)
    monkeypatch.setattr(module, "FETCH_TIMEOUT", 0.2)
    monkeypatch.setattr(retrying, "PAUSES", (0.0, 0.0, 0.0))


async def settled(js: JetStream) -> bool:
    """Whether nothing is left to act on."""
    try:
        info = await js.consumer_info("EVT_JAR", "shelf-open")
    except NotFoundError:
        return False
    return not info.num_pending and not info.num_ack_pending


async def dead(js: JetStream) -> int:
    return (await js.stream_info(DEAD_LETTERS)).state.messages


async def test_a_reaction_has_tools_and_sends_commands_because_of_the_event(client: Client, js: JetStream) -> None:
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


async def test_a_command_is_sent_again_while_the_database_is_away_and_carried_out_once(
    client: Client, js: JetStream
) -> None:
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
            raise ConnectionResetError  # stored, and the answer is lost
        return 0

    spy, reactor = ReactionSpy(_add), replica(client, commands)
    await publish(js, OPENED)
    async with working((reactor, spy)):
        await eventually(lambda: settled(js))
    assert len(tries) == 4
    assert len(spy.seen) == len(await reactor.dispatcher.store.feed(START, 10)) == 1


async def _add(_: Recorded[Any], reaction: Reaction[str]) -> None:
    await reaction.send(Tidy())


async def test_an_unknown_command_of_a_reaction_fails_it(
    client: Client, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def send(_: Recorded[Any], reaction: Reaction[str]) -> None:
        await reaction.send(Tidy())

    monkeypatch.setattr(module, "MAX_DELIVERIES", 1)
    await publish(js, OPENED)
    async with working((replica(client), ReactionSpy(send))):
        await eventually(lambda: dead(js))


async def test_a_command_that_others_were_always_faster_than_is_sent_again(client: Client, js: JetStream) -> None:
    commands, tries = Handlers(), list[int]()

    @commands
    async def add(_: Tidy, work: UnitOfWork[str]) -> int:  # pyright: ignore[reportUnusedFunction]
        tries.append(1)
        if len(tries) <= ATTEMPTS:
            raise Conflict
        return 0

    spy = ReactionSpy(_add)
    await publish(js, OPENED)
    async with working((replica(client, commands), spy)):
        await eventually(lambda: settled(js))
    assert (len(tries), len(spy.seen)) == (ATTEMPTS + 1, 1)


async def test_a_query_is_asked_again_while_the_database_is_away(client: Client, js: JetStream) -> None:
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
        await eventually(lambda: settled(js))
    assert (len(tries), len(spy.seen)) == (3, 1)
