"""The reads for which events there are tasks: one for many events."""

from uuid import UUID

import pytest
from contracts.messages import Event
from contracts.session.run import RunFailed
from contracts.session.session import SessionCreated
from contracts.task_scheduler.task import PauseTask
from eventing.bus.wire import EventHeaders
from eventing.database import Database, Row
from eventing.recording import Recorded
from runtime.bus.envelope import Envelope
from runtime.clock import new_id
from task_scheduler.event_starts import FIND, starting

from .desk import NOON, OWNER, STRANGER, Desk

FAILED, CREATED = "session.run_failed", "session.created"


def headers(event: Event, owner: UUID = OWNER.user_id) -> EventHeaders:
    """Return the headers of an event of a session of that owner."""
    return EventHeaders.of(Recorded(new_id(), 1, NOON, event, Envelope.begin(), owner))


async def test_only_events_that_tasks_of_their_owner_name_start_some(desk: Desk) -> None:
    await desk.create(on=[FAILED])
    failed, created = RunFailed.example(), SessionCreated.example()
    events = [headers(created), headers(failed), headers(failed, STRANGER.user_id), headers(failed)]
    assert await starting(events, desk.database) == [False, True, False, True]


async def test_a_task_counts_as_soon_as_it_is_stored(desk: Desk) -> None:
    events = [headers(RunFailed.example())]
    assert await starting(events, desk.database) == [False]
    await desk.create(on=[FAILED])
    assert await starting(events, desk.database) == [True]


async def test_many_events_cost_one_read(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    statements: list[str] = []

    async def fetch(_: Database, statement: str, *_args: object) -> list[Row]:
        statements.append(statement)
        return []

    monkeypatch.setattr(Database, "fetch", fetch)
    events = [headers(SessionCreated.example(), new_id()) for _ in range(20)]
    assert await starting(events, desk.database) == [False] * 20
    assert statements == [FIND]


async def test_a_paused_task_is_started_by_no_event(desk: Desk) -> None:
    task, events = await desk.create(on=[FAILED, CREATED]), [headers(RunFailed.example())]
    assert await starting(events, desk.database) == [True]
    await desk.send(PauseTask(task_id=task.id))
    assert await starting(events, desk.database) == [False]


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
