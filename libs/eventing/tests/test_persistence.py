"""A persistent reaction is retried until it succeeds, and loses nothing that the bus, or a worker, loses."""

import asyncio
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import pytest
from eventing import reactions as module
from eventing.database import Database
from eventing.handling.dispatch import Dispatcher
from eventing.reactions import Reaction, Reactions, Reactor, persistence
from eventing.recording import Recorded
from eventing.relay import Relay
from eventing.store.postgres import PostgresStore
from eventing.testing import background, eventually
from eventing.testing.deliveries import all_acknowledged, dead_letter_count
from eventing.testing.jars import answers, handles
from eventing.testing.messages import JarOpened, MarbleAdded, OpenJar
from eventing.testing.shelf import shelf
from runtime.bus import Client, ordered
from runtime.bus.envelope import Envelope
from runtime.bus.jetstream import JetStream
from runtime.clock import new_id

pytestmark = pytest.mark.usefixtures("fast_reactions", "fast_leases")

CONSUMER = "cupboard-fill"


class Filling:
    """A persistent reaction that fails while `broken`."""

    def __init__(self, database: Database, after: timedelta = timedelta(), again: timedelta | None = None) -> None:
        self.database, self.broken, self.attempts = database, False, 0
        reactions = Reactions()
        reactions.persistent("fill", after=lambda _: after, again=again)(self.fill)
        [self.registration] = reactions.by_name.values()

    async def fill(self, recorded: Recorded[JarOpened], _: Reaction[Any]) -> None:
        self.attempts += 1
        if self.broken:
            raise PermissionError("the lid does not open")
        await self.database.execute("UPDATE jars SET marbles = 1 WHERE id = $1", recorded.id)

    async def done(self) -> bool:
        filled = await self.database.fetchval("SELECT every(marbles > 0) FROM jars")
        return bool(filled) and not await self.database.fetchval("SELECT count(*) FROM persistent_work")


@pytest.fixture
def replica(client: Client, js: JetStream, database: Database, postgres_store: PostgresStore) -> Reactor[str]:
    return Reactor("cupboard", client, Dispatcher(postgres_store, database, "a tool", handles, answers))


def working(replica: Reactor[str], filling: Filling) -> Any:
    return background(replica.work(filling.registration, asyncio.Event()), replica.leases.renew())


async def open_jar(replica: Reactor[str], *, published: bool = True) -> UUID:
    jar_id, store = new_id(), cast(PostgresStore, replica.dispatcher.store)
    await replica.dispatcher.send(OpenJar(jar_id=jar_id, label=str(jar_id)), Envelope.begin())
    if published:
        await eventually(Relay(store, replica.js, "jar").publish_batch)
    return jar_id


async def test_what_fails_longer_than_all_attempts_is_done_in_the_end(
    replica: Reactor[str], js: JetStream, database: Database
) -> None:
    filling = Filling(database)
    filling.broken = True
    await open_jar(replica)
    async with working(replica, filling):
        await eventually(lambda: filling.attempts > module.MAX_DELIVERIES + 1)
        filling.broken = False
        await eventually(filling.done)
    assert await dead_letter_count(js) == 0


async def test_the_bus_may_forget_an_event_after_the_first_attempt(
    replica: Reactor[str], js: JetStream, database: Database
) -> None:
    filling = Filling(database)
    filling.broken = True
    await open_jar(replica)
    async with working(replica, filling):
        await eventually(lambda: all_acknowledged(js, CONSUMER))
        await js.purge_stream("EVT_JAR")
        filling.broken = False
        await eventually(filling.done)


async def test_nothing_is_done_before_its_time(replica: Reactor[str], js: JetStream, database: Database) -> None:
    filling = Filling(database, after=timedelta(days=1))
    await open_jar(replica)
    async with working(replica, filling):
        await eventually(lambda: all_acknowledged(js, CONSUMER))
        assert filling.attempts == 0
        await database.execute("UPDATE persistent_work SET due_at = due_at - interval '1 day'")
        await eventually(filling.done)
    assert filling.attempts == 1


async def test_what_is_to_be_done_again_is_done_twice(replica: Reactor[str], js: JetStream, database: Database) -> None:
    filling = Filling(database, again=timedelta(hours=1))
    await open_jar(replica)
    async with working(replica, filling):
        await eventually(lambda: all_acknowledged(js, CONSUMER))
        assert (filling.attempts, await filling.done()) == (1, False)
        await database.execute("UPDATE persistent_work SET due_at = due_at - interval '1 hour'")
        await eventually(filling.done)
    assert filling.attempts == 2


async def test_nothing_is_left_to_do_for_an_event_that_was_erased(replica: Reactor[str], database: Database) -> None:
    filling = Filling(database, after=timedelta(days=1))
    jar_id = await open_jar(replica, published=False)
    opened = await replica.dispatcher.store.event(jar_id, 1)
    assert opened
    await persistence.add("fill", opened, persistence.at_once, database)
    await database.execute("UPDATE events SET topic = topic || ';erased', state = '', envelope = '{}'")
    async with working(replica, filling):
        await eventually(lambda: _is_empty(database))
    assert filling.attempts == 0


async def test_a_dead_letter_of_an_earlier_release_is_replayed(
    replica: Reactor[str], js: JetStream, database: Database
) -> None:
    filling = Filling(database)
    await open_jar(replica)
    async with aclosing(ordered.messages(js, "EVT_JAR", 0, stored=True)) as batches:
        [[message]] = [batch async for batch in batches]
    await replica.replay(filling.registration, message)
    assert (filling.attempts, await filling.done()) == (1, True)


async def _is_empty(database: Database) -> bool:
    return not await database.fetchval("SELECT count(*) FROM persistent_work")


def test_a_persistent_reaction_to_a_foreign_event_is_rejected() -> None:
    reactions = Reactions()

    @reactions.persistent("paint")
    async def paint(_: Recorded[MarbleAdded], __: Reaction[Any]) -> None:  # pyright: ignore[reportUnusedFunction]
        pass

    with pytest.raises(ValueError, match=r"persistent or local reactions of shelf .*: \['paint'\]"):
        replace(shelf(), reactions=reactions)
