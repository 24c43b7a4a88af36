"""Figures about the whole system for administrators: statistics and costs of real runs."""

from typing import Any

from onebox.testing.system import until
from simulator.testing import scripted

from tests.e2e.days import within_a_day
from tests.e2e.user import User

PROMPT = scripted({"text": "There."})


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


@within_a_day
def test_statistics_follow_what_happens(admin: User, shared_user: User) -> None:
    before = statistics(admin)
    session_id = shared_user.create()
    cost = shared_user.ask(session_id, PROMPT).raise_for_status().json()["metrics"]["cost_usd"]
    after = statistics(admin)
    assert after["total_sessions"] >= before["total_sessions"] + 1
    assert after["active_sessions"] >= 1
    assert after["total_cost_today_usd"] >= cost
    until(lambda: statistics(admin)["total_api_calls_today"] > before["total_api_calls_today"])
