"""Quotas of users, over HTTP: what waits, what is refused, and what the usage shows."""

from collections.abc import Generator
from typing import Any

import httpx
import pytest
from onebox.testing.system import System, until
from simulator.testing import scripted

from tests.e2e.days import within_a_day
from tests.e2e.tasks import UserTask
from tests.e2e.user import HELD, User, change, error, let_go, newcomer

FINE = scripted({"text": "fine"})
UNLIMITED = dict.fromkeys(("concurrent_runs", "sessions_per_month", "budget_per_month_usd", "storage_bytes"))


@pytest.fixture(scope="module")
def limited(system: System) -> Generator[User]:
    """Someone whose quotas these tests change."""
    yield from newcomer(system)


def limit(admin: User, user: User, **quotas: Any) -> None:
    """Set quotas, and no others, and wait until they are in force."""
    wanted = UNLIMITED | quotas
    change(admin, user, quotas=wanted)
    until(lambda: {name: usage(user)[name]["limit"] for name in wanted} == wanted)


def usage(user: User) -> dict[str, Any]:
    return user.http.get("/auth/me/usage").raise_for_status().json()


def used(user: User) -> int:
    return usage(user)["storage_bytes"]["used"]


def put(user: User, session_id: str, path: str, size: int) -> httpx.Response:
    return user.http.put(f"/sessions/{session_id}/workspace/{path}", content=bytes(size))


def test_queries_over_the_quota_wait_for_the_run_of_another_session(system: System, admin: User, limited: User) -> None:
    limit(admin, limited, concurrent_runs=1)
    first, second = limited.create(), limited.create()
    run = limited.submit(first, HELD).json()
    until(lambda: limited.items(f"/sessions/{first}/tool-calls"))
    queued = limited.submit(second, FINE).json()
    task = UserTask.create(limited, FINE)
    execution = task.execution(task.execute()["execution_id"])
    place = f"/sessions/{execution['session_id']}/runs/{execution['run_id']}"
    until(lambda: limited.http.get(place).json().get("status") == "queued")
    assert (queued["status"], limited.run(second, queued["id"])["status"]) == ("queued", "queued")
    let_go(system, first)
    assert limited.ended(second, queued["id"])["text"] == "fine"
    assert limited.ended(first, run["id"])["status"] == "completed"
    assert task.ended(execution["id"])["status"] == "completed"


def test_a_higher_quota_of_concurrent_runs_starts_what_waits(system: System, admin: User, limited: User) -> None:
    limit(admin, limited, concurrent_runs=1)
    sessions = [limited.create() for _ in range(2)]
    runs = [limited.submit(session_id, HELD).raise_for_status().json()["id"] for session_id in sessions]
    assert limited.run(sessions[1], runs[1])["status"] == "queued"
    change(admin, limited, quotas={"concurrent_runs": 2})
    until(lambda: limited.run(sessions[1], runs[1])["status"] == "running")
    for session_id, run_id in zip(sessions, runs, strict=True):
        let_go(system, session_id)
        assert limited.ended(session_id, run_id)["status"] == "completed"


@within_a_day
def test_sessions_over_the_quota_are_refused_to_users_and_tasks(admin: User, limited: User) -> None:
    limit(admin, limited)  # a repeated test finds what it has set before
    session_id = limited.create()
    number = usage(limited)["sessions_per_month"]["used"]
    limit(admin, limited, sessions_per_month=number)
    answer = limited.http.post("/sessions", json={"name": "one"})
    problem = answer.json()
    assert error(answer) == (429, "QUOTA_EXCEEDED")
    assert (problem["quota"], problem["limit"], problem["used"]) == ("sessions_per_month", number, number)
    assert int(answer.headers["retry-after"]) == problem["retry_after"] > 0
    assert error(limited.http.post(f"/sessions/{session_id}/fork", json={})) == (429, "QUOTA_EXCEEDED")
    task = UserTask.create(limited, FINE)
    execution = task.ended(task.execute()["execution_id"])
    assert (execution["status"], execution["error_code"]) == ("failed", "QUOTA_EXCEEDED")


def test_what_users_and_agents_store_counts_until_it_is_deleted(admin: User, limited: User) -> None:
    limit(admin, limited, storage_bytes=1_000_000)
    session_id, other = limited.create(), limited.create()
    before = used(limited)
    put(limited, other, "a", 600_000).raise_for_status()
    assert error(put(limited, session_id, "a", 600_000)) == (409, "QUOTA_EXCEEDED")
    assert error(limited.http.post(f"/sessions/{other}/fork", json={})) == (409, "QUOTA_EXCEEDED")
    limited.http.post(f"/sessions/{other}/archive", json={"compression": "gzip"}).raise_for_status()
    archived = used(limited)
    assert before < archived < before + 10_000
    limited.bash(session_id, "head -c 1200000 /dev/zero > zeros")
    until(lambda: used(limited) == archived + 1_200_000)
    assert error(limited.ask(session_id, FINE)) == (409, "QUOTA_EXCEEDED")
    assert error(limited.http.post(f"/sessions/{other}/resume")) == (409, "QUOTA_EXCEEDED")
    limited.http.delete(f"/sessions/{session_id}/workspace/zeros").raise_for_status()
    assert limited.ask(session_id, FINE).status_code == 200
    limited.http.delete(f"/sessions/{other}").raise_for_status()
    assert used(limited) == before


@within_a_day
def test_queries_over_the_budget_of_the_month_are_refused(admin: User, limited: User) -> None:
    spent = usage(limited)["budget_per_month_usd"]["used"]
    limit(admin, limited, budget_per_month_usd=round(spent + 0.0001, 6))
    session_id = limited.create()
    assert limited.ask(session_id, FINE).status_code == 200
    answer = limited.ask(session_id, FINE)
    problem = answer.json()
    assert error(answer) == (409, "QUOTA_EXCEEDED")
    assert (problem["quota"], problem["used"] > problem["limit"] > 0) == ("budget_per_month_usd", True)
    assert usage(limited) == admin.http.get(f"/admin/users/{limited.id()}/usage").json()
