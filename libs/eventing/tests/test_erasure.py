"""The events of deleted aggregates are erased in the table."""

import asyncio
from types import SimpleNamespace
from uuid import UUID

import pytest
from eventing.bus.wire import headers
from eventing.database import Database
from eventing.relay.work_stream import EventGone, stored_event
from eventing.store import START, DuplicateCommand
from eventing.store.erasure import Erasure
from eventing.store.postgres import PostgresStore
from eventing.testing.breaking import PASS_DELAY, WORD, Breaking
from eventing.testing.following import append
from eventing.testing.jars import Jar, project
from eventing.testing.messages import JAR, JarBroken, JarOpened, LockSet, MarbleAdded
from nats.errors import TimeoutError as NatsTimeout
from runtime.bus.envelope import Envelope
from runtime.bus.jetstream import JetStream

OTHER = UUID(int=2)
ADDED = MarbleAdded(colour="blue", size=1)
MANY = """
    INSERT INTO events (originator_id, originator_version, topic, state, envelope, recorded_at, owner)
    SELECT originator_id, n, topic, state, envelope, recorded_at, owner
    FROM events, generate_series(2, 2500) AS n WHERE originator_version = 1"""


@pytest.fixture
def breaking(postgres_store: PostgresStore, js: JetStream) -> Breaking:
    return Breaking(postgres_store, js)


@pytest.fixture
def replica(database: Database) -> PostgresStore:
    """Provide the store of another replica, with nothing in memory."""
    return PostgresStore(database, Jar.events, project)


async def test_events_of_a_deleted_aggregate_are_erased(breaking: Breaking) -> None:
    await breaking.open(ADDED)
    await breaking.break_jar()
    await breaking.publish()
    assert WORD in await breaking.dump()
    assert await breaking.erase() == 1
    assert WORD not in await breaking.dump()


async def test_the_deletion_and_the_place_of_each_event_remain(breaking: Breaking) -> None:
    places = "SELECT originator_version, tx::text, position, owner, recorded_at, command_id FROM events ORDER BY 1"
    await breaking.open(ADDED, LockSet(code="1"))
    await breaking.break_jar(JAR, ADDED)
    await breaking.publish()
    before = await breaking.database.fetch(places)
    await breaking.erase()
    assert await breaking.database.fetch(places) == before
    assert await breaking.topics() == [
        "evt.jar.opened;1;erased",
        "evt.jar.marble_added;2;erased",
        "evt.jar.lock_set;1;sealed;erased",
        "evt.jar.broken;1",
        "evt.jar.marble_added;2;erased",
    ]


async def test_nothing_is_erased_within_the_delay(breaking: Breaking) -> None:
    await breaking.open()
    await append(breaking.store, JarBroken())
    await breaking.publish()
    assert await breaking.erase() == 0
    left = await breaking.database.fetchval("SELECT due_at - now() BETWEEN '23:59' AND '24:00' FROM erasures")
    assert (WORD in await breaking.dump(), left) == (True, True)


async def test_nothing_is_erased_before_it_is_published(breaking: Breaking) -> None:
    await breaking.open()
    await breaking.publish()
    await breaking.break_jar()
    assert await breaking.erase() == 0
    await breaking.publish()
    assert await breaking.erase() == 1


async def test_other_aggregates_are_not_erased(breaking: Breaking) -> None:
    await breaking.open()
    await breaking.open(ADDED, id=OTHER)
    await breaking.break_jar()
    await breaking.publish()
    await breaking.erase()
    assert await breaking.topics(OTHER) == ["evt.jar.opened;1", "evt.jar.marble_added;2"]
    assert (await breaking.store.load(Jar, OTHER)).colours == ["blue"]


async def test_erasing_again_changes_nothing(breaking: Breaking) -> None:
    await breaking.open()
    await breaking.break_jar()
    await breaking.publish()
    await breaking.erase()
    before = await breaking.dump()
    await breaking.database.execute("UPDATE erasures SET erased_at = NULL, erased_version = 0")  # killed in between
    assert await breaking.erase() == 1
    assert await breaking.dump() == before


async def test_replicas_erase_concurrently(breaking: Breaking, js: JetStream) -> None:
    for number in range(20):
        await breaking.open(id=UUID(int=number))
        await breaking.break_jar(UUID(int=number))
    await breaking.publish()
    other = Erasure(breaking.database, js, "jar")
    assert sum(await asyncio.gather(breaking.erasure.erase_all(), other.erase_all())) == 20
    assert WORD not in await breaking.dump()


