"""A transaction that defers writes has the same effect, whether it sends them merged or one by one."""

from typing import Any, cast

import asyncpg
import pytest
import pytest_asyncio
from eventing.database import Database
from eventing.database.deferred import deferred_transaction

ADD = "INSERT INTO jars (id, label) VALUES (gen_random_uuid(), $1)"
COUNT = "UPDATE jars SET marbles = marbles + $1 WHERE label = $2"
REPLACE = """
    WITH gone AS (DELETE FROM jars WHERE label = $1)
    INSERT INTO jars (id, label) VALUES (gen_random_uuid(), $2)"""
COPY = "INSERT INTO jars (id, label) SELECT id, 'a copy' FROM jars WHERE label = $1"
JARS = "SELECT label, marbles FROM jars ORDER BY label"


@pytest_asyncio.fixture
async def sent(database: Database) -> list[str]:
    """Provide the statements that are sent. The pool reuses the last released connection first, so one is logged."""
    statements: list[str] = []

    def log(record: Any) -> None:
        statements.append(record.query)

    async with database.connection() as connection:
        cast(Any, connection).add_query_logger(log)
    return statements


async def write(database: Database, *writes: tuple[str, str], error: Exception | None = None) -> None:
    async with deferred_transaction(database) as connection:
        for statement, label in writes:
            await connection.execute(statement, label)
        if error:
            raise error


async def jars(database: Database) -> list[tuple[str, int]]:
    return [(row["label"], row["marbles"]) for row in await database.fetch(JARS)]


@pytest.mark.parametrize("others", [0, 1, 4])
async def test_writes_to_different_tables_are_one_statement(database: Database, sent: list[str], others: int) -> None:
    tables = [f"others{number}" for number in range(others)]
    for table in tables:
        await database.execute(f"CREATE TABLE {table} (label text)")
    sent.clear()
    async with deferred_transaction(database) as connection:
        await connection.execute(ADD, "one")
        for table in tables:
            await connection.execute(f"INSERT INTO {table} VALUES ($1)", table)  # noqa: S608  no input
    assert len(sent) == 1
    assert await jars(database) == [("one", 0)]
    assert [await database.fetchval(f"SELECT label FROM {table}") for table in tables] == tables  # noqa: S608


async def test_a_write_sees_earlier_ones_to_its_table(database: Database, sent: list[str]) -> None:
    async with deferred_transaction(database) as connection:
        await connection.execute(ADD, "one")
        await connection.execute(COUNT, 1, "one")
    assert len(sent) == 4
    assert await jars(database) == [("one", 1)]


async def test_a_write_that_reads_a_changed_table_sees_its_changes(database: Database) -> None:
    await database.execute("CREATE TABLE others (label text)")
    async with deferred_transaction(database) as connection:
        await connection.execute(ADD, "one")
        await connection.execute("INSERT INTO others SELECT label FROM jars")
    assert await database.fetchval("SELECT label FROM others") == "one"


async def test_writes_that_depend_on_each_other_keep_their_order(database: Database) -> None:
    async with deferred_transaction(database) as connection:
        await connection.execute(ADD, "one")
        await connection.execute(COUNT, 1, "one")
        await connection.execute("UPDATE jars SET marbles = marbles * $1 WHERE label = $2", 2, "one")
    assert await jars(database) == [("one", 2)]


async def test_a_read_sees_the_writes_before_it(database: Database) -> None:
    async with deferred_transaction(database) as connection:
        await connection.execute(ADD, "one")
        assert await connection.fetchval("SELECT count(*) FROM jars") == 1
        assert await connection.fetchrow("SELECT label FROM jars") == ("one",)
        assert await connection.fetch("SELECT label FROM jars") == [("one",)]


async def test_a_write_that_cannot_be_merged_is_sent_alone(database: Database) -> None:
    async with deferred_transaction(database) as connection:
        await connection.execute(ADD, "one")
        await connection.execute(REPLACE, "one", "two")
    assert await jars(database) == [("two", 0)]


@pytest.mark.parametrize("writes", [1, 2, 3])
async def test_nothing_is_written_when_the_block_raises(database: Database, writes: int) -> None:
    with pytest.raises(LookupError):
        await write(database, *[(ADD, str(n)) for n in range(writes)], error=LookupError())
    assert await jars(database) == []


@pytest.mark.parametrize("labels", [["one", "one"], ["one", "two", "one"]])
async def test_nothing_is_written_when_a_write_fails(database: Database, labels: list[str]) -> None:
    with pytest.raises(asyncpg.UniqueViolationError):
        await write(database, *[(ADD, label) for label in labels])
    assert await jars(database) == []


async def test_the_error_of_the_first_failing_write_is_raised(database: Database) -> None:
    await write(database, (ADD, "duplicate"))
    with pytest.raises(asyncpg.UniqueViolationError) as violation:
        await write(database, (ADD, "duplicate"), (COPY, "duplicate"))
    assert violation.value.constraint_name == "jars_label"
