"""Loading from the cache and from snapshots always yields the state of the stored events."""

import asyncio
from collections.abc import Callable
from uuid import UUID

import pytest
from eventing import metrics
from eventing.database import Connection, Database
from eventing.recording import EventMapper, Recorded
from eventing.store import AggregateNotFound, loading, snapshots
from eventing.store.postgres import PostgresStore
from eventing.testing import background, eventually
from eventing.testing.jars import Jar, project
from eventing.testing.messages import JAR, JarBroken, JarEvent, JarOpened, LockSet, MarbleAdded
from runtime.bus.envelope import Envelope

STORE_DELETION = """
    INSERT INTO events (originator_id, originator_version, topic, state, envelope, recorded_at, owner)
    SELECT originator_id, 2, 'evt.jar.broken;1', '{}', envelope, now(), owner FROM events"""
OPENED, LOCKED = JarOpened.example(), LockSet(code="plantedsecret")


def marble(colour: str) -> MarbleAdded:
    return MarbleAdded(colour=colour, size=1)


@pytest.fixture
def store(postgres_store: PostgresStore) -> PostgresStore:
    return postgres_store


@pytest.fixture
def replica(database: Database) -> PostgresStore:
    """Provide the store of another replica, or of one that was restarted."""
    return PostgresStore(database, Jar.events, project)


