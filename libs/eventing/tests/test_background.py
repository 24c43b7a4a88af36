"""The connection for background work: one statement at a time, replaced when broken, and its locks."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

import asyncpg
import pytest
import pytest_asyncio
from eventing.database import TRANSIENT_ERRORS, Database
from eventing.testing import eventually

PID = "SELECT pg_backend_pid()"


@pytest_asyncio.fixture
async def replica(database_url: str) -> AsyncGenerator[Database]:
    async with Database.open(database_url, "jar") as database:
        yield database


@pytest_asyncio.fixture
async def other(database_url: str) -> AsyncGenerator[Database]:
    async with Database.open(database_url, "jar") as database:
        yield database


async def _break(replica: Database, other: Database) -> None:
    await other.execute("SELECT pg_terminate_backend($1)", await replica.background.fetchval(PID))


async def test_statements_at_the_same_time_share_a_connection(replica: Database) -> None:
    assert len({*await asyncio.gather(*(replica.background.fetchval(PID) for _ in range(5)))}) == 1


async def test_a_failed_statement_keeps_the_connection(replica: Database) -> None:
    pid = await replica.background.fetchval(PID)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await replica.background.execute("SELECT 1/0")
    assert await replica.background.fetchval(PID) == pid


async def test_a_broken_connection_is_replaced(replica: Database, other: Database) -> None:
    await _break(replica, other)
    with suppress(*TRANSIENT_ERRORS):  # unless it is seen to be closed already
        await replica.background.fetchval(PID)
    assert await replica.background.fetchval(PID)


async def test_a_statement_follows_one_that_was_cancelled(replica: Database) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await replica.background.execute("SELECT pg_sleep(60)")
    assert await replica.background.fetchval("SELECT 1") == 1


async def test_a_lock_excludes_other_replicas_and_tasks(replica: Database, other: Database) -> None:
    async with replica.background.lock("one") as held:
        assert held
        async with replica.background.lock("one") as task, other.background.lock("one") as process:
            assert (task, process) == (None, None)


async def test_a_lock_is_free_after_its_block_while_others_are_held(replica: Database, other: Database) -> None:
    async with replica.background.lock("two"):
        with pytest.raises(LookupError):
            async with replica.background.lock("one"):
                raise LookupError
        async with other.background.lock("one") as free, other.background.lock("two") as held:
            assert free
            assert held is None


async def test_a_lost_lock_makes_the_statements_of_its_block_fail(replica: Database, other: Database) -> None:
    async with replica.background.lock("one") as held:
        assert held
        await _break(replica, other)
        with pytest.raises(TRANSIENT_ERRORS):
            await held.fetchval(PID)
        assert await replica.background.fetchval(PID)
        with pytest.raises(asyncpg.InterfaceError):
            await held.fetchval(PID)
    async with replica.background.lock("one") as again:
        assert again


async def test_closing_frees_the_locks(database_url: str, other: Database) -> None:
    async with Database.open(database_url, "jar") as closed:
        lock = closed.background.lock("one")
        assert await lock.__aenter__()
        closed.background.close()
        await lock.__aexit__(None, None, None)
        await eventually(lambda: _is_free(other))


async def _is_free(database: Database) -> bool:
    async with database.background.lock("one") as free:
        return free is not None
