"""The audit log of the whole system: changes in every service, refusals, and its protection."""

import asyncio
import json
from collections.abc import Generator
from typing import Any
from urllib.parse import quote

import asyncpg
import httpx
import pytest
from onebox.testing.system import System, until

from tests.e2e.user import User, newcomer

ADDRESS = "127.0.0.1"


@pytest.fixture
def stranger(system: System) -> Generator[User]:
    yield from newcomer(system)


def request_id(response: httpx.Response) -> str:
    return response.headers["x-request-id"]


def entry(admin: User, correlation_id: str, **conditions: Any) -> dict[str, Any]:
    """Wait for the entry with this correlation id, and return it."""

    def found() -> list[dict[str, Any]]:
        entries = admin.items("/admin/audit", **conditions)
        return [each for each in entries if each["correlation_id"] == correlation_id]

    until(found)
    return found()[0]


CHANGES = [
    ("/sessions", {"name": "one"}, "session.created", "session"),
    ("/session-templates", {"name": "Audited", "category": "REVIEW"}, "session.template_created", "template"),
    ("/tasks", {"name": "Audited", "prompt_template": "Hello"}, "task.created", "task"),
    (
        "/mcp-servers",
        {"name": "audited", "server_type": "HTTP", "url": "https://example.com/mcp"},
        "mcp_server.created",
        "mcp_server",
    ),
    ("/auth/api-keys", {"name": "CI", "scopes": ["read"]}, "identity.api_key_created", "api_key"),
]


@pytest.mark.parametrize(("path", "body", "action", "kind"), CHANGES)
def test_a_change_in_each_service_is_recorded(
    admin: User, user: User, path: str, body: dict[str, Any], action: str, kind: str
) -> None:
    answer = user.http.post(path, json=body)
    assert answer.status_code == 201, answer.text
    found = entry(admin, request_id(answer), user_id=user.id(), action=action)
    assert (found["outcome"], found["action"], found["resource_type"]) == ("succeeded", action, kind)
    assert (found["actor"], found["role"], found["client_address"]) == ("user", "user", ADDRESS)
    assert found["credential"]["kind"] == "login"
    assert found["owner_id"] == user.id()


def test_a_report_is_recorded(admin: User, user: User) -> None:
    session_id = user.create()
    answer = user.http.post("/reports", json={"session_id": session_id, "format": "json"})
    found = entry(admin, request_id(answer), action="report.*")
    assert (found["action"], found["client_address"]) == ("report.requested", ADDRESS)


def test_a_file_is_recorded_without_its_content(admin: User, user: User) -> None:
    path = f"/sessions/{user.create()}/workspace/notes/ä.txt"
    answer = user.http.put(path, content=b"sesame" * 800_000).raise_for_status()
    found = entry(admin, request_id(answer), action="writeFile")
    assert (found["outcome"], found["detail"], found["size_bytes"]) == ("succeeded", "notes/ä.txt", 4_800_000)
    assert "sesame" not in json.dumps(found)
    deleted = user.http.delete(path).raise_for_status()
    assert entry(admin, request_id(deleted), action="deleteFile")["detail"] == "notes/ä.txt"


def test_a_link_to_a_report_is_recorded_without_its_token(admin: User, user: User) -> None:
    report = user.http.post("/reports", json={"session_id": user.create(), "format": "json"}).raise_for_status().json()
    answer = user.http.post(f"/reports/{report['id']}/links", json={}).raise_for_status()
    found = entry(admin, request_id(answer), action="createReportLink")
    assert (found["resource_type"], found["resource_id"]) == ("report", report["id"])
    assert answer.json()["url"].partition("link=")[2] not in json.dumps(found)


def test_a_change_of_a_secret_alone_is_recorded(admin: User, user: User) -> None:
    session = {"name": "one", "sdk_options": {"env": {"TOKEN": "sesame"}}}
    id = user.http.post("/sessions", json=session).raise_for_status().json()["id"]
    answer = user.http.patch(f"/sessions/{id}", json={"sdk_options": {"env": {"TOKEN": "open sesame"}}})
    found = entry(admin, request_id(answer.raise_for_status()), resource_id=id)
    assert (found["action"], "sesame" in json.dumps(found)) == ("session.changed", False)


