"""Tasks that are executed by hand: their end, cost, failures, retries, limits and approvals; who may use them."""

import secrets
from collections.abc import Generator
from decimal import Decimal

import pytest
from identity.keys import KeyRing
from onebox.testing.system import System, until
from runtime import clock
from simulator.testing import bash, scripted

from tests.e2e.tasks import UserTask
from tests.e2e.user import HELD, User, error, let_go, newcomer

SLEEPING = scripted(bash("sleep 300"), {"text": "never"})
FAILING = scripted({"status": 400})


def failing_once(answer: str) -> str:
    """Return a prompt to which the model answers an error the first time. Claude Code retries most others itself."""
    # The simulator counts failures by the text of the prompt.
    return scripted({"status": 403, "times": 1, "then": {"text": answer}}, text=secrets.token_hex(8))


@pytest.fixture
def stranger(system: System) -> Generator[User]:
    yield from newcomer(system)


def test_a_manual_execution_runs_the_rendered_prompt_in_a_session(user: User) -> None:
    task = UserTask.create(user, scripted({"text": "Done with {{topic}}."}), variables={"topic": "nothing"})
    started = task.execute(topic="logs")
    assert started["status"] == "running"
    execution = task.ended(started["execution_id"])
    assert (execution["status"], execution["trigger"], execution["attempt"]) == ("completed", "manual", 1)
    assert execution["session_id"] == started["session_id"]
    run = task.run(execution)
    assert (run["status"], run["text"], run["message"]) == ("completed", "Done with logs.", execution["prompt"])
    assert user.status(execution["session_id"]) == "completed"


def test_an_execution_has_the_usage_and_cost_of_its_run(user: User) -> None:
    task = UserTask.create(user)
    execution = task.ended(task.execute()["execution_id"])
    usage = task.run(execution)["usage"]
    assert execution["usage"] == usage
    assert Decimal(str(usage["cost_usd"])) > 0
    assert usage["output_tokens"] > 0
    assert execution["duration_ms"] > 0


def test_the_list_shows_the_last_execution_of_a_task(user: User) -> None:
    task = UserTask.create(user)
    execution = task.ended(task.execute()["execution_id"])
    [item] = user.items("/tasks")
    assert (item["last_execution_id"], item["last_status"]) == (execution["id"], "completed")
    assert [each["id"] for each in task.executions()] == [execution["id"]]


def test_an_execution_with_a_missing_variable_is_refused(user: User) -> None:
    task = UserTask.create(user, "Read {{file}} of {{host}}")
    answer = task.post("execute", {"variables": {"host": "one"}})
    assert error(answer) == (422, "VARIABLES_MISSING")
    assert "file" in answer.json()["detail"]
    assert task.executions() == []


def test_a_preview_renders_the_prompt_and_executes_nothing(user: User) -> None:
    task = UserTask.create(user, "Read {{file}} on {{date}}")
    preview = task.post("render", {"variables": {"file": "a.log"}}).raise_for_status().json()
    assert preview["prompt"].startswith("Read a.log on 20")
    assert task.executions() == []


def test_a_cancelled_execution_cancels_its_run(user: User) -> None:
    task = UserTask.create(user, SLEEPING)
    execution = task.started()
    cancelled = task.post(f"executions/{execution['id']}/cancel").raise_for_status().json()
    assert cancelled["status"] == "cancelled"
    until(lambda: task.run(execution)["status"] == "cancelled")
    assert error(task.post(f"executions/{execution['id']}/cancel")) == (409, "EXECUTION_OVER")


def test_an_execution_that_exceeds_its_time_is_ended_with_its_run(user: User) -> None:
    task = UserTask.create(user, SLEEPING, timeout_seconds=5)
    execution = task.ended(task.execute()["execution_id"])
    assert execution["status"] == "timed_out"
    until(lambda: task.run(execution)["status"] == "cancelled")


def test_a_model_error_is_retried_in_a_new_session(user: User) -> None:
    task = UserTask.create(user, failing_once("Fine."), max_retries=2)
    started = task.execute()
    execution = task.ended(started["execution_id"])
    assert (execution["status"], execution["attempt"], execution["error_code"]) == ("completed", 2, None)
    assert execution["session_id"] != started["session_id"]
    [failed] = user.items(f"/sessions/{started['session_id']}/runs")
    assert failed["error_code"] == "MODEL_ERROR"


