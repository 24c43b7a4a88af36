"""The read models of tasks and executions, and the due times that events set and cancel."""

from datetime import timedelta
from typing import Any

from runtime.clock import now

from .desk import OWNER, Desk

HOURLY: dict[str, Any] = {"is_scheduled": True, "schedule_cron": "@hourly"}


async def test_creating_a_task_returns_its_view(desk: Desk) -> None:
    task = await desk.create(name="Nightly", on=["session.run_failed"], sdk_options={"max_turns": 3})
    assert (task.name, task.user_id, task.is_active, task.on) == ("Nightly", OWNER.user_id, True, ["session.run_failed"])
    assert (task.sdk_options.max_turns, task.next_run_at, task.last_status) == (3, None, None)


async def test_a_scheduled_task_shows_its_next_run_and_has_a_due_time(desk: Desk) -> None:
    task = await desk.create(**HOURLY)
    assert task.next_run_at
    assert timedelta() < task.next_run_at - now() <= timedelta(hours=1)
    assert await desk.due() == {"tick": task.next_run_at}


async def test_the_due_time_of_a_tick_includes_its_jitter(desk: Desk) -> None:
    task = await desk.create(**HOURLY, jitter_seconds=3600)
    assert task.next_run_at
    assert task.next_run_at < (await desk.due())["tick"] < task.next_run_at + timedelta(hours=1)
