import json
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import UUID

import pytest
from contracts.wire import DEAD_LETTERS
from eventing import relay as module
from eventing import wire
from eventing.database import Database
from eventing.migrating import migrate
from eventing.postgres import PostgresStore
from eventing.recording import Recorded
from eventing.relay import Relay
from eventing.store import START
from eventing.testing import background, eventually
from eventing.testing.jars import MIGRATIONS, Jar, project
from eventing.testing.messages import JAR, JarEvent, JarOpened, LockSet, MarbleAdded
from eventsourcing.persistence import MapperDeserialisationError
from nats.js.errors import APIError, NotFoundError
from onebox.nats import EmbeddedNats
from onebox.postgres import EmbeddedPostgres
from prometheus_client import REGISTRY
from runtime.bus import Client
from runtime.envelope import Envelope
from runtime.forever import forever
from runtime.jetstream import JetStream, headers_of, jetstream

ADDED = MarbleAdded.example()


@pytest.fixture
def relay(postgres_store: PostgresStore, js: JetStream) -> Relay:
    return Relay(postgres_store, js, "jar")


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(module, "CHECK_EVERY_POLLS", 3)


def running(relay: Relay) -> AbstractAsyncContextManager[object]:
    return background(forever("relay", relay.run))


async def record(store: PostgresStore, *events: JarEvent, at: UUID = JAR) -> None:
    jar = Jar(at)
    for event in events:
        jar.record(event)
    jar.version = await store.database.fetchval("SELECT count(*) FROM events WHERE originator_id = $1", at)
    await store.save((jar,), Envelope.begin())


async def published(js: JetStream) -> list[Recorded[Any]]:
    try:
        state = (await js.stream_info("EVT_JAR")).state
    except NotFoundError:
        return []
    if not state.messages:
        return []
    messages = [await js.get_msg("EVT_JAR", seq=seq) for seq in range(state.first_seq, state.last_seq + 1)]
    return [_read(headers_of(message), message.data or b"") for message in messages]


def _read(head: Mapping[str, str], body: bytes) -> Recorded[Any]:
    return wire.read(Jar.events[head["ce-type"]], head, body)


async def events(js: JetStream) -> list[JarEvent]:
    return [recorded.event for recorded in await published(js)]


async def told(js: JetStream, *expected: JarEvent) -> None:
    """Wait until exactly this is in the stream."""
    last: list[JarEvent] = []

    async def as_expected() -> bool:
        last[:] = await events(js)
        return last == [*expected]

    try:
        await eventually(as_expected)
    except TimeoutError:
        raise AssertionError(f"in the stream: {last}") from None


async def drain(relay: Relay) -> None:
    await relay.resume()
    while await relay.publish_batch():
        pass


async def test_events_are_published_in_order_as_they_were_recorded(
    relay: Relay, postgres_store: PostgresStore, js: JetStream
) -> None:
    await record(postgres_store, JarOpened(label="one"), ADDED)
    await record(postgres_store, JarOpened(label="two"), at=UUID(int=2))
    await drain(relay)
    stored = [fed.recorded for fed in await postgres_store.feed(START, 10)]
    sent = await published(js)
    assert [(r.id, r.version, r.at, r.event) for r in sent] == [(r.id, r.version, r.at, r.event) for r in stored]
    assert [r.envelope.causation_id for r in sent] == [r.envelope.message_id for r in stored]
    assert [r.owner for r in sent] == [r.owner for r in stored] == [JAR, JAR, UUID(int=2)]


async def test_a_readers_filter_finds_the_events_of_one_owner_or_one_aggregate(
    relay: Relay, postgres_store: PostgresStore, js: JetStream
) -> None:
    await record(postgres_store, JarOpened(label="one"))
    await drain(relay)
    for subject in (f"evt.jar.*.{JAR}.*", f"evt.jar.*.*.{JAR}", wire.subjects(JarOpened)):
        assert (await js.get_last_msg("EVT_JAR", subject)).subject == f"evt.jar.opened.{JAR}.{JAR}"


async def test_unpublished_events_stay_at_home(relay: Relay, postgres_store: PostgresStore, js: JetStream) -> None:
    await record(postgres_store, JarOpened(label="one"), LockSet.example(), ADDED, LockSet.example())
    await drain(relay)
    assert await events(js) == [JarOpened(label="one"), ADDED]


async def spoil(database: Database, version: int, change: str) -> None:
    await database.execute(f"UPDATE events SET {change} WHERE originator_version = $1", version)  # noqa: S608


async def test_an_event_that_nobody_can_read_is_passed_over(
    relay: Relay, postgres_store: PostgresStore, database: Database, js: JetStream
) -> None:
    await record(postgres_store, JarOpened(label="one"), ADDED, LockSet.example(), ADDED)
    await spoil(database, 2, "state = convert_to(repeat('[', 201), 'UTF8')")
    await spoil(database, 3, """state = '{"code": ["sesame"]}'""")
    counted = REGISTRY.get_sample_value("relay_unreadable_total") or 0
    await drain(relay)
    assert await events(js) == [JarOpened(label="one"), ADDED]
    assert REGISTRY.get_sample_value("relay_unreadable_total") == counted + 2


