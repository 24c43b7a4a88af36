"""The audit log of the whole system: changes in every service, and refusals."""

from collections.abc import Generator
from typing import Any

import httpx
import pytest
from onebox.testing.system import System, until

from tests.e2e.user import User, admin_of

CHANGES: dict[str, tuple[str, dict[str, Any]]] = {
    "session.created": ("/sessions", {"name": "one"}),
    "session.template_created": ("/session-templates", {"name": "Audited", "category": "REVIEW"}),
    "task.created": ("/tasks", {"name": "Audited", "prompt_template": "Hello"}),
    "mcp_server.created": (
        "/mcp-servers",
        {"name": "audited", "server_type": "HTTP", "url": "https://mcp.invalid/", "is_enabled": False},
    ),
    "identity.api_key_created": ("/auth/api-keys", {"name": "CI", "scopes": ["read"]}),
}
"""A change by a request to each service, and the action under which it is recorded."""


def request_id(response: httpx.Response) -> str:
    return response.headers["x-request-id"]


def entry(admin: User, correlation_id: str, **conditions: Any) -> dict[str, Any]:
    """Wait for the entry with this correlation id, and return it."""

    def found() -> list[dict[str, Any]]:
        entries = admin.items("/admin/audit", **conditions)
        return [each for each in entries if each["correlation_id"] == correlation_id]

    until(found)
    return found()[0]


def test_a_change_in_each_service_is_recorded(admin: User, shared_user: User) -> None:
    user_id = shared_user.id()
    sent = {action: shared_user.http.post(path, json=body) for action, (path, body) in CHANGES.items()}
    report = {"session_id": sent["session.created"].raise_for_status().json()["id"], "format": "json"}
    sent["report.requested"] = shared_user.http.post("/reports", json=report)
    for action, answer in sent.items():
        assert answer.status_code == 201, f"{action}: {answer.text}"
        found = entry(admin, request_id(answer), user_id=user_id, action=action)
        shown = [found[name] for name in ("outcome", "actor", "role", "client_address", "owner_id")]
        assert shown == ["succeeded", "user", "user", "127.0.0.1", user_id], action
        assert found["credential"]["kind"] == "login", action


def test_a_foreign_session_is_recorded_and_an_unknown_one_is_not(
    admin: User, shared_user: User, stranger: User
) -> None:
    session_id = shared_user.create()
    unknown = stranger.http.get("/sessions/0197a1f0-0000-7000-8000-0000000000aa")
    assert unknown.status_code == 404
    answer = stranger.http.get(f"/sessions/{session_id}")
    assert answer.status_code == 404
    found = entry(admin, request_id(answer), resource_id=session_id, outcome="denied")
    assert (found["owner_id"], found["error_code"]) == (shared_user.id(), "SESSION_NOT_FOUND")
    denied = admin.items("/admin/audit", outcome="denied", user_id=stranger.id())
    assert request_id(unknown) not in [each["correlation_id"] for each in denied]


def test_what_a_task_does_is_done_by_its_owner_without_an_address(admin: User, shared_user: User) -> None:
    task = {"name": "Audited", "prompt_template": "Hello", "mode": "non_interactive"}
    task_id = shared_user.http.post("/tasks", json=task).raise_for_status().json()["id"]
    answer = shared_user.http.post(f"/tasks/{task_id}/execute", json={}).raise_for_status()
    found = entry(admin, request_id(answer), action="session.created")
    assert (found["user_id"], found["client_address"], found["credential"]) == (shared_user.id(), None, None)


@pytest.fixture
def spare_admin(spare_system: System) -> Generator[User]:
    yield from admin_of(spare_system)


@pytest.mark.long
def test_no_entry_is_lost_or_repeated_by_kills(spare_system: System, spare_user: User, spare_admin: User) -> None:
    for round_ in range(6):
        if round_ % 2:
            spare_system.kill("identity")
        spare_user.http.post("/sessions", json={"name": str(round_)}).raise_for_status()
    until(spare_system.ready)
    user_id = spare_user.id()
    wanted = {session["id"] for session in spare_user.items("/sessions")}

    def created() -> list[str]:
        entries = spare_admin.items("/admin/audit", user_id=user_id, action="session.created")
        return [each["resource_id"] for each in entries]

    until(lambda: set(created()) == wanted)
    assert len(created()) == len(wanted) == 6
