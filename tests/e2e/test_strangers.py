"""What one user sees of another: nothing."""

from collections.abc import Generator

import httpx
import pytest
from onebox.testing.system import System, until

from tests.e2e.user import User, newcomer


@pytest.fixture
def stranger(system: System) -> Generator[User]:
    yield from newcomer(system)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("DELETE", ""),
        ("GET", "/messages"),
        ("GET", "/tool-calls"),
        ("POST", "/query"),
    ],
)
def test_another_users_session_is_not_found(user: User, stranger: User, method: str, path: str) -> None:
    session_id = user.create()
    body = {"message": "hi"} if method == "POST" else None
    answer = stranger.http.request(method, f"/sessions/{session_id}{path}", json=body)
    assert (answer.status_code, answer.json()["error_code"]) == (404, "SESSION_NOT_FOUND")
    assert user.status(session_id) == "created"


def test_another_users_session_is_not_listed(user: User, stranger: User) -> None:
    user.create()
    assert stranger.items("/sessions") == []


def test_an_admin_sees_all(user: User, system: System) -> None:
    session_id = user.create()
    admin = User(system.base_url)
    with admin.http:
        admin.log_in(system.admin_email, system.admin_password)
        assert admin.status(session_id) == "created"


def test_a_token_is_refused_everywhere_after_logout(user: User) -> None:
    assert user.http.post("/auth/logout").status_code == 204

    def refused() -> bool:
        return user.http.get("/auth/me").status_code == 401

    until(refused)


def test_requests_without_a_token_are_refused(system: System) -> None:
    answer = httpx.get(f"{system.base_url}/api/v1/sessions", timeout=60)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
