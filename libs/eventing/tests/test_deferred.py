"""A transaction that defers writes has the same effect, whether it sends them merged or one by one."""

from contextlib import suppress

import asyncpg
import pytest
import pytest_asyncio
from eventing.database import Database
from eventing.database.committing import after_commit
from eventing.database.deferred import KnownValues, Unexpected, deferred_transaction
from eventing.testing.statements import logged_statements

ADD = "INSERT INTO jars (id, label) VALUES (gen_random_uuid(), $1)"
COUNT = "UPDATE jars SET marbles = marbles + $1 WHERE label = $2"
REPLACE = """
    WITH gone AS (DELETE FROM jars WHERE label = $1)
    INSERT INTO jars (id, label) VALUES (gen_random_uuid(), $2)"""
COPY = "INSERT INTO jars (id, label) SELECT id, 'a copy' FROM jars WHERE label = $1"
MARBLES = "SELECT marbles FROM jars WHERE label = $1"
OTHERS = ["others", "others1", "others2", "others3"]
JARS = "SELECT label, marbles FROM jars ORDER BY label"


@pytest_asyncio.fixture
async def sent(database: Database) -> list[str]:
    """Provide the statements that are sent."""
    return await logged_statements(database)


@pytest.fixture
def tables() -> str:
    return "".join(f"CREATE TABLE {table} (label text);" for table in OTHERS)


async def write(database: Database, *writes: tuple[str, str], error: Exception | None = None) -> None:
    async with deferred_transaction(database) as connection:
        for statement, label in writes:
            await connection.execute(statement, label)
        if error:
            raise error


async def jars(database: Database) -> list[tuple[str, int]]:
    return [(row["label"], row["marbles"]) for row in await database.fetch(JARS)]


@pytest.mark.parametrize("count", [0, 1, 4])
async def test_writes_to_different_tables_are_one_statement(database: Database, sent: list[str], count: int) -> None:
    tables = OTHERS[:count]
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


async def test_writes_after_a_read_are_one_statement(database: Database, sent: list[str]) -> None:
    async with deferred_transaction(database) as connection:
        await connection.execute(ADD, "one")
        await connection.fetch("SELECT label FROM jars")
        await connection.execute(COUNT, 1, "one")
        await connection.execute("INSERT INTO others VALUES ($1)", "one")
    assert [statement.split()[0] for statement in sent] == ["BEGIN;", "INSERT", "SELECT", "WITH", "COMMIT;"]
    assert await jars(database) == [("one", 1)]


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


async def expect_no_jar(database: Database, label: str, known: KnownValues, *more: str) -> int | None:
    """Write to another table, expect that there is no jar with a label, write more, and return the jar's marbles."""
    async with deferred_transaction(database, known) as connection:
        await connection.execute("INSERT INTO others VALUES ($1)", label)
        marbles = await connection.expect_none(MARBLES, label)
        for statement in more:
            await connection.execute(statement)
    return marbles


async def number_of_others(database: Database) -> int:
    return await database.fetchval("SELECT count(*) FROM others")


async def test_to_find_nothing_costs_no_statement(database: Database, sent: list[str]) -> None:
    assert await expect_no_jar(database, "one", KnownValues()) is None
    assert len(sent) == 1
    assert await number_of_others(database) == 1


async def test_nothing_is_written_if_an_expectation_fails(database: Database) -> None:
    await write(database, (ADD, "one"))
    with pytest.raises(Unexpected):
        await expect_no_jar(database, "one", KnownValues())
    assert await number_of_others(database) == 0


async def test_an_unexpected_value_is_read_the_next_time(database: Database) -> None:
    known = KnownValues()
    await write(database, (ADD, "one"))
    with pytest.raises(Unexpected):
        await expect_no_jar(database, "one", known)
    assert [await expect_no_jar(database, label, known) for label in ("one", "one", "two")] == [0, 0, None]
    assert await number_of_others(database) == 3


async def test_after_a_value_the_same_query_is_read_once_for_others(database: Database, sent: list[str]) -> None:
    known = KnownValues()
    await write(database, (ADD, "one"))
    await write(database, (ADD, "two"))
    with pytest.raises(Unexpected):
        await expect_no_jar(database, "one", known)
    assert [await expect_no_jar(database, label, known) for label in ("two", "three")] == [0, None]
    sent.clear()
    assert await expect_no_jar(database, "three", known) is None
    assert len(sent) == 1


async def test_a_value_that_is_gone_is_no_longer_read(database: Database, sent: list[str]) -> None:
    known = KnownValues()
    await write(database, (ADD, "one"))
    with pytest.raises(Unexpected):
        await expect_no_jar(database, "one", known)
    await database.execute("DELETE FROM jars")
    await expect_no_jar(database, "one", known)
    sent.clear()
    await expect_no_jar(database, "one", known)
    assert len(sent) == 1


async def test_an_expectation_about_a_written_table_sees_the_writes(database: Database) -> None:
    async with deferred_transaction(database) as connection:
        await connection.execute(ADD, "one")
        assert await connection.expect_none(MARBLES, "one") == 0


async def test_an_expectation_is_checked_before_writes_that_depend_on_each_other(database: Database) -> None:
    await write(database, (ADD, "one"))
    with pytest.raises(Unexpected):
        await expect_no_jar(database, "one", KnownValues(), "UPDATE others SET label = 'two'", "DELETE FROM jars")
    assert await number_of_others(database) == 0


async def test_what_follows_a_commit_happens_once_it_has_committed(database: Database) -> None:
    seen = list[str]()
    async with deferred_transaction(database) as connection:
        await connection.execute(ADD, "one")
        after_commit(lambda: seen.append("committed"))
        assert seen == []
    assert seen == ["committed"]


async def test_what_follows_a_commit_does_not_happen_after_a_failure(database: Database) -> None:
    seen = list[str]()
    with suppress(LookupError):
        async with deferred_transaction(database) as connection:
            await connection.execute(ADD, "one")
            after_commit(lambda: seen.append("committed"))
            raise LookupError
    await write(database, (ADD, "two"))
    assert (seen, await jars(database)) == ([], [("two", 0)])
