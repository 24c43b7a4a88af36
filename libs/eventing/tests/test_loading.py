"""Loading from memory and from snapshots: quickly, and never anything but what the events say."""

import asyncio
from collections.abc import Callable
from uuid import UUID

import pytest
from eventing import loading, metrics, snapshots
from eventing.database import Connection, Database
from eventing.postgres import PostgresStore
from eventing.recording import EventMapper, Recorded
from eventing.store import AggregateNotFound
from eventing.testing import background, eventually
from eventing.testing.jars import Jar, project
from eventing.testing.messages import JAR, JarBroken, JarEvent, JarOpened, LockSet, MarbleAdded
from runtime.envelope import Envelope

DELETE = """
    INSERT INTO events (originator_id, originator_version, topic, state, envelope, recorded_at, owner)
    SELECT originator_id, 2, 'evt.jar.broken;1', '{}', envelope, now(), owner FROM events"""
OPENED, LOCKED = JarOpened.example(), LockSet(code="sesame")


def marble(colour: str) -> MarbleAdded:
    return MarbleAdded(colour=colour, size=1)


@pytest.fixture
def store(postgres_store: PostgresStore) -> PostgresStore:
    return postgres_store


@pytest.fixture
def replica(database: Database) -> PostgresStore:
    """Give the store of another replica, or of one that was started anew."""
    return PostgresStore(database, Jar.events, project)


