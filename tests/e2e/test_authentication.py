"""API keys, roles and logins, over HTTP on the whole system."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest
from onebox.testing.preloaded import COSTLY_PASSWORDS
from onebox.testing.system import System, until

from tests.e2e.user import PASSWORD, User, change, newcomer, searched_client


def key_of(user: User, *scopes: str, **more: Any) -> dict[str, Any]:
    body = {"name": "CI", "scopes": scopes, **more}
    return user.http.post("/auth/api-keys", json=body).raise_for_status().json()


def program(system: System, key: str) -> httpx.Client:
    return searched_client(f"{system.base_url}/api/v1", **{"x-api-key": key})


def test_a_key_works_until_it_is_revoked(system: System, shared_user: User) -> None:
    key = key_of(shared_user, "read")
    with program(system, key["key"]) as client:
        assert client.get("/auth/me").json()["api_key_id"] == key["id"]
        assert client.post("/sessions", json={}).status_code == 403
        shared_user.http.delete(f"/auth/api-keys/{key['id']}").raise_for_status()
        assert client.get("/auth/me").status_code == 401


def test_a_disabled_user_loses_tokens_and_open_streams(admin: User, user: User) -> None:
    with user.http.stream("GET", "/events") as stream:
        lines = stream.iter_lines()
        assert "connected" in "".join(next(lines) for _ in range(3))
        change(admin, user, is_active=False)
        assert "UNAUTHENTICATED" in "".join(lines)
    assert user.http.get("/auth/me").status_code == 401


def test_a_changed_password_ends_the_other_login(system: System, user: User) -> None:
    other = User(system.base_url)
    with other.http:
        other.log_in(user.email)
        body = {"current_password": PASSWORD, "new_password": "plantedsecret-difference engine"}
        assert user.http.post("/auth/change-password", json=body).status_code == 204
        until(lambda: other.http.get("/auth/me").status_code == 401)
    assert user.http.get("/auth/me").status_code == 200


@pytest.fixture(scope="session")
def costly_system(agent_program: Path | None) -> Generator[System]:
    """Yield a system where passwords cost as much as those of users do."""
    with System({COSTLY_PASSWORDS: "yes"}) as system:
        system.start()
        yield system


@pytest.fixture
def costly_user(costly_system: System) -> Generator[User]:
    yield from newcomer(costly_system)


@pytest.mark.long
def test_a_flood_of_logins_leaves_other_routes_answering(costly_system: System, costly_user: User) -> None:
    stop, statuses = Event(), set[int]()

    def flood() -> None:
        with searched_client(f"{costly_system.base_url}/api/v1") as client:
            while not stop.is_set():
                body = {"email": costly_user.email, "password": PASSWORD}
                statuses.add(client.post("/auth/login", json=body).status_code)

    with ThreadPoolExecutor(20) as clients:
        for _ in range(20):
            clients.submit(flood)
        try:
            until(lambda: {200, 503} <= statuses)
            assert {costly_user.http.get("/sessions").status_code for _ in range(50)} == {200}
        finally:
            stop.set()
    assert statuses <= {200, 503}
