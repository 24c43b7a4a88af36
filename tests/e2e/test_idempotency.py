"""Requests with an Idempotency-Key on the whole system: one effect, whatever dies meanwhile."""

import json
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import httpx
import pytest
from onebox.testing.system import System, until
from simulator.testing import scripted

from tests.e2e.streams import talking
from tests.e2e.user import HELD, PATIENCE, User, let_go

API_KEY = {"name": "CI", "scopes": ["read"]}


@pytest.fixture
def key() -> dict[str, str]:
    return {"idempotency-key": secrets.token_hex(16)}


def post(user: User, path: str, headers: dict[str, str], body: Any = None) -> httpx.Response:
    return user.http.post(path, json=body, headers=headers)


def post_until_answered(user: User, path: str, headers: dict[str, str], body: Any) -> httpx.Response:
    """Send a request until its response is neither a 409 nor a 503, as clients should."""

    def answered() -> httpx.Response | None:
        try:
            response = post(user, path, headers, body)
        except httpx.TransportError:
            return None
        return None if response.status_code in (409, 503) else response

    found = list[httpx.Response]()
    until(lambda: (response := answered()) and not found.append(response))
    return found[-1]


def test_one_effect_has_one_response_even_if_the_gateway_is_killed(
    spare_system: System, spare_user: User, key: dict[str, str]
) -> None:
    session_id = spare_user.create()
    path, body = f"/sessions/{session_id}/query", {"message": HELD}
    first = post(spare_user, "/auth/api-keys", key, API_KEY)
    with ThreadPoolExecutor(1) as caller:
        asked = caller.submit(post, spare_user, path, key, body)
        until(lambda: spare_user.items(f"/sessions/{session_id}/tool-calls"))
        spare_system.kill("gateway")
        assert isinstance(asked.exception(PATIENCE), httpx.TransportError)
    let_go(spare_system, session_id)
    answer = post_until_answered(spare_user, path, key, body)
    assert (answer.status_code, answer.json()["content"]["text"]) == (200, "at last")
    assert len(spare_user.items(f"/sessions/{session_id}/runs")) == 1
    again = post_until_answered(spare_user, "/auth/api-keys", key, API_KEY)
    assert (again.status_code, again.content) == (201, first.content)


@pytest.mark.long
def test_a_query_over_a_second_socket_starts_no_second_run(spare_system: System, spare_user: User) -> None:
    session_id = spare_user.create()
    query = {"type": "query", "id": "sent", "idempotency_key": "k", "data": {"message": scripted({"text": "once"})}}
    with talking(spare_user, session_id) as socket:
        socket.send(json.dumps(query))
        until(lambda: spare_user.items(f"/sessions/{session_id}/runs"))
        spare_system.kill("gateway")
    until(lambda: is_served(spare_user))
    with talking(spare_user, session_id) as socket:
        socket.send(json.dumps(query))
        reply = next(message for text in socket if "reply_to" in (message := json.loads(text)))
    [run] = spare_user.items(f"/sessions/{session_id}/runs")
    assert reply["data"]["run_id"] == run["id"]
    assert spare_user.ended(session_id, run["id"])["text"] == "once"


def is_served(user: User) -> bool:
    """Return whether the gateway is back."""
    with suppress(httpx.TransportError):
        return user.http.get("/auth/me").is_success
    return False


@pytest.mark.long
def test_a_query_starts_one_run_if_everything_is_killed(
    spare_system: System, spare_user: User, key: dict[str, str]
) -> None:
    session_id = spare_user.create()
    path, body = f"/sessions/{session_id}/query", {"message": scripted({"text": "once"})}
    first = post(spare_user, path, key, body)
    spare_system.kill_all()
    spare_system.restart()
    again = post_until_answered(spare_user, path, key, body)
    assert (again.status_code, again.json()["run_id"]) == (200, first.json()["run_id"])
    assert len(spare_user.items(f"/sessions/{session_id}/runs")) == 1