@pytest.fixture
def folded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the topics of the events that are read, one after the other."""
    topics, to_event = list[str](), EventMapper.to_event

    def noted(mapper: EventMapper, topic: str, state: bytes, events: Callable[..., object]) -> object:
        topics.append(topic)
        return to_event(mapper, topic, state, events)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(EventMapper, "to_event", noted)
    return topics


async def grow(store: PostgresStore, *events: JarEvent) -> Jar:
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


def unreadable() -> float:
    return sum(sample.value for metric in metrics.snapshots_unreadable.collect() for sample in metric.samples[:1])


async def snapshot(database: Database) -> bytes | None:
    return await database.fetchval("SELECT state FROM snapshots WHERE originator_id = $1", JAR)


async def test_a_second_load_reads_no_event_again(store: PostgresStore, folded: list[str]) -> None:
    await grow(store, OPENED, marble("red"))
    first = await store.load(Jar, JAR)
    folded.clear()
    assert vars(await store.load(Jar, JAR)) == vars(first)
    assert folded == []


async def test_a_load_reads_the_events_that_another_replica_stored(
    store: PostgresStore, replica: PostgresStore, folded: list[str]
) -> None:
    await grow(store, OPENED)
    await store.load(Jar, JAR)
    await grow(replica, marble("red"))
    folded.clear()
    assert await colours(store) == ["red"]
    assert folded == ["evt.jar.marble_added;2"]


async def test_what_a_command_left_unsaved_is_not_remembered(store: PostgresStore) -> None:
    await grow(store, OPENED)
    refused = await store.load(Jar, JAR)
    refused.add("red")
    refused.colours.append("green")
    assert await colours(store) == []


async def test_what_could_not_be_saved_is_not_remembered(store: PostgresStore) -> None:
    await grow(store, OPENED)
    with pytest.raises(ValueError, match="nobody can see"):
        await grow(store, marble("invisible"))
    assert await colours(store) == []


async def test_a_command_that_is_cancelled_leaves_nothing(database: Database) -> None:
    reached = asyncio.Event()

    async def stuck(recorded: Recorded[JarEvent], _connection: Connection) -> None:
        if recorded.version > 1:
            reached.set()
            await asyncio.Event().wait()

    store = PostgresStore(database, Jar.events, stuck)
    await grow(store, OPENED)
    async with background(grow(store, marble("red"))):
        await reached.wait()
    assert await colours(store) == []


async def test_a_database_that_went_back_is_believed(store: PostgresStore, database: Database) -> None:
    await grow(store, OPENED, marble("red"))
    await store.load(Jar, JAR)
    await database.execute("DELETE FROM events WHERE originator_version = 2")
    assert await colours(store) == []


async def test_an_event_that_took_the_place_of_a_lost_one_is_believed(
    store: PostgresStore, replica: PostgresStore, database: Database
) -> None:
    await grow(store, OPENED, marble("red"))
    await store.load(Jar, JAR)
    await database.execute("DELETE FROM events WHERE originator_version = 2")
    await grow(replica, marble("blue"), marble("green"))
    assert await colours(store) == ["blue", "green"]


async def test_an_aggregate_that_is_gone_with_the_database_is_missing(store: PostgresStore, database: Database) -> None:
    await grow(store, OPENED)
    await store.load(Jar, JAR)
    await database.execute("DELETE FROM events")
    with pytest.raises(AggregateNotFound):
        await store.load(Jar, JAR)


async def test_a_deleted_aggregate_is_forgotten(store: PostgresStore, database: Database) -> None:
    await grow(store, OPENED, LOCKED)
    await take_snapshot(store)
    assert await snapshot(database)
    await grow(store, JarBroken())
    assert (len(store.loader.cache), await snapshot(database)) == (0, None)
    assert (await store.load(Jar, JAR)).deleted
    assert len(store.loader.cache) == 0


async def test_of_a_deleted_aggregate_no_snapshot_is_taken(store: PostgresStore, database: Database) -> None:
    await grow(store, OPENED)
    await grow(store, JarBroken())
    await take_snapshot(store)
    assert await snapshot(database) is None


async def test_a_snapshot_waits_for_a_deletion_that_is_under_way(
    store: PostgresStore, replica: PostgresStore, database: Database
) -> None:
    jar = await grow(store, OPENED)
    jar.record(JarBroken())
    async with database.transaction() as deletion:
        await replica.loader.delete(jar, deletion)
        taking = asyncio.get_running_loop().create_task(take_snapshot(store))
        await eventually(lambda: _someone_waits(database))
        await deletion.execute(DELETE)
    await taking
    assert await snapshot(database) is None


async def test_a_long_history_is_loaded_from_a_snapshot(
    store: PostgresStore, replica: PostgresStore, folded: list[str]
) -> None:
    await grow(store, OPENED, *[marble("red")] * 20)
    await take_snapshot(store)
    await grow(store, marble("blue"))
    folded.clear()
    assert vars(await replica.load(Jar, JAR)) == vars(await store.load(Jar, JAR))
    assert folded == ["evt.jar.marble_added;2"] * 2


async def test_a_snapshot_is_wanted_after_so_many_events(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "EVENTS_PER_SNAPSHOT", 3)
    wanted = store.loader.snapshots.requested
    await grow(store, OPENED, marble("red"))
    await store.load(Jar, JAR)
    assert not wanted
    await grow(store, marble("red"))
    await store.load(Jar, JAR)
    assert wanted == {JAR: Jar}
    wanted.clear()
    await grow(store, marble("red"), marble("red"))
    await store.load(Jar, JAR)
    assert not wanted


async def test_snapshots_that_wait_are_bounded(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "MAX_REQUESTED", 1)
    assert store.loader.snapshots.request(Jar, JAR)
    assert not store.loader.snapshots.request(Jar, UUID(int=2))


async def test_no_secret_is_in_a_snapshot_and_yet_it_is_loaded(
    store: PostgresStore, replica: PostgresStore, database: Database
) -> None:
    await grow(store, OPENED, LockSet(code="first"), LOCKED)
    await take_snapshot(store)
    assert LOCKED.code.encode() not in (await snapshot(database) or b"")
    assert (await replica.load(Jar, JAR)).code == LOCKED.code


async def test_a_snapshot_of_other_code_is_not_read(
    store: PostgresStore, replica: PostgresStore, database: Database
) -> None:
    await grow(store, OPENED, marble("red"))
    await take_snapshot(store)
    await database.execute("UPDATE snapshots SET fingerprint = 'other', state = '{\"label\": \"wrong\"}'")
    assert (await replica.load(Jar, JAR)).label == OPENED.label


@pytest.mark.parametrize("state", [b"", b"no json", b'{"colours": 1}', b'["label"]'])
async def test_a_snapshot_that_cannot_be_read_is_counted_and_passed_over(
    store: PostgresStore, replica: PostgresStore, database: Database, state: bytes
) -> None:
    await grow(store, OPENED, marble("red"))
    await take_snapshot(store)
    await database.execute("UPDATE snapshots SET state = $1", state)
    before = unreadable()
    assert await colours(replica) == ["red"]
    assert unreadable() == before + 1


async def test_a_snapshot_is_replaced_by_the_next(store: PostgresStore, database: Database) -> None:
    await grow(store, OPENED)
    for colour in ("red", "blue"):
        await grow(store, marble(colour))
        await take_snapshot(store)
    assert b"blue" in (await snapshot(database) or b"")


@pytest.mark.parametrize(("name", "most"), [("MAX_PAGE_ROWS", 3), ("MAX_PAGE_BYTES", 1), ("MAX_PAGE_BYTES", 70)])
async def test_a_history_is_read_in_portions(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch, name: str, most: int
) -> None:
    await grow(store, OPENED, *[marble(str(number)) for number in range(10)])
    monkeypatch.setattr(loading, name, most)
    assert await colours(store) == [*map(str, range(10))]
    await grow(store, *[marble(str(number)) for number in range(10, 20)])
    assert await colours(store) == [*map(str, range(20))]


async def test_the_memory_that_many_aggregates_take_is_bounded(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventing.state_cache.MAX_ENTRIES", 20)
    jars = [Jar(UUID(int=number)) for number in range(1_000)]
    for jar in jars:
        jar.record(JarOpened(label=str(jar.id)))
    await store.save((*jars,), Envelope.begin())
    for jar in jars:
        await store.load(Jar, jar.id)
    assert len(store.loader.cache) == 20


async def _someone_waits(database: Database) -> bool:
    return await database.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)")
