"""Tasks that their schedule starts, and executions that overlap. Tests of a tick share the wait for it."""

from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from onebox.testing.system import System, until
from runtime import clock
from simulator.testing import scripted

from tests.e2e.tasks import EVERY_MINUTE, EVERY_YEAR, FINE, TICK_SECONDS, UserTask
from tests.e2e.user import HELD, User, error, let_go, newcomer

DATED = scripted({"text": "{{task_name}} of {{date}} {{time}}, {{scheduled_for}}"})


@dataclass(frozen=True)
class Ticked:
    """Tasks of one user after a tick of the schedule that they share."""

    dated: UserTask
    skipping: UserTask
    paused: UserTask
    enabled: UserTask
    incomplete: UserTask


@pytest.fixture(scope="module")
def owner(system: System) -> Generator[User]:
    yield from newcomer(system)


@pytest.fixture(scope="module")
def ticked(system: System, owner: User) -> Generator[Ticked]:
    """Wait for one tick of several tasks, and pause them."""
    every_minute = {"schedule_cron": EVERY_MINUTE}
    held, paused = (UserTask.create(owner, prompt, schedule_cron=EVERY_YEAR) for prompt in (HELD, FINE))
    session_id = held.execute()["session_id"]
    paused.post("pause").raise_for_status()
    for task in (held, paused):
        task.tick_every_minute()
    tasks = Ticked(
        dated=UserTask.create(owner, DATED, **every_minute, schedule_timezone="Asia/Kolkata", name="dated"),
        skipping=held,
        paused=paused,
        enabled=UserTask.create(owner, **every_minute, is_scheduled=False),
        incomplete=UserTask.create(owner, "Read {{file}}", **every_minute),
    )
    for task in (tasks.dated, tasks.skipping, tasks.incomplete):
        task.first(TICK_SECONDS, trigger="scheduled")
        task.post("pause").raise_for_status()
    yield tasks
    let_go(system, session_id)


def test_a_tick_starts_an_execution_with_free_variables_in_its_zone(ticked: Ticked) -> None:
    execution = ticked.dated.first(trigger="scheduled")
    tick = instant(execution["scheduled_for"])
    local = tick + timedelta(hours=5, minutes=30)
    assert (execution["status"], tick.second) == ("completed", 0)
    text = ticked.dated.run(execution)["text"]
    assert text.startswith(f"dated of {local:%Y-%m-%d} {local:%H:%M}, {tick:%Y-%m-%dT%H:%M}")


def test_a_scheduled_execution_is_named_by_the_session_of_its_owner(ticked: Ticked, owner: User) -> None:
    execution = ticked.dated.first(trigger="scheduled")
    session = owner.http.get(f"/sessions/{execution['session_id']}").raise_for_status().json()
    assert session["name"].startswith("dated ")
    assert session["mode"] == "non_interactive"


def test_a_tick_during_an_execution_is_skipped_by_default(ticked: Ticked) -> None:
    execution = ticked.skipping.first(trigger="scheduled")
    assert (execution["status"], execution["error_code"]) == ("skipped", "TASK_BUSY")
    assert execution["session_id"] is None


def test_no_tick_starts_a_paused_task(ticked: Ticked) -> None:
    assert ticked.paused.executions() == []
    assert ticked.paused.view()["next_run_at"] is None


def test_no_tick_starts_a_task_whose_schedule_is_off(ticked: Ticked) -> None:
    assert ticked.enabled.executions() == []


def test_a_tick_without_a_needed_variable_fails_naming_it(ticked: Ticked) -> None:
    execution = ticked.incomplete.first(trigger="scheduled")
    assert (execution["status"], execution["error_code"]) == ("failed", "VARIABLES_MISSING")
    assert "file" in execution["error_detail"]


def test_the_next_runs_of_a_task_are_the_ticks_of_its_schedule(user: User) -> None:
    task = UserTask.create(user, schedule_cron=EVERY_YEAR, schedule_timezone="Europe/Berlin")
    runs = user.http.get(f"{task.path}/next-runs", params={"count": 3}).raise_for_status().json()["items"]
    assert [instant(run) for run in runs] == sorted(map(instant, runs))
    assert len(runs) == 3
    assert runs[0] == task.view()["next_run_at"]


@pytest.fixture
def held_task(user: User, system: System, request: pytest.FixtureRequest) -> Generator[UserTask]:
    """A task with the overlap policy of the test's parameter, in whose first execution the agent works."""
    task = UserTask.create(user, HELD, overlap_policy=request.param)
    task.started()
    yield task
    for execution in task.executions(status="pending") + task.executions(status="running"):
        task.post(f"executions/{execution['id']}/cancel")


