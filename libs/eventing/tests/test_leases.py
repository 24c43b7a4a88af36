"""Who may work on what is not finished, and what nobody works on."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from eventing import leases as module
from eventing.database import Database
from eventing.leases import AttemptFailed, Leases, TakenOver, UnfinishedWork
from eventing.postgres import PostgresStore
from eventing.recording import EventTooNew, Recorded
from eventing.testing import eventually
from eventing.testing.jars import Jar
from eventing.testing.messages import JarOpened
from runtime.bus import NoResponders
from runtime.clock import new_id
from runtime.envelope import Envelope
from runtime.testing import background

EMPTY = UnfinishedWork("SELECT id AS aggregate, id AS work FROM jars WHERE marbles = 0", lambda recorded: recorded.id)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SWEEP_SECONDS", 0.05)
    monkeypatch.setattr(module, "RENEWAL_SECONDS", 0.05)


@pytest.fixture
async def opened(postgres_store: PostgresStore) -> Recorded[Any]:
    """A jar that somebody has to put a marble into."""
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


async def test_work_is_taken_by_one(database: Database, opened: Recorded[Any]) -> None:
    lease = await Leases(database).acquire("fill", EMPTY, opened)
    assert lease
    assert (lease.work, lease.attempt) == (opened.id, 1)
    with pytest.raises(TakenOver):
        await Leases(database).acquire("fill", EMPTY, opened)


async def test_work_is_not_taken_twice_by_the_same(
    database: Database, opened: Recorded[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEASE_DURATION", timedelta(0))
    one = Leases(database)
    await one.acquire("fill", EMPTY, opened)
    with pytest.raises(TakenOver):
        await one.acquire("fill", EMPTY, opened)


async def test_finished_work_is_not_taken_and_writes_nothing(database: Database, opened: Recorded[Any]) -> None:
    await finish(database)
    assert await Leases(database).acquire("fill", EMPTY, opened) is None
    assert await rows(database) == 0


async def test_work_without_a_sign_of_life_is_taken_by_another(
    database: Database, opened: Recorded[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEASE_DURATION", timedelta(0))
    await Leases(database).acquire("fill", EMPTY, opened)
    second = await Leases(database).acquire("fill", EMPTY, opened)
    assert second
    assert second.attempt == 2


async def test_a_lease_that_is_renewed_lasts(
    database: Database, opened: Recorded[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Leases(database)
    await one.acquire("fill", EMPTY, opened)
    await database.execute("UPDATE leases SET until = now()")
    async with background(one.renew()):
        await eventually(lambda: database.fetchval("SELECT until > now() FROM leases"))


async def test_a_lease_that_another_took_is_not_renewed(database: Database, opened: Recorded[Any]) -> None:
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


async def test_work_that_was_done_leaves_no_lease(database: Database, opened: Recorded[Any]) -> None:
    one = Leases(database)
    lease = await one.acquire("fill", EMPTY, opened)
    assert lease
    async with one.hold(lease, 60):
        await finish(database)
    assert (await rows(database), one.held) == (0, set())


async def test_work_that_failed_is_left_alone_for_a_while(database: Database, opened: Recorded[Any]) -> None:
    one = Leases(database)
    lease = await one.acquire("fill", EMPTY, opened)
    assert lease
    with pytest.raises(AttemptFailed, match="too slippery"):
        async with one.hold(lease, 60):
            raise ValueError("too slippery")
    with pytest.raises(TakenOver):
        await one.acquire("fill", EMPTY, opened)


async def test_work_that_is_given_back_is_taken_at_once(database: Database, opened: Recorded[Any]) -> None:
    one = Leases(database)
    lease = await one.acquire("fill", EMPTY, opened)
    assert lease
    with pytest.raises(TakenOver):
        async with one.hold(lease, 60):
            raise TakenOver
    assert await Leases(database).acquire("fill", EMPTY, opened)


@pytest.mark.parametrize("reason", [TakenOver(), EventTooNew(), NoResponders(), asyncio.CancelledError()])
async def test_work_that_has_not_failed_counts_no_try(
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


async def test_work_is_swept_when_it_is_without_a_sign_of_life_at_two_looks(
    database: Database, postgres_store: PostgresStore, opened: Recorded[Any]
) -> None:
    one, looks = Leases(database), list[UUID]()
    await one.acquire("fill", EMPTY, opened)
    forsaken = await opened_jar(postgres_store)
    async for orphan, first in Leases(database).sweep("fill", EMPTY):
        looks.append(orphan.work)
        assert first
        if len(looks) == 3:
            break
    assert looks == [forsaken.id] * 3


async def test_leases_of_long_ago_are_forgotten(database: Database) -> None:
    await database.execute("INSERT INTO leases VALUES ('fill', $1, $1, now() - interval '2 days', 1)", new_id())
    sweep = Leases(database).sweep("fill", EMPTY)
    async with background(anext(sweep)):  # pyright: ignore[reportArgumentType]  an awaitable will do
        await eventually(lambda: _empty(database))


async def _empty(database: Database) -> bool:
    return await rows(database) == 0