@pytest.fixture
def folded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Provide the topics of the events that are read, in order."""
    topics, to_event = list[str](), EventMapper.to_event

    def log_topic(mapper: EventMapper, topic: str, state: bytes, events: Callable[..., object]) -> object:
        topics.append(topic)
        return to_event(mapper, topic, state, events)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(EventMapper, "to_event", log_topic)
    return topics


async def save_events(store: PostgresStore, *events: JarEvent) -> Jar:
    try:
        jar = await store.load(Jar, JAR)
    except AggregateNotFound:
        jar = Jar(JAR)
    for event in events:
        jar.record(event)
    await store.save((jar,), Envelope.begin())
    return jar


async def colours(store: PostgresStore) -> list[str]:
    return (await store.load(Jar, JAR)).colours


async def take_snapshot(store: PostgresStore) -> None:
    store.loader.snapshots.request(Jar, JAR)
    await store.loader.write_snapshots()


def unreadable_snapshots() -> float:
    return sum(sample.value for metric in metrics.snapshots_unreadable.collect() for sample in metric.samples[:1])


async def snapshot(database: Database) -> bytes | None:
    return await database.fetchval("SELECT state FROM snapshots WHERE originator_id = $1", JAR)


async def test_a_second_load_reads_no_events(store: PostgresStore, folded: list[str]) -> None:
    await save_events(store, OPENED, marble("red"))
    first = await store.load(Jar, JAR)
    folded.clear()
    assert vars(await store.load(Jar, JAR)) == vars(first)
    assert folded == []


async def test_a_load_reads_the_events_that_another_replica_stored(
    store: PostgresStore, replica: PostgresStore, folded: list[str]
) -> None:
    await save_events(store, OPENED)
    await store.load(Jar, JAR)
    await save_events(replica, marble("red"))
    folded.clear()
    assert await colours(store) == ["red"]
    assert folded == ["evt.jar.marble_added;2"]


async def test_unsaved_changes_are_not_cached(store: PostgresStore) -> None:
    await save_events(store, OPENED)
    refused = await store.load(Jar, JAR)
    refused.add("red")
    refused.colours.append("green")
    assert await colours(store) == []


async def test_changes_whose_save_failed_are_not_cached(store: PostgresStore) -> None:
    await save_events(store, OPENED)
    with pytest.raises(ValueError, match="an invisible marble"):
        await save_events(store, marble("invisible"))
    assert await colours(store) == []


async def test_a_cancelled_save_leaves_nothing(database: Database) -> None:
    reached = asyncio.Event()

    async def block(recorded: Recorded[JarEvent], _connection: Connection) -> None:
        if recorded.version > 1:
            reached.set()
            await asyncio.Event().wait()

    store = PostgresStore(database, Jar.events, block)
    await save_events(store, OPENED)
    async with background(save_events(store, marble("red"))):
        await reached.wait()
    assert await colours(store) == []


async def test_the_cache_follows_a_database_that_was_restored(store: PostgresStore, database: Database) -> None:
    await save_events(store, OPENED, marble("red"))
    await store.load(Jar, JAR)
    await database.execute("DELETE FROM events WHERE originator_version = 2")
    assert await colours(store) == []


async def test_the_cache_follows_an_event_that_replaced_a_lost_one(
    store: PostgresStore, replica: PostgresStore, database: Database
) -> None:
    await save_events(store, OPENED, marble("red"))
    await store.load(Jar, JAR)
    await database.execute("DELETE FROM events WHERE originator_version = 2")
    await save_events(replica, marble("blue"), marble("green"))
    assert await colours(store) == ["blue", "green"]


async def test_a_cached_aggregate_that_the_database_lost_is_not_found(store: PostgresStore, database: Database) -> None:
    await save_events(store, OPENED)
    await store.load(Jar, JAR)
    await database.execute("DELETE FROM events")
    with pytest.raises(AggregateNotFound):
        await store.load(Jar, JAR)


async def test_a_deleted_aggregate_is_neither_cached_nor_in_a_snapshot(
    store: PostgresStore, database: Database
) -> None:
    await save_events(store, OPENED, LOCKED)
    await take_snapshot(store)
    assert await snapshot(database)
    await save_events(store, JarBroken())
    assert (len(store.loader.cache), await snapshot(database)) == (0, None)
    assert (await store.load(Jar, JAR)).deleted
    assert len(store.loader.cache) == 0


async def test_no_snapshot_is_taken_of_a_deleted_aggregate(store: PostgresStore, database: Database) -> None:
    await save_events(store, OPENED)
    await save_events(store, JarBroken())
    await take_snapshot(store)
    assert await snapshot(database) is None


async def test_a_snapshot_waits_for_a_deletion_in_progress(
    store: PostgresStore, replica: PostgresStore, database: Database
) -> None:
    jar = await save_events(store, OPENED)
    jar.record(JarBroken())
    async with database.transaction() as deletion:
        await replica.loader.delete(jar, deletion)
        taking = asyncio.get_running_loop().create_task(take_snapshot(store))
        await eventually(lambda: _lock_is_awaited(database))
        await deletion.execute(STORE_DELETION)
    await taking
    assert await snapshot(database) is None


async def test_a_long_history_is_loaded_from_a_snapshot(
    store: PostgresStore, replica: PostgresStore, folded: list[str]
) -> None:
    await save_events(store, OPENED, *[marble("red")] * 20)
    await take_snapshot(store)
    await save_events(store, marble("blue"))
    folded.clear()
    assert vars(await replica.load(Jar, JAR)) == vars(await store.load(Jar, JAR))
    assert folded == ["evt.jar.marble_added;2"] * 2


async def test_a_snapshot_is_requested_after_a_number_of_events(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "EVENTS_PER_SNAPSHOT", 3)
    wanted = store.loader.snapshots.requested
    await save_events(store, OPENED, marble("red"))
    await store.load(Jar, JAR)
    assert not wanted
    await save_events(store, marble("red"))
    await store.load(Jar, JAR)
    assert wanted == {JAR: Jar}
    wanted.clear()
    await save_events(store, marble("red"), marble("red"))
    await store.load(Jar, JAR)
    assert not wanted


async def test_requested_snapshots_are_bounded(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "MAX_REQUESTED", 1)
    assert store.loader.snapshots.request(Jar, JAR)
    assert not store.loader.snapshots.request(Jar, UUID(int=2))


async def test_a_secret_is_loaded_though_it_is_not_in_the_snapshot(
    store: PostgresStore, replica: PostgresStore, database: Database
) -> None:
    await save_events(store, OPENED, LockSet(code="first"), LOCKED)
    await take_snapshot(store)
    assert LOCKED.code.encode() not in (await snapshot(database) or b"")
    assert (await replica.load(Jar, JAR)).code == LOCKED.code


async def test_a_snapshot_of_another_release_is_not_used(
    store: PostgresStore, replica: PostgresStore, database: Database
) -> None:
    await save_events(store, OPENED, marble("red"))
    await take_snapshot(store)
    await database.execute("UPDATE snapshots SET fingerprint = 'other', state = '{\"label\": \"wrong\"}'")
    assert (await replica.load(Jar, JAR)).label == OPENED.label


@pytest.mark.parametrize("state", [b"", b"no json", b'{"colours": 1}', b'["label"]'])
async def test_an_unreadable_snapshot_is_counted_and_ignored(
    store: PostgresStore, replica: PostgresStore, database: Database, state: bytes
) -> None:
    await save_events(store, OPENED, marble("red"))
    await take_snapshot(store)
    await database.execute("UPDATE snapshots SET state = $1", state)
    before = unreadable_snapshots()
    assert await colours(replica) == ["red"]
    assert unreadable_snapshots() == before + 1


async def test_a_newer_snapshot_replaces_an_older_one(store: PostgresStore, database: Database) -> None:
    await save_events(store, OPENED)
    for colour in ("red", "blue"):
        await save_events(store, marble(colour))
        await take_snapshot(store)
    assert b"blue" in (await snapshot(database) or b"")


@pytest.mark.parametrize(("name", "limit"), [("MAX_PAGE_ROWS", 3), ("MAX_PAGE_BYTES", 1), ("MAX_PAGE_BYTES", 70)])
async def test_a_history_is_read_in_bounded_portions(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch, name: str, limit: int
) -> None:
    await save_events(store, OPENED, *[marble(str(number)) for number in range(10)])
    monkeypatch.setattr(loading, name, limit)
    assert await colours(store) == [*map(str, range(10))]
    await save_events(store, *[marble(str(number)) for number in range(10, 20)])
    assert await colours(store) == [*map(str, range(20))]


async def test_the_cache_of_aggregates_is_bounded(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventing.store.state_cache.MAX_ENTRIES", 20)
    jars = [Jar(UUID(int=number)) for number in range(1_000)]
    for jar in jars:
        jar.record(JarOpened(label=str(jar.id)))
    await store.save((*jars,), Envelope.begin())
    for jar in jars:
        await store.load(Jar, jar.id)
    assert len(store.loader.cache) == 20


async def _lock_is_awaited(database: Database) -> bool:
    return await database.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)")
