"""Tasks of the whole system: their executions, failures, limits and approvals, and what starts them."""

import secrets
from datetime import datetime, timedelta
from typing import Any

import pytest
from onebox.testing.system import System, until
from runtime import clock
from simulator.testing import bash, scripted

from tests.e2e.tasks import EVERY_MINUTE, EVERY_YEAR, TICK_SECONDS, UserTask, fire
from tests.e2e.user import HELD, User, error, let_go

SLEEPING = scripted(bash("sleep 300"), {"text": "never"})
FAILING = scripted({"status": 400})


def failing_once(answer: str) -> str:
    """Return a prompt to which the model answers an error the first time. Claude Code retries most others itself."""
    # The simulator counts failures by the text of the prompt.
    return scripted({"status": 403, "times": 1, "then": {"text": answer}}, text=secrets.token_hex(8))


def test_an_execution_of_a_task_has_the_answer_and_cost_of_its_run(shared_user: User) -> None:
    task = UserTask.create(shared_user, scripted({"text": "Done with {{topic}}."}))
    execution = task.ended(task.execute(topic="logs")["execution_id"])
    run = task.run(execution)
    assert (execution["status"], run["text"], run["message"]) == ("completed", "Done with logs.", execution["prompt"])
    assert execution["usage"] == run["usage"]
    assert run["usage"]["cost_usd"] > 0


def test_an_execution_that_exceeds_its_time_is_ended_with_its_run(shared_user: User) -> None:
    task = UserTask.create(shared_user, SLEEPING, timeout_seconds=2)
    execution = dict[str, Any]()

    def has_run() -> bool:  # on a busy machine, its time may be over before
        execution.update(task.ended(task.execute()["execution_id"]))
        return bool(execution["prompt"])

    until(has_run)
    assert execution["status"] == "timed_out"
    until(lambda: task.run(execution)["status"] == "cancelled")


def test_a_deleted_task_cancels_its_execution_and_keeps_the_session(shared_user: User) -> None:
    task = UserTask.create(shared_user, SLEEPING)
    execution = task.started()
    assert shared_user.http.delete(task.path).status_code == 204
    assert error(shared_user.http.get(task.path)) == (404, "TASK_NOT_FOUND")
    until(lambda: task.run(execution)["status"] == "cancelled")


def test_an_execution_that_failed_is_retried_in_a_new_session(shared_user: User) -> None:
    task = UserTask.create(shared_user, failing_once("{{topic}}."))
    failed = task.ended(task.execute(topic="Fine")["execution_id"])
    assert (failed["status"], failed["error_code"]) == ("failed", "MODEL_ERROR")
    assert failed["error_detail"] == task.run(failed)["error_detail"]
    again = task.post(f"executions/{failed['id']}/retry").raise_for_status().json()
    execution = task.ended(again["execution_id"])
    assert (execution["status"], execution["retry_of"]) == ("completed", failed["id"])
    assert execution["session_id"] != failed["session_id"]
    assert task.run(execution)["text"] == "Fine."


@pytest.mark.long
def test_a_model_error_is_retried_later(shared_user: User) -> None:
    task = UserTask.create(shared_user, failing_once("Fine."), max_retries=2)
    execution = task.ended(task.execute()["execution_id"])
    assert (execution["status"], execution["attempt"], execution["error_code"]) == ("completed", 2, None)


def test_an_approval_of_an_interactive_task_waits_in_the_inbox(shared_user: User) -> None:
    prompt = scripted(bash("touch made"), {"text": "Done."})
    task = UserTask.create(shared_user, prompt, mode="interactive", allowed_tools=["Read"])
    started = task.execute()
    inbox = {"status": "pending", "session_id": started["session_id"]}
    until(lambda: shared_user.items("/approvals", **inbox))
    [approval] = shared_user.items("/approvals", **inbox)
    assert task.execution(started["execution_id"])["status"] == "running"
    shared_user.http.post(f"/approvals/{approval['id']}/approve").raise_for_status()
    assert task.ended(started["execution_id"])["status"] == "completed"


