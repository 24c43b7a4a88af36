"""Stored events on the bus: in order, each once, whatever happens to relays, streams and servers."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

import pytest
from contracts.wire import DEAD_LETTERS
from eventing import relay as module
from eventing.bus import wire
from eventing.database import Database
from eventing.recording import Recorded
from eventing.relay import Relay, pause_after
from eventing.store import START
from eventing.store.postgres import PostgresStore
from eventing.testing import eventually
from eventing.testing.following import append, append_when_available, messages
from eventing.testing.jars import Jar, project
from eventing.testing.messages import JAR, JarEvent, JarOpened, LockSet, MarbleAdded
from eventing.testing.relaying import publish_all, running
from eventing.testing.waiting import eventually_equals
from eventsourcing.persistence import MapperDeserialisationError
from nats.js.errors import APIError
from onebox.nats import EmbeddedNats
from onebox.postgres import EmbeddedPostgres
from runtime.bus import Client
from runtime.bus.jetstream import JetStream, headers_of
from runtime.metrics import metrics_of

from libs.eventing.tests.servers import restart, shut_down

pytestmark = pytest.mark.usefixtures("fast_relay")

ADDED = MarbleAdded.example()


@pytest.fixture
def relay(postgres_store: PostgresStore, js: JetStream) -> Relay:
    return Relay(postgres_store, js, "jar")


async def published(js: JetStream) -> list[Recorded[Any]]:
    return [_read(headers_of(message), message.data or b"") for message in await messages(js, "EVT_JAR")]


def _read(headers: Mapping[str, str], body: bytes) -> Recorded[Any]:
    return wire.read(Jar.events[headers["ce-type"]], headers, body)


async def published_events(js: JetStream) -> list[JarEvent]:
    return [recorded.event for recorded in await published(js)]


async def until_published(js: JetStream, *expected: JarEvent) -> None:
    """Wait until the stream holds exactly these events."""
    await eventually_equals(lambda: published_events(js), [*expected])


IN_CLEAR = """topic = 'evt.jar.lock_set;1', state = '{"code": ["sesame"]}'"""
"""An unreadable secret event, as a release that did not seal it stored it."""


async def corrupt(database: Database, version: int, change: str) -> None:
    await database.execute(f"UPDATE events SET {change} WHERE originator_version = $1", version)  # noqa: S608


async def test_events_are_published_as_recorded_and_in_order(
    relay: Relay, postgres_store: PostgresStore, js: JetStream
) -> None:
    await append(postgres_store, JarOpened(label="one"), ADDED)
    await append(postgres_store, JarOpened(label="two"), at=UUID(int=2))
    await publish_all(relay)
    stored = [fed.recorded for fed in await postgres_store.feed(START, 10)]
    sent = await published(js)
    assert [(r.id, r.version, r.at, r.event) for r in sent] == [(r.id, r.version, r.at, r.event) for r in stored]
    assert [r.envelope.causation_id for r in sent] == [r.envelope.message_id for r in stored]
    assert [r.owner for r in sent] == [r.owner for r in stored] == [JAR, JAR, UUID(int=2)]


async def test_a_subject_filter_selects_one_owner_or_one_aggregate(
    relay: Relay, postgres_store: PostgresStore, js: JetStream
) -> None:
    await append(postgres_store, JarOpened(label="one"))
    await publish_all(relay)
    for subject in (f"evt.jar.*.{JAR}.*", f"evt.jar.*.*.{JAR}", wire.subjects(JarOpened)):
        assert (await js.get_last_msg("EVT_JAR", subject)).subject == f"evt.jar.opened.{JAR}.{JAR}"


async def test_internal_events_are_not_published(relay: Relay, postgres_store: PostgresStore, js: JetStream) -> None:
    await append(postgres_store, JarOpened(label="one"), LockSet.example(), ADDED, LockSet.example())
    await publish_all(relay)
    assert await published_events(js) == [JarOpened(label="one"), ADDED]


async def test_an_unreadable_event_is_skipped_and_counted(
    relay: Relay, postgres_store: PostgresStore, database: Database, js: JetStream
) -> None:
    await append(postgres_store, JarOpened(label="one"), ADDED, LockSet.example(), ADDED)
    await corrupt(database, 2, "state = convert_to(repeat('[', 201), 'UTF8')")
    await corrupt(database, 3, IN_CLEAR)
    counted = metrics_of("eventing").get_sample_value("relay_unreadable_total") or 0
    await publish_all(relay)
    assert await published_events(js) == [JarOpened(label="one"), ADDED]
    assert metrics_of("eventing").get_sample_value("relay_unreadable_total") == counted + 2


async def test_the_dead_letter_of_an_unreadable_event_has_no_payload(
    relay: Relay, postgres_store: PostgresStore, database: Database, js: JetStream
) -> None:
    await append(postgres_store, LockSet.example())
    [fed] = await postgres_store.feed(START, 1)
    await corrupt(database, 1, IN_CLEAR)
    await publish_all(relay)
    letter = await js.get_last_msg(DEAD_LETTERS, "dead.jar.relay")
    position = {"cursor": "{}:{}".format(*fed.cursor), "id": str(JAR), "version": 1, "topic": "evt.jar.lock_set;1"}
    assert json.loads(letter.data or b"") == position
    assert "sesame" not in str(letter)
    assert "cannot be read" in headers_of(letter)["dead-reason"]


@pytest.mark.parametrize("topic", ["evt.jar.later;1", "evt.jar.marble_added;9"])
async def test_an_event_of_another_release_is_not_skipped(
    relay: Relay, postgres_store: PostgresStore, database: Database, js: JetStream, topic: str
) -> None:
    await append(postgres_store, ADDED, ADDED)
    await corrupt(database, 1, f"topic = '{topic}'")
    with pytest.raises(MapperDeserialisationError, match=topic):
        await publish_all(relay)
    await corrupt(database, 1, "topic = 'evt.jar.marble_added;2'")
    await publish_all(relay)
    assert await published_events(js) == [ADDED, ADDED]


async def test_several_batches_are_published_in_order(
    relay: Relay, postgres_store: PostgresStore, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH_SIZE", 3)
    marbles = [MarbleAdded(colour="blue", size=n) for n in range(10)]
    await append(postgres_store, JarOpened(label="one"), *marbles)
    await publish_all(relay)
    assert await published_events(js) == [JarOpened(label="one"), *marbles]


async def test_a_relay_resumes_where_the_last_one_stopped(
    relay: Relay, postgres_store: PostgresStore, js: JetStream
) -> None:
    await append(postgres_store, JarOpened(label="one"))
    await publish_all(relay)
    await append(postgres_store, ADDED)
    await publish_all(Relay(postgres_store, js, "jar"))
    assert await published_events(js) == [JarOpened(label="one"), ADDED]


async def test_a_relay_that_another_one_overtook_publishes_nothing(
    relay: Relay, postgres_store: PostgresStore, js: JetStream
) -> None:
    await append(postgres_store, JarOpened(label="one"))
    await publish_all(relay)
    await publish_all(late := Relay(postgres_store, js, "jar"))
    await append(postgres_store, ADDED)
    await publish_all(relay)
    await js.purge_stream("EVT_JAR")  # and with it the ids by which the server recognises duplicates
    late.cursor = START
    with pytest.raises(APIError, match="wrong last sequence"):
        await late.publish_batch()


@pytest.mark.parametrize(("aggregates", "seconds"), [(1, 0.002), (2, 0.01), (4, 0.01), (5, 0.02), (256, 0.02)])
def test_the_relay_reads_less_often_the_more_aggregates_have_events(aggregates: int, seconds: float) -> None:
    assert pause_after(aggregates) == seconds


async def test_only_the_ends_of_a_batch_are_acknowledged(
    relay: Relay, postgres_store: PostgresStore, js: JetStream, client: Client
) -> None:
    await publish_all(relay)
    await append(postgres_store, JarOpened(label="one"), *[ADDED] * 5)
    received = client.stats["in_msgs"]
    await relay.publish_batch()
    assert client.stats["in_msgs"] - received == 2
    assert len(await published(js)) == 6


async def test_a_missing_message_within_a_batch_is_noticed(
    relay: Relay, postgres_store: PostgresStore, js: JetStream, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish_all(relay)
    await append(postgres_store, JarOpened(label="one"), ADDED, ADDED)
    with monkeypatch.context() as lossy:
        lossy.setattr(client, "publish", _losing_unacknowledged(client.publish))
        with pytest.raises(APIError, match="wrong last sequence"):
            await relay.publish_batch()
    await publish_all(relay)
    assert await published_events(js) == [JarOpened(label="one"), ADDED, ADDED]


def _losing_unacknowledged(publish: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def lose(subject: str, payload: bytes = b"", reply: str = "", headers: Any = None) -> None:
        if reply:
            await publish(subject, payload, reply, headers)

    return lose


async def test_an_event_of_the_same_process_is_published_without_a_poll(
    relay: Relay, postgres_store: PostgresStore, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 3600)
    async with running(relay):
        await eventually(lambda: relay.created)
        await append(postgres_store, JarOpened(label="one"))
        await until_published(js, JarOpened(label="one"))


async def test_an_event_of_another_process_is_published(relay: Relay, database: Database, js: JetStream) -> None:
    async with running(relay):
        await append(PostgresStore(database, Jar.events, project), JarOpened(label="one"))
        await until_published(js, JarOpened(label="one"))


async def test_a_relay_waits_while_another_one_holds_the_lock(relay: Relay, postgres_store: PostgresStore) -> None:
    async with postgres_store.database.advisory_lock("relay:jar"):
        await append(postgres_store, JarOpened(label="one"))
        await relay.run()
    assert relay.cursor == START


async def test_a_stream_emptied_by_retention_is_not_filled_again(
    relay: Relay, postgres_store: PostgresStore, js: JetStream
) -> None:
    await append(postgres_store, JarOpened(label="one"), LockSet.example())
    async with running(relay):
        await eventually(lambda: relay.saved_position)
    await js.purge_stream("EVT_JAR")
    async with running(Relay(postgres_store, js, "jar")):
        await append(postgres_store, ADDED)
        await until_published(js, ADDED)


async def test_a_lost_stream_is_created_and_filled_again(
    relay: Relay, postgres_store: PostgresStore, js: JetStream
) -> None:
    await append(postgres_store, JarOpened(label="one"), ADDED)
    async with running(relay):
        await eventually(lambda: relay.saved_position)
        await js.delete_stream("EVT_JAR")
        await until_published(js, JarOpened(label="one"), ADDED)


async def test_the_relay_replaces_a_lost_stream_of_dead_letters(
    relay: Relay, postgres_store: PostgresStore, js: JetStream
) -> None:
    await append(postgres_store, JarOpened(label="one"))
    async with running(relay):
        await eventually(lambda: relay.saved_position)
        await js.delete_stream(DEAD_LETTERS)  # first, since the relay creates both again when it misses the other one
        await js.delete_stream("EVT_JAR")
        await until_published(js, JarOpened(label="one"))
        assert (await js.stream_info(DEAD_LETTERS)).state.messages == 0


async def test_events_stored_during_a_bus_outage_are_published_after_it(
    relay: Relay, postgres_store: PostgresStore, js: JetStream, client: Client, nats_server: EmbeddedNats
) -> None:
    async with running(relay):
        await eventually(lambda: relay.saved_position)
        shut_down(nats_server)
        await append(postgres_store, JarOpened(label="one"))
        await eventually(lambda: not client.is_connected)
        nats_server.start()
        await eventually(lambda: client.is_connected)
        await until_published(js, JarOpened(label="one"))


async def test_a_relay_resumes_after_a_database_outage(
    store_apart: PostgresStore, own_server: EmbeddedPostgres, js: JetStream
) -> None:
    async with running(relay := Relay(store_apart, js, "jar")):
        await eventually(lambda: relay.saved_position)
        restart(own_server)
        await append_when_available(store_apart, JarOpened(label="one"))
        await until_published(js, JarOpened(label="one"))