def overlap(policy: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("held_task", [policy], indirect=True)


@overlap("skip")
def test_skip_refuses_an_execution_by_hand_while_one_is_active(held_task: UserTask) -> None:
    assert error(held_task.post("execute", {})) == (409, "TASK_BUSY")
    assert len(held_task.executions()) == 1


@overlap("queue_one")
def test_queue_one_lets_one_execution_wait(held_task: UserTask, system: System) -> None:
    waiting = held_task.execute()
    assert (waiting["status"], waiting["session_id"]) == ("pending", None)
    assert error(held_task.post("execute", {})) == (409, "TASK_BUSY")
    let_go(system, held_task.executions()[-1]["session_id"])
    until(lambda: held_task.execution(waiting["execution_id"])["status"] == "running")


@overlap("queue_all")
def test_queue_all_runs_executions_one_after_the_other(held_task: UserTask, system: System) -> None:
    order = [held_task.executions()[0]["id"], *(held_task.execute()["execution_id"] for _ in range(2))]
    for number, execution_id in enumerate(order):
        until(lambda id=execution_id: held_task.execution(id)["status"] == "running")
        assert [held_task.execution(id)["status"] for id in order[number + 1 :]] == ["pending"] * (2 - number)
        let_go_when_working(held_task, system, execution_id)
    assert [held_task.ended(execution_id)["status"] for execution_id in order] == ["completed"] * 3


@overlap("cancel_running")
def test_cancel_running_replaces_the_active_execution(held_task: UserTask) -> None:
    replaced = held_task.executions()[0]
    started = held_task.execute()
    assert started["status"] == "running"
    assert held_task.ended(replaced["id"])["status"] == "cancelled"
    until(lambda: held_task.run(replaced)["status"] == "cancelled")


@overlap("allow")
def test_allow_runs_executions_at_the_same_time(held_task: UserTask) -> None:
    held_task.execute()
    assert len(held_task.executions(status="running")) == 2


def test_a_backfill_executes_the_ticks_of_a_period_in_order(user: User) -> None:
    task = UserTask.create(user, scripted({"text": "{{scheduled_for}}"}), schedule_cron="0 3 * * *")
    end = clock.now().replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)
    period = {"from": (end - timedelta(days=3)).isoformat(), "to": end.isoformat()}
    backfill = backfilled(task, period)
    assert (backfill["status"], backfill["total"], backfill["done"]) == ("completed", 3, 3)
    executions = task.executions(backfill_id=backfill["id"])[::-1]
    assert [execution["status"] for execution in executions] == ["completed"] * 3
    ticks = [instant(execution["scheduled_for"]) for execution in executions]
    assert ticks == [end.replace(hour=3) - timedelta(days=days) for days in (2, 1, 0)]
    starts = [instant(each["started_at"]) for each in executions]
    assert all(start >= instant(before["completed_at"]) for start, before in zip(starts[1:], executions, strict=False))
    assert error(task.post("backfill", period)) == (422, "NOTHING_TO_BACKFILL")


def test_a_cancelled_backfill_cancels_its_execution(user: User) -> None:
    task = UserTask.create(user, HELD, schedule_cron="0 3 * * *")
    now = clock.now()
    period = {"from": (now - timedelta(days=4)).isoformat(), "to": now.isoformat()}
    backfill = task.post("backfill", period).raise_for_status().json()
    until(lambda: task.executions(status="running"))
    assert error(task.post("backfill", period)) == (409, "BACKFILL_RUNNING")
    cancelled = task.post(f"backfills/{backfill['id']}/cancel").raise_for_status().json()
    assert cancelled["status"] == "cancelled"
    until(lambda: not task.executions(status="running"))
    assert [execution["status"] for execution in task.executions()] == ["cancelled"]


def backfilled(task: UserTask, period: dict[str, str]) -> dict[str, Any]:
    """Start a backfill, wait until it has ended, and return it."""
    answer = task.post("backfill", period).raise_for_status()
    assert answer.status_code == 202
    path = answer.headers["location"].removeprefix("/api/v1")

    def backfill() -> dict[str, Any]:
        return task.user.http.get(path).raise_for_status().json()

    until(lambda: backfill()["status"] != "running", 90)
    return backfill()


def let_go_when_working(task: UserTask, system: System, execution_id: str) -> None:
    """Wait until the agent of an execution works, and let it come to its end."""
    execution = task.execution(execution_id)
    task.wait_for_tool_call(execution)
    let_go(system, execution["session_id"])


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
