"""Isolation of users: one sees nothing of another."""

from collections.abc import Generator

import httpx
import pytest
from onebox.testing.system import System, until

from tests.e2e.tasks import FINE, UserTask
from tests.e2e.user import PATIENCE, User, error, newcomer

SESSION = ("", "/messages", "/tool-calls", "/runs", "/workspace", "/events")
TASK = ("", "/executions", "/next-runs", "/triggers")
REPORT = ("", "/download")


@pytest.fixture(scope="module")
def stranger(system: System) -> Generator[User]:
    """Someone who has nothing."""
    yield from newcomer(system)


@pytest.fixture(scope="module")
def owned(shared_user: User) -> dict[str, str]:
    """The paths of what a user has, by the code with which it is not found."""
    session_id = shared_user.create()
    shared_user.ask(session_id, FINE).raise_for_status()
    report = shared_user.http.post("/reports", json={"session_id": session_id, "format": "json"}).json()
    task = UserTask.create(shared_user)
    return {
        "SESSION_NOT_FOUND": f"/sessions/{session_id}",
        "TASK_NOT_FOUND": task.path,
        "REPORT_NOT_FOUND": f"/reports/{report['id']}",
    }


def test_what_another_user_has_is_not_found(stranger: User, owned: dict[str, str]) -> None:
    for (code, path), parts in zip(owned.items(), (SESSION, TASK, REPORT), strict=True):
        for part in parts:
            assert error(stranger.http.get(path + part)) == (404, code), path + part
        assert error(stranger.http.delete(path)) == (404, code), path


def test_what_another_user_has_cannot_be_used(stranger: User, owned: dict[str, str]) -> None:
    session, task, _ = owned.values()
    report = {"session_id": session.rpartition("/")[2], "format": "json"}
    for path, body, code in (
        (f"{session}/query", {"message": "hi"}, "SESSION_NOT_FOUND"),
        (f"{session}/fork", {}, "SESSION_NOT_FOUND"),
        (f"{task}/execute", {}, "TASK_NOT_FOUND"),
        (f"{task}/triggers", {}, "TASK_NOT_FOUND"),
        ("/reports", report, "SESSION_NOT_FOUND"),
        ("/reports", {"report_type": "task", "task_id": task[7:], "format": "json"}, "TASK_NOT_FOUND"),
    ):
        assert error(stranger.http.post(path, json=body)) == (404, code), path


def test_what_another_user_has_is_not_listed(stranger: User, owned: dict[str, str]) -> None:
    for path in {"/approvals", "/mcp-servers"} | {path.rpartition("/")[0] for path in owned.values()}:
        assert stranger.items(path) == [], path


def test_an_administrator_sees_all(admin: User, owned: dict[str, str]) -> None:
    assert [admin.http.get(path).status_code for path in owned.values()] == [200] * 3


def test_a_token_is_refused_everywhere_after_logout(user: User) -> None:
    assert user.http.post("/auth/logout").status_code == 204
    until(lambda: user.http.get("/auth/me").status_code == 401)


def test_requests_without_a_token_are_refused(system: System) -> None:
    answer = httpx.get(f"{system.base_url}/api/v1/sessions", timeout=PATIENCE)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
