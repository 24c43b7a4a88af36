"""Ceilings of roles and quotas of users, as administrators and users see them on the whole system."""

from collections.abc import Generator
from functools import partial
from typing import Any

import pytest
from onebox.testing.system import System, until
from simulator.testing import bash, scripted

from tests.e2e.user import HELD, User, admin_of, change, error, let_go, newcomer

ONCE = scripted(bash("touch made"), {"text": "Done."})
CEILINGS = "user.tools=!Bash, user.permission_modes=default|plan, user.max_turns=10, user.models=claude-sonnet-*|haiku"


@pytest.fixture(scope="module")
def limited_system(servers: None) -> Generator[System]:
    with System({"CEILINGS": CEILINGS}) as running:
        running.start()
        yield running


@pytest.fixture
def user(limited_system: System) -> Generator[User]:
    yield from newcomer(limited_system)


@pytest.fixture
def admin(limited_system: System) -> Generator[User]:
    yield from admin_of(limited_system)


def tool_status(user: User, session_id: str) -> str:
    """Let the agent call Bash, and return the status of that call."""
    user.ask(session_id, ONCE).raise_for_status()
    return user.items(f"/sessions/{session_id}/tool-calls")[-1]["status"]


def test_a_demoted_administrator_is_limited_in_sessions_of_before(user: User, admin: User) -> None:
    change(admin, user, role="admin")
    until(lambda: user.http.get("/admin/users").status_code == 200)  # as the gateway sees it, not the account
    session_id = user.create("Bash", permission_mode="bypassPermissions")
    until(lambda: tool_status(user, session_id) == "success")  # the session service learns of the role a bit later
    change(admin, user, role="user")
    until(lambda: tool_status(user, session_id) == "error")
    assert error(user.http.post(f"/sessions/{session_id}/fork", json={"name": "two"})) == (403, "ADMINS_ONLY")


@pytest.mark.parametrize(
    ("options", "code", "field"),
    [
        ({"allowed_tools": ["Bash(ls:*)"]}, "OPTION_NOT_ALLOWED", "allowed_tools"),
        ({"permission_mode": "acceptEdits"}, "OPTION_NOT_ALLOWED", "permission_mode"),
        ({"max_turns": 11}, "OPTION_NOT_ALLOWED", "max_turns"),
        ({"model": "opus"}, "MODEL_NOT_ALLOWED", "model"),
    ],
)
def test_an_option_above_the_ceiling_is_422_and_named(
    user: User, options: dict[str, Any], code: str, field: str
) -> None:
    answer = user.http.post("/sessions", json={"name": "one", "mode": "interactive", "sdk_options": options})
    assert error(answer) == (422, code)
    assert answer.json()["errors"][0]["loc"] == ["body", "sdk_options", field]


def test_a_forbidden_tool_is_denied_in_a_run(user: User) -> None:
    session_id = user.create("Read")
    assert tool_status(user, session_id) == "error"


def test_quotas_are_shown_to_their_user(user: User, admin: User) -> None:
    change(admin, user, quotas={"concurrent_runs": 2, "budget_per_month_usd": 1.5})
    change(admin, user, quotas={"concurrent_runs": None})
    quotas = user.http.get("/auth/me").json()["quotas"]
    assert (quotas["concurrent_runs"], quotas["budget_per_month_usd"]) == (None, 1.5)


def test_a_higher_quota_of_concurrent_runs_starts_what_waits(limited_system: System, user: User, admin: User) -> None:
    change(admin, user, role="admin", quotas={"concurrent_runs": 1})  # administrators may use Bash here
    until(lambda: user.http.get("/admin/users").status_code == 200)
    until(lambda: user.http.get("/auth/me/usage").json()["concurrent_runs"]["limit"] == 1)
    sessions = [user.create() for _ in range(2)]
    runs = [user.submit(session_id, HELD).raise_for_status().json()["id"] for session_id in sessions]
    until(lambda: user.run(sessions[0], runs[0])["status"] == "running")
    assert user.run(sessions[1], runs[1])["status"] == "queued"
    change(admin, user, quotas={"concurrent_runs": 2})
    until(lambda: user.run(sessions[1], runs[1])["status"] == "running")
    for session_id in sessions:
        until(partial(user.items, f"/sessions/{session_id}/tool-calls"))
        let_go(limited_system, session_id)


def test_users_do_not_change_their_own_quotas(user: User) -> None:
    user_id = user.http.get("/auth/me").json()["id"]
    answer = user.http.patch(f"/admin/users/{user_id}", json={"quotas": {"concurrent_runs": 50}})
    assert answer.status_code == 403
