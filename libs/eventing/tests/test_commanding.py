"""Commands that reactions send to another service: deduplication, outages, and the user on whose behalf they act."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from contracts.identity.user import GetActor
from contracts.identity.values import Role
from contracts.messages import Actor
from contracts.refusals import Code, Refusal
from eventing import actors
from eventing import reactions as module
from eventing.actors import Actors
from eventing.database import Database
from eventing.handling import Handlers, QueryContext, UnitOfWork
from eventing.handling.dispatch import Dispatcher
from eventing.handling.subscribers import serving
from eventing.reactions import Reaction
from eventing.recording import Recorded
from eventing.store.memory import MemoryStore
from eventing.store.postgres import PostgresStore
from eventing.testing import eventually
from eventing.testing import jars as jars_module
from eventing.testing.deliveries import all_acknowledged, dead_letter_count
from eventing.testing.jars import add_marble, answers, open_jar
from eventing.testing.messages import JAR, AddMarble, GetJar, JarOpened, OpenJar
from eventing.testing.publishing import publish
from eventing.testing.reacting import ReactionSpy, replica, working
from runtime.bus import Client
from runtime.bus.envelope import Envelope
from runtime.bus.jetstream import JetStream

pytestmark = pytest.mark.usefixtures("fast_reactions")

ADA, BOB = UUID(int=1), UUID(int=2)
ADD = AddMarble.example()

type React = Callable[[Reaction[Any]], Awaitable[object]]


class Shelf:
    """The service that sends commands: its reaction to an opened jar runs a function of the test."""

    def __init__(self, client: Client, js: JetStream, database: Database) -> None:
        self.client, self.js, self.database = client, js, database
        self.deliveries, self.failures, self.refusals = 0, 0, list[Code]()

    async def react(self, act: React, *, failures: int = 0) -> None:
        """React to one event until it is acknowledged; the first `failures` deliveries fail after `act`."""
        self.failures = failures
        await self.publish()
        async with self.working(act):
            await eventually(self.settled)

    async def publish(self) -> None:
        envelope = Envelope.begin(actor=Actor(user_id=ADA, role="user"), client_address="192.0.2.1")
        await publish(self.js, JarOpened.example(), envelope=envelope)

    def working(self, act: React) -> Any:
        async def attempt(_: Recorded[Any], reaction: Reaction[Any]) -> None:
            self.deliveries += 1
            try:
                await act(reaction)
            except Refusal as refusal:
                self.refusals.append(refusal.code)
            if self.deliveries <= self.failures:
                raise LookupError

        reactor = replica(self.client)
        reactor.postponements.database = self.database
        return working((reactor, ReactionSpy(attempt)))

    async def settled(self) -> bool:
        return await all_acknowledged(self.js)

    async def dead_letters(self) -> int:
        return await dead_letter_count(self.js)


class Jars:
    """The service that receives the commands, and their envelopes."""

    def __init__(self, url: str, dispatcher: Dispatcher[None]) -> None:
        self.url, self.dispatcher, self.envelopes = url, dispatcher, list[Envelope]()
        for handler in (open_jar, self.add_marble):
            dispatcher.commands(handler)

    async def add_marble(self, command: AddMarble, work: UnitOfWork[None]) -> int:
        self.envelopes.append(work.envelope)
        return await add_marble(command, work)

    def serving(self) -> Any:
        return serving(self.url, "jar", self.dispatcher)

    async def marbles(self) -> int:
        return (await self.dispatcher.ask(GetJar.example(), Envelope.begin())).marbles


@pytest.fixture
def shelf(client: Client, js: JetStream, database: Database) -> Shelf:
    return Shelf(client, js, database)


@pytest_asyncio.fixture
async def stopped_jars(nats_url: str, postgres_store: PostgresStore, database: Database) -> Jars:
    """Provide a service with one jar and no running replica."""
    jars = Jars(nats_url, Dispatcher(postgres_store, database, None, Handlers(), answers))
    await jars.dispatcher.send(OpenJar.example(), Envelope.begin())
    return jars


@pytest_asyncio.fixture
async def jars(stopped_jars: Jars) -> AsyncGenerator[Jars]:
    async with stopped_jars.serving():
        yield stopped_jars


async def test_a_command_of_another_service_is_sent_over_the_bus(shelf: Shelf, jars: Jars) -> None:
    await shelf.react(lambda reaction: reaction.send(ADD))
    [envelope] = jars.envelopes
    assert (await jars.marbles(), envelope.actor) == (1, Actor(user_id=ADA, role="user"))
    assert envelope.deadline


async def test_a_query_of_another_service_is_sent_over_the_bus(shelf: Shelf, jars: Jars) -> None:
    labels = list[str]()

    async def ask(reaction: Reaction[Any]) -> None:
        labels.append((await reaction.ask(GetJar.example())).label)

    await shelf.react(ask)
    assert labels == ["blue ones"]


async def test_a_redelivered_event_sends_its_command_with_the_same_id(shelf: Shelf, jars: Jars) -> None:
    await shelf.react(lambda reaction: reaction.send(ADD), failures=2)
    assert len({envelope.message_id for envelope in jars.envelopes}) == 1
    assert (shelf.deliveries, len(jars.envelopes), shelf.refusals) == (3, 3, [])
    assert await jars.marbles() == 1


async def test_a_repeated_command_is_answered_with_its_outcome(shelf: Shelf, jars: Jars) -> None:
    opened, labels = OpenJar(jar_id=BOB, label="red ones"), list[str]()

    async def send(reaction: Reaction[Any]) -> None:
        labels.append((await reaction.send(opened)).label)

    await shelf.react(send, failures=1)
    assert labels == ["red ones", "red ones"]


async def test_two_equal_commands_of_one_reaction_are_both_executed(shelf: Shelf, jars: Jars) -> None:
    async def send_two(reaction: Reaction[Any]) -> None:
        await reaction.send(ADD)
        await reaction.send(ADD)

    await shelf.react(send_two, failures=1)
    assert await jars.marbles() == 2


async def test_commands_with_one_key_are_executed_once_whatever_their_content(shelf: Shelf, jars: Jars) -> None:
    async def send(reaction: Reaction[Any]) -> None:
        await reaction.send(AddMarble(jar_id=JAR, colour=str(shelf.deliveries)), key="the marble")

    await shelf.react(send, failures=2)
    assert await jars.marbles() == 1


async def test_a_stopped_service_receives_its_command_when_it_starts(shelf: Shelf, stopped_jars: Jars) -> None:
    await shelf.publish()
    async with shelf.working(lambda reaction: reaction.send(ADD)):
        await eventually(lambda: shelf.deliveries)
        async with stopped_jars.serving():
            await eventually(shelf.settled)
    assert await stopped_jars.marbles() == 1


async def test_waiting_for_a_stopped_service_uses_up_no_delivery(
    shelf: Shelf, stopped_jars: Jars, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_DELIVERIES", 2)
    await shelf.publish()
    async with shelf.working(lambda reaction: reaction.send(ADD)):
        await eventually(lambda: shelf.deliveries > 4)
        async with stopped_jars.serving():
            await eventually(shelf.settled)
    assert (await stopped_jars.marbles(), await shelf.dead_letters()) == (1, 0)


async def test_a_reaction_receives_the_refusal_of_its_command(
    shelf: Shelf, jars: Jars, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jars_module, "MAX_MARBLES", 0)
    await shelf.react(lambda reaction: reaction.send(ADD))
    assert (shelf.refusals, shelf.deliveries) == ([Code.BUDGET_EXCEEDED], 1)


async def test_a_command_that_keeps_failing_is_dead_lettered(
    shelf: Shelf, jars: Jars, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_DELIVERIES", 2)
    await shelf.react(lambda reaction: reaction.send(AddMarble(jar_id=BOB, colour="red")))
    assert (shelf.deliveries, await shelf.dead_letters()) == (2, 1)


@asynccontextmanager
async def identity(url: str, role: Role | None) -> AsyncGenerator[list[GetActor]]:
    """Answer that every user has this role, or is disabled if it is None; yield the queries."""
    queries, asked = Handlers(), list[GetActor]()

    async def get_actor(query: GetActor, _: QueryContext[None]) -> Actor:
        asked.append(query)
        if role is None:
            raise Refusal(Code.USER_INACTIVE, "disabled")
        return Actor(user_id=query.user_id, role=role)

    queries(get_actor)
    database: Any = None
    async with serving(url, "identity", Dispatcher(MemoryStore({}), database, None, Handlers(), queries)):
        yield asked


async def test_a_command_for_a_user_has_their_current_role(shelf: Shelf, jars: Jars, nats_url: str) -> None:
    async with identity(nats_url, "viewer"):
        await shelf.react(lambda reaction: reaction.send(ADD, on_behalf_of=BOB))
    assert [envelope.actor for envelope in jars.envelopes] == [Actor(user_id=BOB, role="viewer")]


async def test_a_command_for_a_user_has_no_client(shelf: Shelf, jars: Jars, nats_url: str) -> None:
    await shelf.react(lambda reaction: reaction.send(ADD))
    async with identity(nats_url, "viewer"):
        await shelf.react(lambda reaction: reaction.send(ADD, on_behalf_of=BOB))
    assert [envelope.client_address for envelope in jars.envelopes] == ["192.0.2.1", None]


async def test_no_command_is_sent_for_a_disabled_user(shelf: Shelf, jars: Jars, nats_url: str) -> None:
    async with identity(nats_url, None):
        await shelf.react(lambda reaction: reaction.send(ADD, on_behalf_of=BOB))
    assert (shelf.refusals, jars.envelopes) == ([Code.USER_INACTIVE], [])


async def test_no_command_is_sent_for_a_user_while_identity_is_unavailable(
    shelf: Shelf, jars: Jars, nats_url: str
) -> None:
    await shelf.publish()
    async with shelf.working(lambda reaction: reaction.send(ADD, on_behalf_of=BOB)):
        await eventually(lambda: shelf.deliveries > 2)
        assert jars.envelopes == []
        async with identity(nats_url, "user"):
            await eventually(shelf.settled)
    assert len(jars.envelopes) == 1


async def test_a_role_is_cached_for_its_maximum_age(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, counts = list[GetActor](), list[int]()

    async def ask(query: GetActor, _: Envelope) -> Actor:
        asked.append(query)
        return Actor(user_id=query.user_id, role="user")

    known = Actors(ask)
    for max_age in (3600.0, 3600.0, 0.0):
        monkeypatch.setattr(actors, "MAX_AGE", max_age)
        await known.current(ADA, Envelope.begin())
        counts.append(len(asked))
    assert counts == [1, 1, 2]
