"""Features of the PostgreSQL store alone: read models in the same transaction, and a feed without gaps."""

import asyncio
from contextlib import suppress
from uuid import UUID

import pytest
from eventing.database import Connection, Database
from eventing.recording import Recorded
from eventing.store import START, AggregateNotFound, Conflict, UniqueViolation
from eventing.store.postgres import PostgresStore
from eventing.testing import eventually
from eventing.testing.jars import Jar
from eventing.testing.messages import JAR, JarEvent, JarOpened, MarbleAdded
from runtime.bus.envelope import Envelope
from runtime.clock import new_id

OTHER = UUID(int=2)


async def save_jar(store: PostgresStore, label: str = "blue ones", at: UUID = JAR) -> Jar:
    jar = Jar(at)
    jar.record(JarOpened(label=label))
    await store.save((jar,), Envelope.begin())
    return jar


async def feed(store: PostgresStore) -> list[JarEvent]:
    return [entry.recorded.event for entry in await store.feed(START, 100)]


async def append(connection: Connection, label: str) -> None:
    """Append as the store does, in a transaction that the test keeps open."""
    await connection.execute(
        "INSERT INTO events (originator_id, originator_version, topic, state, envelope, recorded_at, owner) "
        "VALUES ($1, 1, 'evt.jar.opened;1', $2, $3, now(), $1)",
        new_id(),
        JarOpened(label=label).model_dump_json().encode(),
        Envelope.begin().headers(),
    )


async def test_a_read_model_is_written_with_the_event(postgres_store: PostgresStore, database: Database) -> None:
    await save_jar(postgres_store)
    assert [*await database.fetch("SELECT label, marbles FROM jars")] == [("blue ones", 0)]


async def test_a_failing_projection_stores_nothing(postgres_store: PostgresStore) -> None:
    jar = Jar(JAR)
    jar.record(JarOpened(label="magic"))
    jar.record(MarbleAdded(colour="invisible", size=1))
    with pytest.raises(ValueError, match="an invisible marble"):
        await postgres_store.save((jar,), Envelope.begin())
    with pytest.raises(AggregateNotFound):
        await postgres_store.load(Jar, JAR)


async def test_a_duplicate_value_names_its_index_and_stores_nothing(postgres_store: PostgresStore) -> None:
    await save_jar(postgres_store)
    with pytest.raises(UniqueViolation, match=r"^jars_label$"):
        await save_jar(postgres_store, at=OTHER)
    with pytest.raises(AggregateNotFound):
        await postgres_store.load(Jar, OTHER)


async def test_a_deadlock_between_read_models_is_a_conflict(postgres_store: PostgresStore, database: Database) -> None:
    await save_jar(postgres_store, "one")
    await save_jar(postgres_store, "two", OTHER)
    both_wrote = asyncio.Barrier(2)

    async def update_two(recorded: Recorded[JarOpened], db: Connection) -> None:
        first, second = recorded.event.label.split(", ")
        await db.fetchval("UPDATE jars SET marbles = 1 WHERE label = $1 RETURNING id", first)
        await both_wrote.wait()
        await db.execute("UPDATE jars SET marbles = 1 WHERE label = $1", second)

    store = PostgresStore(database, Jar.events, update_two)
    saves = [save_jar(store, "one, two", new_id()), save_jar(store, "two, one", new_id())]
    results = await asyncio.gather(*saves, return_exceptions=True)
    assert [type(result) for result in results if isinstance(result, Exception)] == [Conflict]


async def test_events_are_stored_under_their_subject_and_version(
    postgres_store: PostgresStore, database: Database
) -> None:
    jar = await save_jar(postgres_store)
    jar.record(MarbleAdded.example())
    await postgres_store.save((jar,), Envelope.begin())
    rows = await database.fetch("SELECT topic FROM events ORDER BY position")
    assert [row["topic"] for row in rows] == ["evt.jar.opened;1", "evt.jar.marble_added;2"]


async def test_an_event_of_an_old_version_is_read_in_the_current_form(
    postgres_store: PostgresStore, database: Database
) -> None:
    jar = await save_jar(postgres_store)
    jar.record(MarbleAdded.example())
    await postgres_store.save((jar,), Envelope.begin())
    old = b'{"colour": "red"}'
    await database.execute("UPDATE events SET topic = 'evt.jar.marble_added;1', state = $1 WHERE position = 2", old)
    assert (await feed(postgres_store))[1] == MarbleAdded(colour="red", size=1)
    assert (await postgres_store.load(Jar, JAR)).colours == ["red"]


async def test_the_feed_ends_at_the_oldest_open_transaction(postgres_store: PostgresStore, database: Database) -> None:
    async with database.transaction() as slow:
        await append(slow, "slow")
        await save_jar(postgres_store, "fast")
        assert await feed(postgres_store) == []
    await eventually(lambda: feed(postgres_store))
    assert await feed(postgres_store) == [JarOpened(label="slow"), JarOpened(label="fast")]


async def test_the_feed_continues_after_a_rolled_back_transaction(
    postgres_store: PostgresStore, database: Database
) -> None:
    with suppress(LookupError):
        async with database.transaction() as failing:
            await append(failing, "never")
            await save_jar(postgres_store, "fast")
            raise LookupError
    assert await feed(postgres_store) == [JarOpened(label="fast")]


async def test_no_event_appears_before_the_cursor(postgres_store: PostgresStore, database: Database) -> None:
    seen: list[JarEvent] = []

    async def write(n: int) -> None:
        async with database.transaction() as connection:
            await append(connection, str(n))
            await asyncio.sleep(0.001 * (n * 7 % 5))  # positions are assigned in one order, commits happen in another

    async def follow() -> None:
        cursor = START
        while len(seen) < 60:
            for entry in await postgres_store.feed(cursor, 7):
                seen.append(entry.recorded.event)
                cursor = entry.cursor

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(follow())
        for n in range(60):
            tasks.create_task(write(n))
    assert seen == await feed(postgres_store)
    assert len({event.label for event in seen if isinstance(event, JarOpened)}) == 60


async def test_an_idle_transaction_times_out(postgres_store: PostgresStore, database: Database) -> None:
    async with database.connection() as connection:
        assert await connection.fetchval("SHOW idle_in_transaction_session_timeout") == "30s"
    await save_jar(postgres_store)
