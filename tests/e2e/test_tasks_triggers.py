"""Tasks that signed requests and events start, and tasks whose owner is disabled."""

from collections.abc import Generator

import pytest
from onebox.testing.system import System, until
from simulator.testing import scripted

from tests.e2e.tasks import EVERY_YEAR, TICK_SECONDS, UserTask, fire
from tests.e2e.user import HELD, User, error, newcomer, set_active

DEPLOYED = scripted({"text": "Deployed {{version}} to {{payload.host.name}}."})
FAILING = scripted({"status": 400})


@pytest.fixture
def stranger(system: System) -> Generator[User]:
    yield from newcomer(system)


def test_a_signed_request_starts_the_task_with_its_body(user: User) -> None:
    task = UserTask.create(user, DEPLOYED)
    trigger = task.post("triggers", {"name": "Deployments"}).raise_for_status().json()
    answer = fire(trigger, {"version": "1.2", "host": {"name": "one"}})
    assert (answer.status_code, answer.json().keys()) == (202, {"execution_id", "status"})
    execution = task.ended(answer.json()["execution_id"])
    assert (execution["status"], execution["trigger"], execution["trigger_id"]) == ("completed", "api", trigger["id"])
    assert task.run(execution)["text"] == "Deployed 1.2 to one."


def test_a_repeated_request_starts_nothing(user: User) -> None:
    task = UserTask.create(user)
    trigger = task.post("triggers", {}).raise_for_status().json()
    first, again = fire(trigger, {}), fire(trigger, {})
    assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
    assert again.json()["execution_id"] == first.json()["execution_id"]
    assert len(task.executions()) == 1


def test_a_request_signed_with_another_secret_is_refused(user: User) -> None:
    task = UserTask.create(user)
    trigger, other = (task.post("triggers", {}).raise_for_status().json() for _ in range(2))
    assert error(fire(trigger, {}, secret=other["secret"])) == (401, "INVALID_SIGNATURE")
    assert task.executions() == []


def test_both_secrets_are_valid_after_a_rotation_none_after_a_revocation(user: User) -> None:
    task = UserTask.create(user, overlap_policy="allow")
    trigger = task.post("triggers", {}).raise_for_status().json()
    rotated = task.post(f"triggers/{trigger['id']}/rotate").raise_for_status().json()
    assert rotated["secret"] != trigger["secret"]
    assert fire(trigger, {}, "one").status_code == fire(trigger, {}, "two", rotated["secret"]).status_code == 202
    user.http.delete(f"{task.path}/triggers/{trigger['id']}").raise_for_status()
    assert error(fire(trigger, {}, "three", rotated["secret"])) == (401, "INVALID_SIGNATURE")


def test_the_secret_of_a_trigger_is_shown_once(user: User) -> None:
    task = UserTask.create(user)
    secret = task.post("triggers", {}).raise_for_status().json()["secret"]
    shown = [user.http.get(f"{task.path}{rest}").text for rest in ("", "/triggers")]
    assert secret.startswith("whsec_")
    assert all(secret not in text for text in shown)


def test_a_paused_task_refuses_requests(user: User) -> None:
    task = UserTask.create(user)
    trigger = task.post("triggers", {}).raise_for_status().json()
    task.post("pause").raise_for_status()
    assert error(fire(trigger, {})) == (409, "TASK_PAUSED")


def test_an_event_of_the_owners_sessions_starts_the_task(user: User, stranger: User) -> None:
    task = UserTask.create(user, scripted({"text": "Saw {{event}} of {{session_id}}."}), on=["session.run_failed"])
    stranger.ask(stranger.create(), FAILING)
    session_id = user.create()
    user.ask(session_id, FAILING)
    execution = task.first(trigger="event")
    assert execution["status"] == "completed"
    assert task.run(execution)["text"] == f"Saw session.run_failed of {session_id}."
    assert len(task.executions()) == 1


def test_a_task_that_fails_on_its_own_event_starts_itself_no_second_time(user: User) -> None:
    task = UserTask.create(user, FAILING, on=["session.run_failed"])
    user.ask(user.create(), FAILING)
    until(lambda: len(task.executions()) == 2)
    loop, first = (task.ended(execution["id"]) for execution in task.executions())
    assert (first["status"], loop["status"], loop["error_code"]) == ("failed", "skipped", "CHAIN_LOOP")


def test_a_task_of_a_disabled_owner_fails_and_the_list_says_so(user: User, system: System) -> None:
    task = UserTask.create(user, schedule_cron=EVERY_YEAR)
    set_active(system, user, active=False)
    task.tick_every_minute()
    execution = task.first(TICK_SECONDS, trigger="scheduled")
    assert (execution["status"], execution["error_code"]) == ("failed", "OWNER_DISABLED")
    [item] = user.items("/tasks")
    assert (item["last_status"], item["last_error_code"]) == ("failed", "OWNER_DISABLED")


def test_an_execution_of_a_disabled_owner_can_be_cancelled(user: User, system: System) -> None:
    task = UserTask.create(user, HELD)
    execution = task.started()
    set_active(system, user, active=False)
    task.post(f"executions/{execution['id']}/cancel").raise_for_status()
    until(lambda: task.run(execution)["status"] == "cancelled")
