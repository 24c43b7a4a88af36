"""A database that tests use one after the other is for each as it was when it was copied."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
import pytest
from onebox.testing.databases import Databases
from onebox.testing.planted import planted

type Changed = Callable[[str], Awaitable[list[str]]]
TABLES = """
    CREATE TABLE counter (total int); INSERT INTO counter VALUES (1);
    CREATE TABLE item (position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text);
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'append only'; END $$;
    CREATE TRIGGER append_only BEFORE DELETE ON item EXECUTE FUNCTION refuse();"""
STATE = "SELECT (SELECT total FROM counter), (SELECT count(*) FROM item), (SELECT last_value FROM item_position_seq)"


@asynccontextmanager
async def connected(url: str) -> AsyncGenerator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def fill(url: str) -> None:
    async with connected(url) as connection:
        await connection.execute(TABLES)


@pytest.fixture
async def template(databases: Databases) -> str:
    return await databases.template("reused", fill)


async def after(databases: Databases, template: str, statement: str) -> tuple[bool, tuple[int, ...]]:
    """Execute a statement in a database, and return whether the next test gets the same one, and its state."""
    async with databases.reused(template) as first, connected(first) as connection:
        await connection.execute(statement)
    async with databases.reused(template) as second, connected(second) as connection:
        return first == second, tuple(await connection.fetchrow(STATE) or ())


@pytest.mark.parametrize(
    "statement",
    ["INSERT INTO item (name) VALUES ('a'), ('b')", "UPDATE counter SET total = 2", "DELETE FROM counter", "SELECT 1"],
)
async def test_rows_and_sequences_are_restored(databases: Databases, template: str, statement: str) -> None:
    assert await after(databases, template, statement) == (True, (1, 0, 1))


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE other (id int)",
        "ALTER TABLE counter ADD COLUMN name text",
        "DROP TRIGGER append_only ON item",
        "CREATE FUNCTION two() RETURNS int LANGUAGE sql AS 'SELECT 2'",
        "REVOKE ALL ON counter FROM agentapi",
        "GRANT ALL ON SCHEMA public TO agentapi_service",
        "INSERT INTO item (name) SELECT 'many' FROM generate_series(1, 1000)",
    ],
)
async def test_a_changed_or_large_database_is_not_used_again(
    databases: Databases, template: str, statement: str
) -> None:
    assert await after(databases, template, statement) == (False, (1, 0, 1))


async def test_a_database_with_an_open_connection_is_not_used_again(databases: Databases, template: str) -> None:
    async with databases.reused(template) as first:
        connection = await asyncpg.connect(first)
    async with databases.reused(template) as second:
        assert first != second
    connection.terminate()


async def test_two_tests_at_once_have_two_databases(databases: Databases, template: str) -> None:
    async with databases.reused(template) as first, databases.reused(template) as second:
        assert first != second


async def test_a_secret_in_a_reused_database_is_found(databases: Databases, template: str) -> None:
    with pytest.raises(AssertionError, match="item"):
        async with databases.reused(template) as url, connected(url) as connection:
            await connection.execute("INSERT INTO item (name) VALUES ($1)", planted("in a row"))