async def test_the_place_of_an_event_that_nobody_can_read_is_dead_lettered_but_not_what_it_holds(
    relay: Relay, postgres_store: PostgresStore, database: Database, js: JetStream
) -> None:
    await record(postgres_store, LockSet.example())
    [fed] = await postgres_store.feed(START, 1)
    await spoil(database, 1, """state = '{"code": ["sesame"]}'""")
    await drain(relay)
    letter = await js.get_last_msg(DEAD_LETTERS, "dead.jar.relay")
    place = {"cursor": "{}:{}".format(*fed.cursor), "id": str(JAR), "version": 1, "topic": "evt.jar.lock_set;1"}
    assert json.loads(letter.data or b"") == place
    assert "sesame" not in str(letter)
    assert "cannot be read" in headers_of(letter)["dead-reason"]


@pytest.mark.parametrize("topic", ["evt.jar.later;1", "evt.jar.marble_added;9"])
async def test_an_event_of_another_release_is_not_passed_over(
    relay: Relay, postgres_store: PostgresStore, database: Database, js: JetStream, topic: str
) -> None:
    await record(postgres_store, ADDED, ADDED)
    await spoil(database, 1, f"topic = '{topic}'")
    with pytest.raises(MapperDeserialisationError, match=topic):
        await drain(relay)
    await spoil(database, 1, "topic = 'evt.jar.marble_added;2'")
    await drain(relay)
    assert await events(js) == [ADDED, ADDED]


async def test_more_than_a_batch_is_published_in_order(
    relay: Relay, postgres_store: PostgresStore, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH_SIZE", 3)
    marbles = [MarbleAdded(colour="blue", size=n) for n in range(10)]
    await record(postgres_store, JarOpened(label="one"), *marbles)
    await drain(relay)
    assert await events(js) == [JarOpened(label="one"), *marbles]


async def test_a_relay_goes_on_where_the_last_one_stopped(
    relay: Relay, postgres_store: PostgresStore, js: JetStream
) -> None:
    await record(postgres_store, JarOpened(label="one"))
    await drain(relay)
    await record(postgres_store, ADDED)
    await drain(Relay(postgres_store, js, "jar"))
    assert await events(js) == [JarOpened(label="one"), ADDED]


async def test_a_relay_that_another_one_overtook_is_refused_and_publishes_nothing(
    relay: Relay, postgres_store: PostgresStore, js: JetStream
) -> None:
    await record(postgres_store, JarOpened(label="one"))
    await drain(relay)
    await drain(late := Relay(postgres_store, js, "jar"))
    await record(postgres_store, ADDED)
    await drain(relay)
    await js.purge_stream("EVT_JAR")  # nor does the server remember the ids of what it had
    late.cursor = START
    with pytest.raises(APIError, match="wrong last sequence"):
        await late.publish_batch()


async def test_a_running_relay_publishes_what_is_appended_without_waiting(
    relay: Relay, postgres_store: PostgresStore, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 3600)
    async with running(relay):
        await eventually(lambda: relay.saved_position)
        await record(postgres_store, JarOpened(label="one"))
        await told(js, JarOpened(label="one"))


async def test_a_running_relay_publishes_what_others_append(relay: Relay, database: Database, js: JetStream) -> None:
    async with running(relay):
        await record(PostgresStore(database, Jar.events, project), JarOpened(label="one"))
        await told(js, JarOpened(label="one"))


async def test_while_another_one_relays_it_waits(relay: Relay, postgres_store: PostgresStore) -> None:
    async with postgres_store.database.advisory_lock("relay:jar"):
        await record(postgres_store, JarOpened(label="one"))
        await relay.run()
    assert relay.cursor == START


async def test_a_stream_that_retention_emptied_is_not_filled_again(
    relay: Relay, postgres_store: PostgresStore, js: JetStream
) -> None:
    await record(postgres_store, JarOpened(label="one"), LockSet.example())
    async with running(relay):
        await eventually(lambda: relay.saved_position)
    await js.purge_stream("EVT_JAR")
    async with running(Relay(postgres_store, js, "jar")):
        await record(postgres_store, ADDED)
        await told(js, ADDED)


async def test_a_stream_that_was_lost_is_made_and_filled_again(
    relay: Relay, postgres_store: PostgresStore, js: JetStream
) -> None:
    await record(postgres_store, JarOpened(label="one"), ADDED)
    async with running(relay):
        await eventually(lambda: relay.saved_position)
        await js.delete_stream("EVT_JAR")
        await told(js, JarOpened(label="one"), ADDED)


async def test_while_the_bus_is_away_events_wait_and_are_published_when_it_is_back(
    relay: Relay, postgres_store: PostgresStore, js: JetStream, client: Client, nats_server: EmbeddedNats
) -> None:
    async with running(relay):
        await eventually(lambda: relay.saved_position)
        nats_server.child.ask_to_stop()
        nats_server.child.finish()
        await record(postgres_store, JarOpened(label="one"))
        await eventually(lambda: not client.is_connected)
        nats_server.start()
        await eventually(lambda: client.is_connected)
        await told(js, JarOpened(label="one"))


async def test_when_the_database_was_away_it_goes_on(
    own_server: EmbeddedPostgres, js: JetStream, client: Client
) -> None:
    async with Database.open(own_server.url, "jar") as database:
        await migrate(database, MIGRATIONS)
        store = PostgresStore(database, Jar.events, project)
        async with running(relay := Relay(store, jetstream(client), "jar")):
            await eventually(lambda: relay.saved_position)
            own_server.child.ask_to_stop()
            own_server.child.finish()
            own_server.start()
            await eventually(lambda: _recorded(store))
            await told(js, JarOpened(label="one"))


async def _recorded(store: PostgresStore) -> bool:
    try:
        await record(store, JarOpened(label="one"))
    except Exception:  # noqa: BLE001  the server is away
        return False
    return True
