"""The connection pool: types, transactions, limits, advisory locks, and outages of the server."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import suppress
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from eventing import database as module
from eventing.database import TRANSIENT_ERRORS, Connection, Database
from eventing.retrying import wait_until_available
from eventing.testing import eventually
from onebox.postgres import EmbeddedPostgres
from onebox.processes import is_alive
from onebox.testing.unrooted import copied_postgres

from libs.eventing.tests.servers import restart, shut_down


@pytest_asyncio.fixture
async def small(database_url: str) -> AsyncGenerator[Database]:
    async with Database.open(database_url, "jar", size=2) as database:
        yield database


@pytest.fixture(scope="module")
def _restartable(servers: None) -> Generator[EmbeddedPostgres]:
    with copied_postgres() as server:
        yield server


@pytest.fixture
def own_server(_restartable: EmbeddedPostgres) -> EmbeddedPostgres:
    """Provide a server that runs, and that tests may stop and start."""
    if not _restartable.child.running():
        _restartable.start()
    return _restartable


def deep(levels: int) -> Any:
    return {"a": deep(levels - 1)} if levels else 1


async def test_a_statement_finds_the_tables_of_the_schema(database: Database) -> None:
    assert await database.fetchval("SELECT current_schema()") == "jar"


@pytest.mark.parametrize("value", [{"a": [1, None, "ü"]}, [], "text", None, deep(253)])
async def test_json_is_read_and_written_as_python_values(small: Database, value: Any) -> None:
    assert await small.fetchval("SELECT $1::jsonb", value) == value


async def test_a_transaction_that_fails_leaves_nothing(small: Database) -> None:
    await small.execute("CREATE TABLE public.marbles (id int)")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await _insert_and_fail(small)
    assert await small.fetchval("SELECT count(*) FROM public.marbles") == 0


async def _insert_and_fail(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute("INSERT INTO public.marbles VALUES (1)")
        await connection.execute("SELECT 1/0")


async def test_no_more_connections_are_opened_than_allowed(small: Database) -> None:
    async with asyncio.TaskGroup() as tasks:
        for _ in range(10):
            tasks.create_task(small.execute("SELECT pg_sleep(0.01)"))
    count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'jar'"
    assert await small.fetchval(count) == 2


async def test_waiting_for_a_free_connection_times_out(small: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async with small.connection(), small.connection():
        with monkeypatch.context() as impatient:
            impatient.setattr(module, "CONNECT_TIMEOUT", 0.05)
            with pytest.raises(TimeoutError):
                await small.fetchval("SELECT 1")
    assert await small.fetchval("SELECT 1") == 1


async def test_a_statement_that_times_out_is_cancelled_on_the_server(small: Database) -> None:
    async with Database.open(small.url, "jar", statement_timeout=0.5) as database:
        with pytest.raises(TimeoutError):
            await database.execute("SELECT pg_sleep(60)")
        running = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND state = 'active'"
        await eventually(lambda: _is_zero(small, running))


async def _is_zero(database: Database, count: str) -> bool:
    return await database.fetchval(count) == 0


async def test_a_cancelled_statement_releases_its_connection(small: Database) -> None:
    for _ in range(5):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await small.execute("SELECT pg_sleep(60)")
    assert await small.fetchval("SELECT 1") == 1


async def test_a_lock_has_one_holder(small: Database) -> None:
    async with (
        small.advisory_lock("one") as first,
        small.advisory_lock("one") as second,
        small.advisory_lock("two") as other,
    ):
        assert [one is not None for one in (first, second, other)] == [True, False, True]


async def test_a_lock_is_free_after_its_block(small: Database) -> None:
    async with small.advisory_lock("one"):
        pass
    await eventually(lambda: _is_free(small, "one"))


async def test_a_lock_is_free_after_its_block_raised(small: Database) -> None:
    with pytest.raises(LookupError):
        async with small.advisory_lock("one"):
            raise LookupError
    await eventually(lambda: _is_free(small, "one"))


async def _is_free(database: Database, lock: str) -> bool:
    async with database.advisory_lock(lock) as free:
        return free is not None


async def test_a_check_raises_when_the_server_is_down(own_server: EmbeddedPostgres) -> None:
    async with Database.open(own_server.url, "jar") as database:
        await database.check()
        shut_down(own_server)
        with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
            await database.check()


async def test_the_pool_recovers_after_the_server_was_down(own_server: EmbeddedPostgres) -> None:
    async with Database.open(own_server.url, "jar", size=3) as database:
        await asyncio.gather(*(database.execute("SELECT pg_sleep(0.01)") for _ in range(3)))
        restart(own_server)
        await eventually(lambda: not database.pool.get_size())  # the event loop was blocked: let it notice the end
        assert await asyncio.gather(*(database.fetchval("SELECT 1") for _ in range(5))) == [1] * 5


async def end(connection: Connection | Database) -> None:
    """Have the server end the connection as when it stops; the event loop has not noticed it yet."""
    pid = await connection.fetchval("SELECT pg_backend_pid()")
    os.kill(pid, signal.SIGTERM)
    while is_alive(pid):
        time.sleep(0.001)  # noqa: ASYNC251  see above


async def test_each_error_of_a_connection_that_has_just_ended_is_transient(database_url: str) -> None:
    async with Database.open(database_url, "jar", size=1) as database:
        for turns in range(5):  # of the event loop, which reads the reason and the end of the connection one by one
            await end(database)
            for _ in range(turns):
                await asyncio.sleep(0)
            with suppress(*TRANSIENT_ERRORS):
                await database.check()
            await wait_until_available(database)


async def test_only_the_transaction_of_a_lost_connection_fails(database_url: str) -> None:
    async with Database.open(database_url, "jar", size=1) as database:
        with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
            await _lose_in_transaction(database)
        assert await database.fetchval("SELECT 1") == 1


async def _lose_in_transaction(database: Database) -> None:
    async with database.transaction() as connection:
        await end(connection)
        await connection.execute("SELECT 1")


async def test_a_lost_lock_raises_nothing_in_its_block(own_server: EmbeddedPostgres) -> None:
    async with Database.open(own_server.url, "jar") as database:
        async with database.advisory_lock("one"):
            shut_down(own_server)
        own_server.start()
        assert await _is_free(database, "one")
