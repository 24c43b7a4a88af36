"""Counts of rows and of uses are exact, and transactions do not wait for each other to count."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

import asyncpg
import pytest
from contracts.refusals import Code
from eventing.database import Connection, Database
from eventing.database.counters import Counters
from eventing.handling import QueryContext
from eventing.handling.reading import Filters, Table
from eventing.migrating import OWN
from eventing.testing import eventually
from eventing.testing.harness import migrated
from eventing.testing.jars import MIGRATIONS
from onebox.testing.databases import Databases
from runtime.bus.envelope import Envelope
from runtime.clock import new_id

BY_MARBLES = Counters("jar_counts", "marbles")
JARS = Table("jars", Code.SESSION_NOT_FOUND, readable=None)
USES = Counters("jar_uses", "label")
DECLARED = "SELECT count_rows('jars', 'jar_counts', '{marbles}')"


@pytest.fixture
async def counted(databases: Databases) -> AsyncGenerator[Database]:
    async with migrated(databases, "jar", MIGRATIONS, DECLARED, as_owner=True) as database:
        yield database


@pytest.fixture
def tables() -> str:
    return "CREATE TABLE jar_uses (label text, slot int, n bigint, PRIMARY KEY (label, slot))"


async def fill(connection: Connection | Database, *marbles: int) -> None:
    for number in marbles:
        await connection.execute("INSERT INTO jars VALUES ($1, $2, $3)", new_id(), str(new_id()), number)


async def test_rows_are_counted_by_their_key(counted: Database):
    await fill(counted, 1, 1, 2)
    assert await BY_MARBLES.all(counted) == {1: 2, 2: 1}


async def test_a_changed_key_moves_its_count(counted: Database):
    await fill(counted, 1, 1)
    await counted.execute("UPDATE jars SET marbles = 3 WHERE id = (SELECT id FROM jars LIMIT 1)")
    await counted.execute("UPDATE jars SET label = label || '!', marbles = marbles")
    assert await BY_MARBLES.all(counted) == {1: 1, 3: 1}


async def test_a_deleted_row_is_no_longer_counted(counted: Database):
    await fill(counted, 1, 2)
    await counted.execute("DELETE FROM jars WHERE marbles = 1")
    assert await BY_MARBLES.all(counted) == {1: 0, 2: 1}


async def test_a_transaction_that_is_rolled_back_counts_nothing(counted: Database):
    with suppress(asyncpg.UniqueViolationError):
        async with counted.transaction() as connection:
            await fill(connection, 1)
            await connection.execute("INSERT INTO jars SELECT * FROM jars")
    assert await BY_MARBLES.all(counted) == {}


async def test_rows_that_existed_before_the_counter_are_counted(database: Database):
    await fill(database, 1, 1, 2)
    await database.execute(DECLARED)
    await fill(database, 2)
    assert await BY_MARBLES.all(database) == {1: 2, 2: 2}


async def test_rows_written_while_a_counter_is_created_are_counted_once(database: Database):
    async with asyncio.TaskGroup() as tasks, database.transaction() as declaring:
        await fill(declaring, 1)
        await declaring.execute(DECLARED)
        tasks.create_task(fill(database, 1))
        await eventually(
            lambda: declaring.fetchval(
                "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'jars'::regclass AND NOT granted)"
            )
        )
    assert await BY_MARBLES.all(database) == {1: 2}


async def test_counters_of_an_earlier_release_count_on(database: Database):
    earlier, present = ((OWN / name).read_text() for name in ("0005_counters.sql", "0014_counting.sql"))
    await database.execute(
        "DROP FUNCTION define_counting;" + earlier.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
    )
    await database.execute("SELECT count_rows('jars', 'jar_counts', '{marbles, label}')")
    await fill(database, 1)
    await database.execute(present)
    await database.execute(
        "INSERT INTO jars SELECT gen_random_uuid(), 'b', marbles FROM jars; DELETE FROM jars WHERE label = 'b'"
    )
    assert await BY_MARBLES.all(database) == {1: 1}
    assert "'INSERT' THEN" in await database.fetchval("SELECT prosrc FROM pg_proc WHERE proname = 'jar_counts'")


async def test_rows_are_counted_by_several_columns(database: Database):
    await database.execute("SELECT count_rows('jars', 'jar_counts', '{label, marbles}')")
    await database.execute("INSERT INTO jars VALUES ($1, 'a', 1), ($2, 'b', 1)", new_id(), new_id())
    rows = await database.fetch("SELECT label, marbles, sum(n)::int AS n FROM jar_counts GROUP BY 1, 2 ORDER BY 1")
    assert [tuple(row.values()) for row in rows] == [("a", 1, 1), ("b", 1, 1)]


async def test_open_transactions_do_not_wait_for_each_other_to_count(counted: Database):
    async with counted.transaction() as first, counted.transaction() as second:
        await fill(first, 1)
        await second.execute("SET LOCAL lock_timeout = '1s'")
        await fill(second, 1)
    assert await BY_MARBLES.all(counted) == {1: 2}


async def test_a_transaction_counts_in_a_free_slot(counted: Database):
    async with counted.transaction() as first, counted.transaction() as second:
        await first.execute("SELECT pg_advisory_xact_lock('jar_counts'::regclass::oid::int, s) "
                            "FROM generate_series(0, 63) s WHERE s <> 5")  # fmt: skip
        await fill(second, 1, 2)
        assert await second.fetchval("SELECT array_agg(slot) FROM jar_counts") == [5, 5]


async def test_counts_are_exact_when_no_slot_is_free(counted: Database):
    async with counted.transaction() as advisory_lock:
        await advisory_lock.execute("SELECT pg_advisory_xact_lock('jar_counts'::regclass::oid::int, s) "
                              "FROM generate_series(0, 63) s")  # fmt: skip
        async with asyncio.TaskGroup() as tasks:
            for _ in range(5):
                tasks.create_task(fill(counted, 1, 1))
    assert await BY_MARBLES.all(counted) == {1: 10}


async def test_uses_are_counted_by_key(database: Database):
    for label in ("a", "b", "a"):
        async with database.transaction() as connection:
            await USES.add(label, connection)
    assert await USES.all(database) == {"a": 2, "b": 1}


async def test_a_removed_key_has_no_count(database: Database):
    async with database.transaction() as connection:
        await USES.add("a", connection)
        await USES.remove("a", connection)
    assert await USES.all(database) == {}


async def test_a_count_can_be_selected_with_a_row(database: Database):
    await database.execute("INSERT INTO jars VALUES ($1, 'a', 1), ($2, 'b', 1)", new_id(), new_id())
    async with database.transaction() as connection:
        await USES.add("a", connection)
    columns = f"label, {USES.count_of('jars.label')} AS uses"
    rows, _ = await JARS.first(columns, 10, Filters(), QueryContext(database, Envelope.begin(), None))
    assert {row["label"]: row["uses"] for row in rows} == {"a": 1, "b": 0}