async def test_a_long_history_is_erased_in_batches(breaking: Breaking) -> None:
    await breaking.open()
    await breaking.database.execute(MANY)
    await breaking.break_jar()
    assert await breaking.database.fetchval("SELECT erase_events($1)", JAR) is False
    assert len([topic for topic in await breaking.topics() if topic.endswith(";erased")]) == 1000
    await breaking.publish()
    await breaking.erase()
    assert WORD not in await breaking.dump()


@pytest.mark.parametrize("batches", [1, 3])
async def test_an_erased_aggregate_is_loaded_as_deleted(
    breaking: Breaking, replica: PostgresStore, batches: int
) -> None:
    await breaking.open()
    await breaking.database.execute(MANY)
    await breaking.break_jar()
    for _ in range(batches):
        await breaking.database.fetchval("SELECT erase_events($1)", JAR)
    for store in (replica, breaking.store):
        jar = await store.load(Jar, JAR)
        assert (jar.deleted, jar.version, jar.label) == (True, 2501, "")


async def test_a_command_of_an_erased_aggregate_stays_recorded(breaking: Breaking) -> None:
    jar, envelope = Jar(JAR), Envelope.begin()
    jar.record(JarOpened(label=WORD))
    await breaking.store.save((jar,), envelope)
    await breaking.break_jar()
    await breaking.publish()
    await breaking.erase()
    with pytest.raises(DuplicateCommand):
        await breaking.store.load(Jar, JAR, envelope.message_id)


async def test_readers_skip_erased_events(breaking: Breaking) -> None:
    await breaking.open()
    [opened] = await breaking.store.feed(START, 1)
    await breaking.break_jar()
    await breaking.publish()
    await breaking.erase()
    assert [entry.recorded.event for entry in await breaking.store.feed(START, 10)] == [JarBroken()]
    assert await breaking.store.event(JAR, 1) is None
    assert await breaking.store.latest(JarOpened, JAR) is None
    with pytest.raises(EventGone):
        await stored_event(breaking.store, headers(opened.recorded, "jar"))


async def test_one_aggregate_that_fails_does_not_stop_the_others(
    breaking: Breaking, monkeypatch: pytest.MonkeyPatch
) -> None:
    for id in (JAR, OTHER):
        await breaking.open(id=id)
        await breaking.break_jar(id)
    await breaking.publish()
    delete = breaking.erasure.delete_messages

    async def fail_once(id: UUID, deletion: int) -> None:
        if id == JAR:
            raise TimeoutError
        await delete(id, deletion)

    monkeypatch.setattr(breaking.erasure, "delete_messages", fail_once)
    assert await breaking.erase() == 1
    monkeypatch.undo()
    assert await breaking.erase() == 1


async def test_erasing_stops_while_the_bus_is_unavailable(breaking: Breaking, monkeypatch: pytest.MonkeyPatch) -> None:
    for id in (JAR, OTHER):
        await breaking.open(id=id)
        await breaking.break_jar(id)
    await breaking.publish()
    attempts = list[object]()

    async def time_out(*of: object) -> None:
        attempts.append(of)
        raise NatsTimeout

    with monkeypatch.context() as bus:
        bus.setattr(breaking.erasure, "delete_messages", time_out)
        bus.setattr(breaking.erasure, "js", SimpleNamespace(stream_info=time_out))
        with pytest.raises(NatsTimeout):
            await breaking.erase()
    assert len(attempts) == 2
    assert await breaking.erase() == 2
    assert WORD not in await breaking.dump()


async def test_aggregates_that_were_deleted_before_the_upgrade_are_erased(breaking: Breaking) -> None:
    await breaking.database.execute('DROP TRIGGER "erase after evt.jar.broken" ON events')
    await breaking.open()
    await breaking.break_jar()
    await breaking.publish()
    assert await breaking.erase() == 0
    await breaking.database.execute("SELECT erase_after('evt.jar.broken')")  # the migration of the service
    assert await breaking.erase() == 0
    await breaking.database.execute(PASS_DELAY)
    assert await breaking.erase() == 1
    assert WORD not in await breaking.dump()
