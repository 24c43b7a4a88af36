"""Leases on unfinished work, and the search for work that no live replica holds."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from eventing import leases as module
from eventing.database import Database
from eventing.leases import AttemptFailed, Leases, TakenOver, UnfinishedWork
from eventing.recording import EventTooNew, Recorded
from eventing.store.postgres import PostgresStore
from eventing.testing import eventually
from eventing.testing.jars import Jar
from eventing.testing.messages import JarOpened
from runtime.bus import NoResponders
from runtime.bus.envelope import Envelope
from runtime.clock import new_id
from runtime.testing import background

pytestmark = pytest.mark.usefixtures("fast_leases")

EMPTY = UnfinishedWork("SELECT id AS aggregate, id AS work FROM jars WHERE marbles = 0", lambda recorded: recorded.id)


@pytest.fixture
async def opened(postgres_store: PostgresStore) -> Recorded[Any]:
    """Provide the opening of a jar, whose work is to add a marble."""
    return await opened_jar(postgres_store)


async def opened_jar(store: PostgresStore, jar_id: UUID | None = None) -> Recorded[Any]:
    jar = Jar(jar_id or new_id())
    jar.record(JarOpened(label=str(jar.id)))
    await store.save((jar,), Envelope.begin())
    recorded = await store.latest(JarOpened, jar.id)
    assert recorded
    return recorded


async def finish(database: Database) -> None:
    await database.execute("UPDATE jars SET marbles = 1")


async def rows(database: Database) -> int:
    return await database.fetchval("SELECT count(*) FROM leases")


async def test_work_has_one_holder(database: Database, opened: Recorded[Any]) -> None:
    lease = await Leases(database).acquire("fill", EMPTY, opened)
    assert lease
    assert (lease.work, lease.attempt) == (opened.id, 1)
    with pytest.raises(TakenOver):
        await Leases(database).acquire("fill", EMPTY, opened)


async def test_a_replica_does_not_acquire_its_own_expired_lease_again(
    database: Database, opened: Recorded[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEASE_DURATION", timedelta(0))
    one = Leases(database)
    await one.acquire("fill", EMPTY, opened)
    with pytest.raises(TakenOver):
        await one.acquire("fill", EMPTY, opened)


async def test_finished_work_gets_no_lease_and_writes_nothing(database: Database, opened: Recorded[Any]) -> None:
    await finish(database)
    assert await Leases(database).acquire("fill", EMPTY, opened) is None
    assert await rows(database) == 0


async def test_work_whose_lease_expired_is_acquired_by_another_replica(
    database: Database, opened: Recorded[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEASE_DURATION", timedelta(0))
    await Leases(database).acquire("fill", EMPTY, opened)
    second = await Leases(database).acquire("fill", EMPTY, opened)
    assert second
    assert second.attempt == 2


async def test_a_renewed_lease_does_not_expire(
    database: Database, opened: Recorded[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Leases(database)
    await one.acquire("fill", EMPTY, opened)
    await database.execute("UPDATE leases SET until = now()")
    async with background(one.renew()):
        await eventually(lambda: database.fetchval("SELECT until > now() FROM leases"))


async def test_a_lease_that_another_replica_acquired_is_not_renewed(database: Database, opened: Recorded[Any]) -> None:
    one, two = Leases(database), Leases(database)
    await one.acquire("fill", EMPTY, opened)
    await database.execute("UPDATE leases SET until = now()")
    await two.acquire("fill", EMPTY, opened)
    await database.execute("UPDATE leases SET until = 'infinity'")
    mine = await opened_jar(PostgresStore(database, Jar.events, _nothing))
    await database.execute("INSERT INTO jars (id, label) VALUES ($1, 'mine')", mine.id)
    await one.acquire("fill", EMPTY, mine)
    async with background(one.renew()):
        before = await database.fetchval("SELECT until FROM leases WHERE work = $1", mine.id)
        await eventually(lambda: database.fetchval("SELECT until > $2 FROM leases WHERE work = $1", mine.id, before))
    assert await database.fetchval("SELECT until = 'infinity' FROM leases WHERE work = $1", opened.id)


async def _nothing(*_: object) -> None:
    pass


async def test_completed_work_leaves_no_lease(database: Database, opened: Recorded[Any]) -> None:
    one = Leases(database)
    lease = await one.acquire("fill", EMPTY, opened)
    assert lease
    async with one.hold(lease, 60):
        await finish(database)
    assert (await rows(database), one.held) == (0, set())


async def test_failed_work_is_not_available_until_its_delay_is_over(database: Database, opened: Recorded[Any]) -> None:
    one = Leases(database)
    lease = await one.acquire("fill", EMPTY, opened)
    assert lease
    with pytest.raises(AttemptFailed, match="too slippery"):
        async with one.hold(lease, 60):
            raise ValueError("too slippery")
    with pytest.raises(TakenOver):
        await one.acquire("fill", EMPTY, opened)


async def test_released_work_is_available_immediately(database: Database, opened: Recorded[Any]) -> None:
    one = Leases(database)
    lease = await one.acquire("fill", EMPTY, opened)
    assert lease
    with pytest.raises(TakenOver):
        async with one.hold(lease, 60):
            raise TakenOver
    assert await Leases(database).acquire("fill", EMPTY, opened)


@pytest.mark.parametrize("reason", [TakenOver(), EventTooNew(), NoResponders(), asyncio.CancelledError()])
async def test_work_that_was_interrupted_uses_up_no_try(
    database: Database, opened: Recorded[Any], reason: BaseException
) -> None:
    one = Leases(database)
    lease = await one.acquire("fill", EMPTY, opened)
    assert lease
    with pytest.raises(type(reason)):
        async with one.hold(lease, 60):
            raise reason
    again = await Leases(database).acquire("fill", EMPTY, opened)
    assert again
    assert again.attempt == lease.attempt


async def test_work_without_a_live_lease_at_two_searches_is_found(
    database: Database, postgres_store: PostgresStore, opened: Recorded[Any]
) -> None:
    one, found = Leases(database), list[UUID]()
    await one.acquire("fill", EMPTY, opened)
    abandoned = await opened_jar(postgres_store)
    async for orphan, first in Leases(database).sweep("fill", EMPTY):
        found.append(orphan.work)
        assert first
        if len(found) == 3:
            break
    assert found == [abandoned.id] * 3


async def test_old_leases_are_deleted(database: Database) -> None:
    await database.execute("INSERT INTO leases VALUES ('fill', $1, $1, now() - interval '2 days', 1)", new_id())
    sweep = Leases(database).sweep("fill", EMPTY)
    async with background(anext(sweep)):  # pyright: ignore[reportArgumentType]  any awaitable works
        await eventually(lambda: _empty(database))


async def _empty(database: Database) -> bool:
    return await rows(database) == 0
