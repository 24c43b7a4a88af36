"""Requests with an Idempotency-Key on the whole system: one effect, whatever dies meanwhile."""

import json
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import httpx
import pytest
from contracts.wire import IDEMPOTENCY
from httpx_sse import connect_sse
from onebox.testing.system import System, until
from runtime.secrets.api_key import ApiKeyText
from simulator.testing import scripted

from tests.e2e.test_secrets import files, holders
from tests.e2e.test_streams import talking
from tests.e2e.user import HELD, User, let_go

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


def test_a_keyed_create_is_replayed(user: User, key: dict[str, str]) -> None:
    first, again = [post(user, "/sessions", key, {"name": "one"}) for _ in range(2)]
    assert (again.status_code, again.content, again.headers["location"]) == (
        *(201, first.content),
        first.headers["location"],
    )
    assert again.headers["idempotent-replayed"] == "true"
    assert len(user.items("/sessions")) == 1


def test_twenty_creates_at_once_with_one_key_create_one(user: User, key: dict[str, str]) -> None:
    with ThreadPoolExecutor(20) as clients:
        sent = [clients.submit(post, user, "/sessions", key, {"name": "one"}) for _ in range(20)]
        answers = [each.result(60) for each in sent]
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len(user.items("/sessions")) == 1


def test_an_api_key_is_replayed(user: User, key: dict[str, str]) -> None:
    first, again = [post(user, "/auth/api-keys", key, API_KEY) for _ in range(2)]
    assert (again.status_code, again.content) == (201, first.content)
    assert len(user.items("/auth/api-keys")) == 1


def test_a_link_to_a_report_is_replayed(user: User, key: dict[str, str]) -> None:
    report = {"session_id": user.create(), "format": "json"}
    created = user.http.post("/reports", json=report).raise_for_status().json()
    until(lambda: user.http.get(f"/reports/{created['id']}").json()["status"] == "completed")
    first, again = [post(user, f"/reports/{created['id']}/links", key, {}) for _ in range(2)]
    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)


def test_a_response_with_a_secret_survives_a_killed_gateway(spare_system: System, spare_user: User) -> None:
    key = {"idempotency-key": secrets.token_hex(16)}
    first = post(spare_user, "/auth/api-keys", key, API_KEY)
    spare_system.kill("gateway")
    again = post_until_answered(spare_user, "/auth/api-keys", key, API_KEY)
    assert (again.status_code, again.content) == (201, first.content)


def test_no_file_holds_a_replayed_secret_or_its_key(system: System, user: User, key: dict[str, str]) -> None:
    api_key = post(user, "/auth/api-keys", key, API_KEY).json()["key"]
    assert post(user, "/auth/api-keys", key, API_KEY).headers["idempotent-replayed"] == "true"
    stored = dict(files(system))
    assert any(IDEMPOTENCY.encode() in content for name, content in stored.items() if name.startswith("nats/"))
    assert holders(stored, [ApiKeyText.parse(api_key).secret, key["idempotency-key"]]) == []


def test_a_repeated_delete_succeeds(user: User, key: dict[str, str]) -> None:
    path = f"/sessions/{user.create()}"
    answers = [user.http.delete(path, headers=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [204, 204]


def test_a_stream_follows_the_run_that_its_key_has_started(system: System, user: User, key: dict[str, str]) -> None:
    session_id = user.create()
    path = f"/sessions/{session_id}/query"
    submitted = post(user, path, key | {"prefer": "respond-async"}, {"message": HELD})
    assert submitted.status_code == 202
    with connect_sse(user.http, "POST", path, json={"message": HELD}, headers=key) as source:
        events = source.iter_sse()
        assert next(events).json()["run_id"] == submitted.json()["id"]
        let_go(system, session_id)
        assert [event.event for event in events][-1] == "result"
    assert len(user.items(f"/sessions/{session_id}/runs")) == 1


def test_a_query_starts_one_run_if_the_gateway_is_killed(
    spare_system: System, spare_user: User, key: dict[str, str]
) -> None:
    session_id = spare_user.create()
    path, body = f"/sessions/{session_id}/query", {"message": HELD}
    with ThreadPoolExecutor(1) as caller:
        asked = caller.submit(post, spare_user, path, key, body)
        until(lambda: spare_user.items(f"/sessions/{session_id}/tool-calls"))
        spare_system.kill("gateway")
        assert isinstance(asked.exception(60), httpx.TransportError)
    let_go(spare_system, session_id)
    answer = post_until_answered(spare_user, path, key, body)
    assert (answer.status_code, answer.json()["content"]["text"]) == (200, "at last")
    assert len(spare_user.items(f"/sessions/{session_id}/runs")) == 1


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


def is_served(user: User) -> bool:
    """Return whether the gateway is back."""
    with suppress(httpx.TransportError):
        return user.http.get("/auth/me").is_success
    return False


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
