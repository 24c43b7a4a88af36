"""The reads for which events there are tasks: one for many events, and each begins after its events."""

import asyncio
from typing import cast
from uuid import UUID

import pytest
from contracts.session.session import SessionCreated
from contracts.task_scheduler.task import PauseTask
from eventing.database import Database, Row
from runtime.clock import new_id
from runtime.testing import background, eventually
from task_scheduler import event_starts
from task_scheduler.event_starts import FIND, EventStarts, Pair

from .desk import OWNER, STRANGER, Desk
from .event_source import EventSource

FAILED, CREATED = "session.run_failed", "session.created"


class Stored:
    """The stored events that start tasks; a read ends when `proceed` is set."""

    def __init__(self) -> None:
        self.pairs, self.reads = set[Pair](), list[set[Pair]]()
        self.proceed = asyncio.Event()
        self.error: Exception | None = None
        self.proceed.set()

    async def fetch(self, _: str, users: list[UUID], events: list[str]) -> list[Row]:
        """Return the pairs that are stored when the read begins."""
        asked = set(zip(users, events, strict=True))
        self.reads.append(asked)
        found = asked & self.pairs
        await self.proceed.wait()
        if self.error:
            raise self.error
        return [{"user_id": user, "event": event} for user, event in found]


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> Stored:
    monkeypatch.setattr(event_starts, "INTERVAL_SECONDS", 0.0)
    return Stored()


@pytest.fixture
def starts(stored: Stored) -> EventStarts:
    return EventStarts(cast(Database, stored))


async def test_events_during_a_read_share_the_next_one(stored: Stored, starts: EventStarts) -> None:
    stored.pairs, users = {(OWNER.user_id, FAILED)}, [new_id() for _ in range(50)]
    answers = await asyncio.gather(*(starts.has(user, FAILED) for user in (STRANGER.user_id, *users, OWNER.user_id)))
    assert answers == [*[False] * 51, True]
    assert len(stored.reads) == 1


async def test_a_task_that_is_stored_during_a_read_counts_for_the_next_event(
    stored: Stored, starts: EventStarts
) -> None:
    stored.proceed.clear()
    async with background(starts.has(OWNER.user_id, FAILED)) as [earlier]:
        await eventually(lambda: stored.reads)
        stored.pairs.add((OWNER.user_id, FAILED))
        async with background(starts.has(OWNER.user_id, FAILED)) as [later]:
            await asyncio.sleep(0)
            stored.proceed.set()
            assert [await earlier, await later] == [False, True]


async def test_nothing_is_kept_between_two_reads(stored: Stored, starts: EventStarts) -> None:
    for stored.pairs, expected in ((set[Pair](), False), ({(OWNER.user_id, FAILED)}, True), (set[Pair](), False)):
        assert await starts.has(OWNER.user_id, FAILED) is expected


async def test_a_failed_read_fails_its_events_and_not_later_ones(stored: Stored, starts: EventStarts) -> None:
    stored.error = TimeoutError()
    failed = await asyncio.gather(*(starts.has(new_id(), FAILED) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in failed] == [TimeoutError] * 3
    assert len(stored.reads) == 1
    stored.error = None
    assert not await starts.has(OWNER.user_id, FAILED)


async def test_a_cancelled_event_leaves_the_read_to_the_others(stored: Stored, starts: EventStarts) -> None:
    stored.pairs.add((OWNER.user_id, FAILED))
    stored.proceed.clear()
    async with background(starts.has(STRANGER.user_id, FAILED), starts.has(OWNER.user_id, FAILED)) as [first, second]:
        await eventually(lambda: stored.reads)
        first.cancel()
        stored.proceed.set()
        assert await second
    assert stored.reads == [{(STRANGER.user_id, FAILED), (OWNER.user_id, FAILED)}] * 2


async def test_events_that_start_nothing_cost_one_read_together(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await desk.create(on=[FAILED])
    statements: list[str] = []

    async def fetch(_: Database, statement: str, *_args: object) -> list[Row]:
        statements.append(statement)
        return []

    for name in ("fetch", "fetchrow", "fetchval"):
        monkeypatch.setattr(Database, name, fetch)
    source = EventSource(desk)
    await asyncio.gather(*(source.publish(SessionCreated.example(), id=new_id()) for _ in range(20)))
    assert statements == [FIND]


async def test_a_paused_task_costs_no_more_than_none(desk: Desk) -> None:
    task = await desk.create(on=[FAILED, CREATED])
    assert await desk.dependencies.event_starts.has(OWNER.user_id, FAILED)
    await desk.send(PauseTask(task_id=task.id))
    assert not await desk.dependencies.event_starts.has(OWNER.user_id, FAILED)


@pytest.mark.parametrize("read", ["many events", "one event"])
async def test_the_events_that_start_tasks_are_found_by_the_primary_key(desk: Desk, read: str) -> None:
    await desk.create(on=[CREATED])
    await desk.database.execute(
        "INSERT INTO event_starts SELECT gen_random_uuid(), event, task_id, since "
        "FROM event_starts, generate_series(1, 9999)"
    )
    await desk.database.execute("ANALYZE event_starts")
    one = (
        "SELECT task_id FROM event_starts WHERE user_id = $1 AND event = 'session.created' AND since < now() "
        "ORDER BY task_id LIMIT 21"
    )
    if read == "one event":
        plan = await desk.database.fetch(f"EXPLAIN {one}", OWNER.user_id)
    else:
        plan = await desk.database.fetch(f"EXPLAIN {FIND}", [OWNER.user_id] * 20, [CREATED] * 20)
    assert "event_starts_pkey" in "".join(row["QUERY PLAN"] for row in plan)
