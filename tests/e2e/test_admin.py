"""What administrators read about the whole system: accounts, sessions, statistics and costs of real runs."""

from typing import Any

import httpx
import pytest
from onebox.testing.system import System, until
from simulator.testing import scripted

from tests.e2e.user import HELD, User

PROMPT = scripted({"text": "There."})


def run_once(user: User, **options: Any) -> tuple[str, float]:
    """Return a session in which a run has ended, and what that has cost."""
    session_id = user.create(**options)
    answer = user.ask(session_id, PROMPT).raise_for_status().json()
    return session_id, answer["metrics"]["cost_usd"]


def costs(admin: User, by: str, **query: Any) -> dict[str | None, float]:
    return {item["key"]: item["cost_usd"] for item in admin.items("/admin/costs", by=by, **query)}


def statistics(admin: User) -> dict[str, Any]:
    return admin.http.get("/admin/stats").raise_for_status().json()


def test_a_run_appears_in_all_costs_and_stays_when_its_session_is_deleted(admin: User, user: User) -> None:
    options = {"allowed_tools": ["Read"], "model": "sonnet"}
    body = {"name": "costly", "category": "TESTS", "sdk_options": options}
    template_id = user.http.post("/session-templates", json=body).raise_for_status().json()["id"]
    created = {"name": "one", "template_id": template_id}
    session_id = user.http.post("/sessions", json=created).raise_for_status().json()["id"]
    cost = user.ask(session_id, PROMPT).raise_for_status().json()["metrics"]["cost_usd"]
    assert cost > 0
    user_id = user.id()

    def shown() -> list[dict[str | None, float]]:
        return [costs(admin, by, user_id=user_id) for by in ("user", "model", "template")]

    expected = [{user_id: cost}, {"sonnet": cost}, {template_id: cost}]
    assert shown() == expected
    assert list(costs(admin, "day", user_id=user_id).values()) == [cost]
    user.http.delete(f"/sessions/{session_id}").raise_for_status()
    user.http.delete(f"/session-templates/{template_id}").raise_for_status()
    assert shown() == expected


def test_a_run_that_a_deletion_ends_has_its_costs(admin: User, user: User) -> None:
    session_id = user.create(model="sonnet")
    run_id = user.submit(session_id, HELD).raise_for_status().json()["id"]
    until(lambda: user.run(session_id, run_id)["tool_calls"])
    user.http.delete(f"/sessions/{session_id}").raise_for_status()
    user_id = user.id()
    until(lambda: costs(admin, "model", user_id=user_id).get("sonnet"))
    assert admin.items("/admin/costs", by="user", user_id=user_id)[0]["runs"] == 1


def test_the_sums_of_a_user_are_those_of_the_sessions(admin: User, user: User) -> None:
    total = sum(run_once(user)[1] for _ in range(2))
    page = admin.http.get("/admin/costs", params={"by": "user", "user_id": user.id()}).json()
    assert (page["sums"]["runs"], page["total"]) == (2, 1)
    assert page["sums"]["cost_usd"] == pytest.approx(total)


def test_statistics_follow_what_happens(admin: User, user: User) -> None:
    before = statistics(admin)
    _, cost = run_once(user)
    after = statistics(admin)
    assert after["total_users"] >= before["total_users"]
    assert after["total_sessions"] >= before["total_sessions"] + 1
    assert after["active_sessions"] >= 1
    assert after["total_cost_today_usd"] >= cost
    until(lambda: statistics(admin)["total_api_calls_today"] > before["total_api_calls_today"])


def test_administrators_find_accounts_and_sessions_of_others(admin: User, user: User) -> None:
    session_id = user.create()
    [account] = admin.items("/admin/users", q=user.email.upper())
    assert (account["id"], account["last_login_at"] is not None) == (user.id(), True)
    assert admin.http.get(f"/admin/users/{account['id']}").json() == account
    [session] = admin.items("/admin/sessions", user_id=account["id"])
    assert (session["id"], session["user_id"]) == (session_id, account["id"])


@pytest.mark.parametrize("path", ["/admin/stats", "/admin/users", "/admin/sessions", "/admin/costs"])
def test_others_are_refused(user: User, path: str) -> None:
    assert user.http.get(path).status_code == 403


@pytest.mark.parametrize("path", ["/admin/stats", "/admin/users", "/admin/sessions", "/admin/costs"])
def test_keys_of_administrators_need_the_scope(system: System, admin: User, path: str) -> None:
    for scopes, status in ((["read", "write"], 403), (["admin"], 200)):
        key = admin.http.post("/auth/api-keys", json={"name": "CI", "scopes": scopes}).raise_for_status().json()
        answer = httpx.get(f"{system.base_url}/api/v1{path}", headers={"x-api-key": key["key"]}, timeout=60)
        assert answer.status_code == status
        admin.http.delete(f"/auth/api-keys/{key['id']}").raise_for_status()