def test_an_execution_without_retries_left_fails_with_the_error_of_its_run(user: User) -> None:
    task = UserTask.create(user, FAILING)
    execution = task.ended(task.execute()["execution_id"])
    assert (execution["status"], execution["error_code"]) == ("failed", "MODEL_ERROR")
    assert execution["error_detail"] == task.run(execution)["error_detail"]
    assert user.items("/tasks")[0]["last_error_code"] == "MODEL_ERROR"


def test_a_failed_execution_can_be_retried_by_hand(user: User) -> None:
    task = UserTask.create(user, failing_once("{{topic}}"))
    failed = task.ended(task.execute(topic="logs")["execution_id"])
    assert failed["status"] == "failed"
    again = task.post(f"executions/{failed['id']}/retry").raise_for_status().json()
    execution = task.ended(again["execution_id"])
    assert (execution["status"], execution["retry_of"]) == ("completed", failed["id"])
    assert task.run(execution)["text"] == "logs"


def test_a_failure_pauses_a_task_that_asks_for_it(user: User) -> None:
    task = UserTask.create(user, FAILING, pause_on_failure=True, schedule_cron="0 0 1 1 *")
    task.ended(task.execute()["execution_id"])
    assert (task.view()["is_active"], task.view()["pause_reason"]) == (False, "failure")
    assert task.view()["next_run_at"] is None
    resumed = task.post("resume").raise_for_status().json()
    assert (resumed["is_active"], resumed["pause_reason"]) == (True, None)


def test_an_approval_of_an_interactive_task_waits_in_the_inbox(user: User) -> None:
    prompt = scripted(bash("touch made"), {"text": "Done."})
    task = UserTask.create(user, prompt, mode="interactive", allowed_tools=["Read"])
    started = task.execute()
    until(lambda: user.items("/approvals", status="pending"))
    [approval] = user.items("/approvals", status="pending")
    assert approval["session_id"] == started["session_id"]
    assert task.execution(started["execution_id"])["status"] == "running"
    user.http.post(f"/approvals/{approval['id']}/approve").raise_for_status()
    assert task.ended(started["execution_id"])["status"] == "completed"


def test_a_deleted_task_cancels_its_execution_and_keeps_the_session(user: User) -> None:
    task = UserTask.create(user, SLEEPING)
    execution = task.started()
    assert user.http.delete(task.path).status_code == 204
    assert error(user.http.get(task.path)) == (404, "TASK_NOT_FOUND")
    until(lambda: task.run(execution)["status"] == "cancelled")


def test_an_execution_continues_after_a_restart_of_the_scheduler(spare_system: System, spare_user: User) -> None:
    task = UserTask.create(spare_user, HELD)
    execution = task.started()
    spare_system.kill("task_scheduler")
    let_go(spare_system, execution["session_id"])
    until(spare_system.ready)
    assert task.ended(execution["id"])["status"] == "completed"


def test_another_users_task_is_not_found(user: User, stranger: User) -> None:
    task = UserTask.create(user)
    execution_id = task.ended(task.execute()["execution_id"])["id"]
    actions = ("pause", "resume", "execute", "render", f"executions/{execution_id}/cancel", "triggers")
    answers = [stranger.http.post(f"{task.path}/{action}", json={}) for action in actions]
    answers += [stranger.http.get(f"{task.path}{rest}") for rest in ("", "/executions", "/next-runs", "/triggers")]
    answers += [stranger.http.patch(task.path, json={"name": "mine"}), stranger.http.delete(task.path)]
    assert {error(answer) for answer in answers} == {(404, "TASK_NOT_FOUND")}
    assert stranger.items("/tasks") == []


def test_a_viewer_reads_tasks_and_changes_none(user: User, system: System) -> None:
    task = UserTask.create(user)
    viewer = KeyRing.read(system.data_dir / "keys" / "ring.json")
    token = viewer.access_token(task.owner_id(), "viewer", clock.new_id(), clock.new_id(), clock.now())
    user.http.headers["authorization"] = f"Bearer {token}"
    assert task.view()["id"] == task.id
    answers = [task.post(action, {}) for action in ("execute", "pause", "triggers")]
    answers += [user.http.delete(task.path), user.http.post("/tasks", json={"name": "a", "prompt_template": "b"})]
    assert {error(answer) for answer in answers} == {(403, "FORBIDDEN")}
