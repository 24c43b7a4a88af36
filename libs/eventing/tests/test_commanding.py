"""Commands of a reaction to another service: recognised when they come again, and on whose behalf they come."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from contracts.identity.queries import GetActor
from contracts.identity.values import Role
from contracts.messages import Actor
from contracts.refusals import Code, Refusal
from contracts.wire import DEAD_LETTERS
from eventing import actors, retrying
from eventing import reactions as module
from eventing.actors import Actors
from eventing.database import Database
from eventing.dispatch import Dispatcher
from eventing.handling import Handlers, QueryContext, UnitOfWork
from eventing.memory import MemoryStore
from eventing.postgres import PostgresStore
from eventing.reactions import Reaction
from eventing.recording import Recorded
from eventing.subscribers import serving
from eventing.testing import eventually
from eventing.testing import jars as jars_module
from eventing.testing.jars import add_marble, answers, open_jar
from eventing.testing.messages import JAR, AddMarble, GetJar, JarOpened, OpenJar
from eventing.testing.publishing import publish
from eventing.testing.reacting import ReactionSpy, replica, working
from nats.js.errors import NotFoundError
from runtime.bus import Client
from runtime.envelope import Envelope
from runtime.jetstream import JetStream

ADA, BOB = UUID(int=1), UUID(int=2)
ADD = AddMarble.example()

type React = Callable[[Reaction[Any]], Awaitable[object]]


class Shelf:
    """The service that commands: it does what the test wants when a jar was opened."""

    def __init__(self, client: Client, js: JetStream, database: Database) -> None:
        self.client, self.js, self.database = client, js, database
        self.deliveries, self.failures, self.refusals = 0, 0, list[Code]()

    async def react(self, act: React, *, failures: int = 0) -> None:
        """React to one event until it is acknowledged, failing so many times after all was done."""
        self.failures = failures
        await self.hear()
        async with self.working(act):
            await eventually(self.settled)

    async def hear(self) -> None:
        await publish(self.js, JarOpened.example(), envelope=Envelope.begin(actor=Actor(user_id=ADA, role="user")))

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
        try:
            info = await self.js.consumer_info("EVT_JAR", "shelf-open")
        except NotFoundError:
            return False
        return not info.num_pending and not info.num_ack_pending

    async def dead_letters(self) -> int:
        return (await self.js.stream_info(DEAD_LETTERS)).state.messages


class Jars:
    """The service that is commanded, and who commanded it."""

    def __init__(self, url: str, dispatcher: Dispatcher[None]) -> None:
        self.url, self.dispatcher, self.senders = url, dispatcher, list[Envelope]()
        for handler in (open_jar, self.add_marble):
            dispatcher.commands(handler)

    async def add_marble(self, command: AddMarble, work: UnitOfWork[None]) -> int:
        self.senders.append(work.envelope)
        return await add_marble(command, work)

    def serving(self) -> Any:
        return serving(self.url, "jar", self.dispatcher)

    async def marbles(self) -> int:
        return (await self.dispatcher.ask(GetJar.example(), Envelope.begin())).marbles


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_DELAY", 0.01)
    monkeypatch.setattr(module, "FETCH_TIMEOUT", 0.2)
    monkeypatch.setattr(retrying, "PAUSES", (0.0, 0.0, 0.0))


@pytest.fixture
def shelf(client: Client, js: JetStream, database: Database) -> Shelf:
    return Shelf(client, js, database)


@pytest_asyncio.fixture
async def away(nats_url: str, postgres_store: PostgresStore, database: Database) -> Jars:
    """Give a service with one jar, of which no replica runs."""
    jars = Jars(nats_url, Dispatcher(postgres_store, database, None, Handlers(), answers))
    await jars.dispatcher.send(OpenJar.example(), Envelope.begin())
    return jars


@pytest_asyncio.fixture
async def jars(away: Jars) -> AsyncGenerator[Jars]:
    async with away.serving():
        yield away


async def test_a_command_of_another_service_goes_there_over_the_bus(shelf: Shelf, jars: Jars) -> None:
    await shelf.react(lambda reaction: reaction.send(ADD))
    [sender] = jars.senders
    assert (await jars.marbles(), sender.actor) == (1, Actor(user_id=ADA, role="user"))
    assert sender.deadline


async def test_another_service_is_asked_over_the_bus(shelf: Shelf, jars: Jars) -> None:
    labels = list[str]()

    async def ask(reaction: Reaction[Any]) -> None:
        labels.append((await reaction.ask(GetJar.example())).label)

    await shelf.react(ask)
    assert labels == ["blue ones"]


async def test_a_redelivered_event_sends_its_command_with_the_same_id(shelf: Shelf, jars: Jars) -> None:
    await shelf.react(lambda reaction: reaction.send(ADD), failures=2)
    assert len({sender.message_id for sender in jars.senders}) == 1
    assert (shelf.deliveries, len(jars.senders), shelf.refusals) == (3, 3, [])
    assert await jars.marbles() == 1


async def test_a_repeated_command_is_answered_with_its_outcome(shelf: Shelf, jars: Jars) -> None:
    opened, labels = OpenJar(jar_id=BOB, label="red ones"), list[str]()

    async def send(reaction: Reaction[Any]) -> None:
        labels.append((await reaction.send(opened)).label)

    await shelf.react(send, failures=1)
    assert labels == ["red ones", "red ones"]


async def test_two_equal_commands_of_one_reaction_are_both_carried_out(shelf: Shelf, jars: Jars) -> None:
    async def send_two(reaction: Reaction[Any]) -> None:
        await reaction.send(ADD)
        await reaction.send(ADD)

    await shelf.react(send_two, failures=1)
    assert await jars.marbles() == 2


async def test_a_key_makes_commands_one_whatever_they_say(shelf: Shelf, jars: Jars) -> None:
    async def send(reaction: Reaction[Any]) -> None:
        await reaction.send(AddMarble(jar_id=JAR, colour=str(shelf.deliveries)), key="the marble")

    await shelf.react(send, failures=2)
    assert await jars.marbles() == 1


async def test_a_service_that_is_away_gets_its_command_when_it_comes(shelf: Shelf, away: Jars) -> None:
    await shelf.hear()
    async with shelf.working(lambda reaction: reaction.send(ADD)):
        await eventually(lambda: shelf.deliveries)
        async with away.serving():
            await eventually(shelf.settled)
    assert await away.marbles() == 1


async def test_waiting_for_a_service_is_no_failure(shelf: Shelf, away: Jars, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_DELIVERIES", 2)
    await shelf.hear()
    async with shelf.working(lambda reaction: reaction.send(ADD)):
        await eventually(lambda: shelf.deliveries > 4)
        async with away.serving():
            await eventually(shelf.settled)
    assert (await away.marbles(), await shelf.dead_letters()) == (1, 0)


async def test_a_command_that_is_refused_tells_the_reaction_why(
    shelf: Shelf, jars: Jars, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jars_module, "MAX_MARBLES", 0)
    await shelf.react(lambda reaction: reaction.send(ADD))
    assert (shelf.refusals, shelf.deliveries) == ([Code.BUDGET_EXCEEDED], 1)


async def test_a_command_at_which_the_other_service_fails_is_given_up_in_the_end(
    shelf: Shelf, jars: Jars, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_DELIVERIES", 2)
    await shelf.react(lambda reaction: reaction.send(AddMarble(jar_id=BOB, colour="red")))
    assert (shelf.deliveries, await shelf.dead_letters()) == (2, 1)


@asynccontextmanager
async def identity(url: str, role: Role | None) -> AsyncGenerator[list[GetActor]]:
    """Answer that every user has a role now, or is disabled; give what was asked."""
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


async def test_a_command_for_a_user_is_sent_with_the_role_they_have_now(
    shelf: Shelf, jars: Jars, nats_url: str
) -> None:
    async with identity(nats_url, "viewer"):
        await shelf.react(lambda reaction: reaction.send(ADD, on_behalf_of=BOB))
    assert [sender.actor for sender in jars.senders] == [Actor(user_id=BOB, role="viewer")]


async def test_nothing_is_sent_for_a_user_who_is_disabled(shelf: Shelf, jars: Jars, nats_url: str) -> None:
    async with identity(nats_url, None):
        await shelf.react(lambda reaction: reaction.send(ADD, on_behalf_of=BOB))
    assert (shelf.refusals, jars.senders) == ([Code.USER_INACTIVE], [])


async def test_nothing_is_sent_for_a_user_while_identity_is_away(shelf: Shelf, jars: Jars, nats_url: str) -> None:
    await shelf.hear()
    async with shelf.working(lambda reaction: reaction.send(ADD, on_behalf_of=BOB)):
        await eventually(lambda: shelf.deliveries > 2)
        assert jars.senders == []
        async with identity(nats_url, "user"):
            await eventually(shelf.settled)
    assert len(jars.senders) == 1


async def test_a_role_is_not_asked_for_again_as_long_as_it_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
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