def test_a_refused_scope_is_recorded(system: System, admin: User, user: User) -> None:
    key = user.http.post("/auth/api-keys", json={"name": "CI", "scopes": ["read"]}).json()
    answer = httpx.post(f"{system.base_url}/api/v1/sessions", json={}, headers={"x-api-key": key["key"]}, timeout=60)
    assert answer.status_code == 403
    found = entry(admin, request_id(answer), outcome="denied", user_id=user.id())
    assert (found["action"], found["error_code"]) == ("createSession", "FORBIDDEN")
    assert found["credential"] == {"kind": "api_key", "id": key["id"]}
    assert found["client_address"] == ADDRESS


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_foreign_session_is_recorded(admin: User, user: User, stranger: User, method: str) -> None:
    session_id = user.create()
    answer = stranger.http.request(method, f"/sessions/{session_id}")
    assert answer.status_code == 404
    found = entry(admin, request_id(answer), resource_id=session_id, outcome="denied")
    assert (found["user_id"], found["owner_id"]) == (stranger.id(), user.id())
    assert found["error_code"] == "SESSION_NOT_FOUND"


def test_an_unknown_session_is_no_refusal(admin: User, user: User, stranger: User) -> None:
    unknown = user.http.get("/sessions/0197a1f0-0000-7000-8000-0000000000aa")
    assert unknown.status_code == 404
    foreign = stranger.http.get(f"/sessions/{user.create()}")
    entry(admin, request_id(foreign), outcome="denied")
    denied = admin.items("/admin/audit", outcome="denied", user_id=user.id())
    assert not [each for each in denied if each["correlation_id"] == request_id(unknown)]


def test_a_failed_login_is_recorded_with_the_account(admin: User, user: User) -> None:
    body = {"email": user.email, "password": "plantedsecret-wrong password"}
    answer = httpx.post(str(user.http.base_url.join("auth/login")), json=body, timeout=60)
    assert answer.status_code == 401
    found = entry(admin, request_id(answer), action="login", client_address=ADDRESS)
    assert (found["actor"], found["error_code"]) == ("anonymous", "INVALID_CREDENTIALS")
    assert found["owner_id"] == user.id()


def test_what_a_task_does_is_done_by_its_owner_without_an_address(admin: User, user: User) -> None:
    task = {"name": "Audited", "prompt_template": "Hello", "mode": "non_interactive"}
    task_id = user.http.post("/tasks", json=task).raise_for_status().json()["id"]
    answer = user.http.post(f"/tasks/{task_id}/execute", json={}).raise_for_status()
    found = entry(admin, request_id(answer), action="session.created")
    assert (found["user_id"], found["client_address"], found["credential"]) == (user.id(), None, None)


def test_the_export_has_the_entries_of_the_list(admin: User, user: User) -> None:
    answer = user.http.post("/sessions", json={"name": "one"})
    entry(admin, request_id(answer), user_id=user.id())
    user_id, accept = user.id(), {"accept": "application/jsonl"}

    def exported() -> list[dict[str, Any]]:
        lines = admin.http.get("/admin/audit", params={"user_id": user_id}, headers=accept).text.splitlines()
        return [json.loads(line) for line in lines]

    until(lambda: exported() == admin.items("/admin/audit", user_id=user_id))  # entries of other services come later


@pytest.mark.parametrize("statement", ["UPDATE identity.audit_log SET action = ''", "DELETE FROM identity.audit_log"])
def test_the_role_of_the_services_cannot_change_entries(system: System, user: User, statement: str) -> None:
    socket = quote(str(system.data_dir / "postgres"), safe="/")

    async def execute() -> None:
        connection = await asyncpg.connect(f"postgresql://agentapi_service@/agentapi?host={socket}")
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
        asyncio.run(execute())


def test_no_entry_is_lost_or_repeated_by_kills(spare_system: System, spare_user: User) -> None:
    admin = User(spare_system.base_url)
    with admin.http:
        admin.log_in(spare_system.admin_email, spare_system.admin_password)
        for round_ in range(6):
            if round_ % 2:
                spare_system.kill("identity")
            spare_user.http.post("/sessions", json={"name": str(round_)}).raise_for_status()
        until(spare_system.ready)
        user_id = spare_user.id()
        wanted = {session["id"] for session in spare_user.items("/sessions")}

        def created() -> list[str]:
            entries = admin.items("/admin/audit", user_id=user_id, action="session.created")
            return [each["resource_id"] for each in entries]

        until(lambda: set(created()) == wanted)
        assert len(created()) == len(wanted) == 6