def test_a_signed_request_starts_the_task_with_its_body(shared_user: User) -> None:
    task = UserTask.create(shared_user, scripted({"text": "Deployed {{version}} to {{payload.host.name}}."}))
    trigger, other = (task.post("triggers", {"name": "CI"}).raise_for_status().json() for _ in range(2))
    body = {"version": "1.2", "host": {"name": "one"}}
    assert error(fire(trigger, body, secret=other["secret"])) == (401, "INVALID_SIGNATURE")
    first, again = fire(trigger, body), fire(trigger, body)
    assert (first.status_code, first.json().keys()) == (202, {"execution_id", "status"})
    assert (again.status_code, again.json()["execution_id"]) == (200, first.json()["execution_id"])
    execution = task.ended(first.json()["execution_id"])
    assert (execution["status"], execution["trigger"], execution["trigger_id"]) == ("completed", "api", trigger["id"])
    assert task.run(execution)["text"] == "Deployed 1.2 to one."
    assert len(task.executions()) == 1


def test_an_event_of_the_owners_sessions_starts_the_task(shared_user: User, stranger: User) -> None:
    task = UserTask.create(
        shared_user, scripted({"text": "Saw {{event}} of {{session_id}}."}), on=["session.run_failed"]
    )
    stranger.ask(stranger.create(), FAILING)
    session_id = shared_user.create()
    shared_user.ask(session_id, FAILING)
    execution = task.first(trigger="event")
    shared_user.http.delete(task.path).raise_for_status()
    assert execution["status"] == "completed"
    assert task.run(execution)["text"] == f"Saw session.run_failed of {session_id}."


def test_a_backfill_executes_the_ticks_of_a_period_in_order(shared_user: User) -> None:
    task = UserTask.create(shared_user, scripted({"text": "{{scheduled_for}}"}), schedule_cron="0 3 * * *")
    end = clock.now().replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)
    period = {"from": (end - timedelta(days=3)).isoformat(), "to": end.isoformat()}
    answer = task.post("backfill", period).raise_for_status()
    path = answer.headers["location"].removeprefix("/api/v1")
    until(lambda: shared_user.http.get(path).raise_for_status().json()["status"] == "completed")
    executions = task.executions()[::-1]
    assert [each["status"] for each in executions] == ["completed"] * 3
    ticks = [end.replace(hour=3) - timedelta(days=days) for days in (2, 1, 0)]
    assert [instant(each["scheduled_for"]) for each in executions] == ticks
    assert [instant(task.run(each)["text"]) for each in executions] == ticks
    starts = [instant(each["started_at"]) for each in executions]
    assert all(start >= instant(before["completed_at"]) for start, before in zip(starts[1:], executions, strict=False))


@pytest.mark.long
def test_a_tick_starts_an_execution_with_free_variables_in_its_zone(shared_user: User) -> None:
    prompt = scripted({"text": "{{task_name}} of {{date}} {{time}}, {{scheduled_for}}"})
    fields = {"schedule_cron": EVERY_MINUTE, "schedule_timezone": "Asia/Kolkata", "name": "dated"}
    task = UserTask.create(shared_user, prompt, **fields)
    execution = task.first(TICK_SECONDS, trigger="scheduled")
    task.post("pause").raise_for_status()
    tick = instant(execution["scheduled_for"])
    local = tick + timedelta(hours=5, minutes=30)
    assert (execution["status"], tick.second) == ("completed", 0)
    text = task.run(execution)["text"]
    assert text.startswith(f"dated of {local:%Y-%m-%d} {local:%H:%M}, {tick:%Y-%m-%dT%H:%M}")


@pytest.mark.long
def test_a_tick_during_an_execution_is_skipped(shared_user: User, system: System) -> None:
    task = UserTask.create(shared_user, HELD, schedule_cron=EVERY_YEAR)
    session_id = task.started()["session_id"]
    task.tick_every_minute()
    execution = task.first(TICK_SECONDS, trigger="scheduled")
    task.post("pause").raise_for_status()
    let_go(system, session_id)
    assert (execution["status"], execution["error_code"]) == ("skipped", "TASK_BUSY")
    assert execution["session_id"] is None


def test_an_execution_continues_after_a_restart_of_the_scheduler(spare_system: System, spare_user: User) -> None:
    task = UserTask.create(spare_user, HELD)
    execution = task.started()
    spare_system.kill("task_scheduler")
    let_go(spare_system, execution["session_id"])
    until(spare_system.ready)
    assert task.ended(execution["id"])["status"] == "completed"


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
