"""Quotas of users, over HTTP: what waits, what is refused, and what the usage shows."""

from collections.abc import Generator

import pytest
from onebox.testing.system import System, until
from simulator.testing import scripted

from tests.e2e.tasks import UserTask
from tests.e2e.user import HELD, User, admin_of, error, let_go, newcomer

FINE = scripted({"text": "fine"})
SESSIONS = 3


@pytest.fixture(scope="module")
def limited_system(servers: None) -> Generator[System]:
    """A system with small quotas."""
    quotas = f"concurrent_runs=1, sessions_per_month={SESSIONS}, admin.budget_per_month_usd=0.0001"
    with System({"QUOTAS": quotas}) as running:
        running.start()
        yield running


@pytest.fixture
def limited(limited_system: System) -> Generator[User]:
    yield from newcomer(limited_system)


@pytest.fixture
def admin(limited_system: System) -> Generator[User]:
    yield from admin_of(limited_system)


def test_a_query_over_the_quota_waits_for_the_run_of_another_session(limited: User, limited_system: System) -> None:
    first, second = limited.create(), limited.create()
    run = limited.submit(first, HELD).json()
    until(lambda: limited.items(f"/sessions/{first}/tool-calls"))
    queued = limited.submit(second, FINE).json()
    assert (queued["status"], limited.run(second, queued["id"])["status"]) == ("queued", "queued")
    let_go(limited_system, first)
    assert limited.ended(second, queued["id"])["text"] == "fine"
    assert limited.ended(first, run["id"])["status"] == "completed"


def test_a_query_that_waits_for_its_answer_waits_longer(limited: User, limited_system: System) -> None:
    first, second = limited.create(), limited.create()
    limited.submit(first, HELD)
    until(lambda: limited.items(f"/sessions/{first}/tool-calls"))
    let_go(limited_system, first)
    assert limited.ask(second, FINE).json()["content"]["text"] == "fine"


def test_sessions_over_the_quota_are_refused_until_the_next_month(limited: User) -> None:
    for _ in range(SESSIONS):
        limited.create()
    answer = limited.http.post("/sessions", json={"name": "one", "mode": "interactive"})
    problem = answer.json()
    assert error(answer) == (429, "QUOTA_EXCEEDED")
    assert (problem["quota"], problem["limit"], problem["used"]) == ("sessions_per_month", SESSIONS, SESSIONS)
    assert problem["resets_at"].endswith("-01T00:00:00Z")
    assert int(answer.headers["retry-after"]) == problem["retry_after"] > 0


def test_a_fork_over_the_quota_is_refused(limited: User) -> None:
    *_, session = (limited.create() for _ in range(SESSIONS))
    assert error(limited.http.post(f"/sessions/{session}/fork", json={})) == (429, "QUOTA_EXCEEDED")


def test_the_usage_shows_each_quota_with_its_limit(limited: User) -> None:
    limited.ask(limited.create(), FINE).raise_for_status()
    usage = limited.http.get("/auth/me/usage").raise_for_status().json()
    assert usage["concurrent_runs"] == {"used": 0, "limit": 1, "resets_at": None}
    assert (usage["sessions_per_month"]["used"], usage["sessions_per_month"]["limit"]) == (1, SESSIONS)
    assert usage["budget_per_month_usd"]["used"] > 0
    assert usage["budget_per_month_usd"]["limit"] is None


def test_an_administrator_sees_the_usage_of_a_user(limited: User, admin: User) -> None:
    limited.create()
    own = limited.http.get("/auth/me/usage").json()
    assert admin.http.get(f"/admin/users/{own['user_id']}/usage").raise_for_status().json() == own


def test_a_user_does_not_see_the_usage_of_others(limited: User, admin: User) -> None:
    user_id = admin.http.get("/auth/me").json()["id"]
    assert limited.http.get(f"/admin/users/{user_id}/usage").status_code == 403


def test_an_execution_over_the_quota_of_runs_waits(limited: User, limited_system: System) -> None:
    session = limited.create()
    limited.submit(session, HELD)
    until(lambda: limited.items(f"/sessions/{session}/tool-calls"))
    task = UserTask.create(limited, FINE)
    execution = task.execution(task.execute()["execution_id"])
    run = f"/sessions/{execution['session_id']}/runs/{execution['run_id']}"
    until(lambda: limited.http.get(run).json().get("status") == "queued")
    let_go(limited_system, session)
    assert task.ended(execution["id"])["status"] == "completed"


def test_an_execution_over_the_quota_of_sessions_fails(limited: User) -> None:
    for _ in range(SESSIONS):
        limited.create()
    task = UserTask.create(limited, FINE)
    execution = task.ended(task.execute()["execution_id"])
    assert (execution["status"], execution["error_code"]) == ("failed", "QUOTA_EXCEEDED")


def test_queries_over_the_budget_of_the_month_are_refused(admin: User) -> None:
    session = admin.create()
    assert admin.ask(session, FINE).status_code == 200
    answer = admin.ask(session, FINE)
    problem = answer.json()
    assert error(answer) == (409, "QUOTA_EXCEEDED")
    assert (problem["quota"], problem["limit"], problem["used"] > 0.0001) == ("budget_per_month_usd", 0.0001, True)
