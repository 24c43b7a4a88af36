"""Credentials of each kind are accepted only as what they are."""

import json
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from onebox.testing.mcp import code_of, mcp_client
from onebox.testing.planted import planted
from onebox.testing.system import System
from simulator.testing import scripted
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.e2e import streams
from tests.e2e.tasks import UserTask
from tests.e2e.user import User, admin_of, error, newcomer, searched_client

KINDS = ("access token", "refresh token", "API key", "reset token", "trigger secret", "report link", "password")


@dataclass(frozen=True)
class Credentials:
    """A user's credentials of each kind, and their report."""

    of: dict[str, str]
    user: User
    report_id: str

    def but(self, *kinds: str) -> list[str]:
        """Return those of all other kinds."""
        assert {*kinds} <= {*KINDS} == {*self.of}
        return [value for kind, value in self.of.items() if kind not in kinds]


@pytest.fixture(scope="module")
def user(swept_system: System) -> Generator[User]:
    yield from newcomer(swept_system)


@pytest.fixture(scope="module")
def admin(swept_system: System) -> Generator[User]:
    yield from admin_of(swept_system)


@pytest.fixture(scope="module")
def credentials(user: User, admin: User) -> Credentials:
    tokens = user.log_in()
    reset = admin.http.post(f"/admin/users/{user.id()}/password-reset").raise_for_status().json()
    key = user.http.post("/auth/api-keys", json={"name": "CI", "scopes": ["read", "write"]}).raise_for_status().json()
    trigger = UserTask.create(user).post("triggers", {}).raise_for_status().json()
    report = user.http.post("/reports", json={"session_id": user.create(), "format": "json"}).raise_for_status().json()
    link = user.http.post(f"/reports/{report['id']}/links").raise_for_status().json()
    values = (
        *(tokens["access_token"], tokens["refresh_token"], key["key"], reset["reset_token"]),
        *(trigger["secret"], link["url"].rpartition("=")[2], user.password),
    )
    return Credentials(dict(zip(KINDS, values, strict=True)), user, report["id"])


type Send = Callable[[str], httpx.Response]


@pytest.fixture(scope="module")
def without_token(swept_system: System) -> Generator[httpx.Client]:
    with searched_client(f"{swept_system.base_url}/api/v1") as client:
        yield client


def statuses(values: list[str], send: Send) -> set[int]:
    return {send(value).status_code for value in values}


def test_only_tokens_and_keys_are_bearers(credentials: Credentials, without_token: httpx.Client) -> None:
    def send(value: str) -> httpx.Response:
        return without_token.get("/auth/me", headers={"authorization": f"Bearer {value}"})

    assert statuses(credentials.but("access token", "API key"), send) == {401}
    assert send(credentials.of["access token"]).status_code == 200


@pytest.mark.parametrize("scheme", ["Basic", "Token", "Digest", "Bearer, Bearer", "Bearer\t", "Bearer:"])
def test_no_other_scheme_is_accepted(credentials: Credentials, without_token: httpx.Client, scheme: str) -> None:
    def send(value: str) -> httpx.Response:
        return without_token.get("/auth/me", headers={"authorization": f"{scheme} {value}"})

    assert statuses(credentials.but(), send) == {401}


@pytest.mark.parametrize("name", ["x-api-key", "x-auth-token", "cookie", "proxy-authorization", "x-access-token"])
def test_no_other_header_is_read(credentials: Credentials, without_token: httpx.Client, name: str) -> None:
    def send(value: str) -> httpx.Response:
        return without_token.get("/auth/me", headers={name: value})

    accepted = ["API key"] if name == "x-api-key" else []
    assert statuses(credentials.but(*accepted), send) == {401}


@pytest.mark.parametrize("name", ["token", "access_token", "api_key", "link"])
def test_no_token_is_read_from_a_query_string(credentials: Credentials, without_token: httpx.Client, name: str) -> None:
    assert statuses(credentials.but(), lambda value: without_token.get("/auth/me", params={name: value})) == {401}


def test_only_refresh_tokens_are_refreshed(credentials: Credentials, without_token: httpx.Client) -> None:
    def send(value: str) -> httpx.Response:
        return without_token.post("/auth/refresh", json={"refresh_token": value})

    assert statuses(credentials.but("refresh token"), send) <= {401, 422}


def test_only_reset_tokens_reset_a_password(credentials: Credentials, without_token: httpx.Client) -> None:
    def send(value: str) -> httpx.Response:
        body = {"reset_token": value, "new_password": planted("new password")}
        return without_token.post("/auth/reset-password", json=body)

    assert statuses(credentials.but("reset token"), send) <= {401, 422}


def test_only_links_download_without_a_token(credentials: Credentials, without_token: httpx.Client) -> None:
    def send(value: str) -> httpx.Response:
        return without_token.get(f"/reports/{credentials.report_id}/download", params={"link": value})

    assert statuses(credentials.but("report link"), send) <= {401, 404, 422}
    assert send(credentials.of["report link"]).status_code == 200


def test_no_credential_is_a_password(credentials: Credentials, without_token: httpx.Client) -> None:
    def send(value: str) -> httpx.Response:
        return without_token.post("/auth/login", json={"email": credentials.user.email, "password": value})

    assert statuses(credentials.but("password"), send) == {401}


def test_a_service_account_has_no_password(admin: User, without_token: httpx.Client) -> None:
    name = f"ci-{admin.name}"
    account = admin.http.post("/admin/service-accounts", json={"username": name}).raise_for_status().json()
    for password in ("", "None", "null", account["id"], name, planted("any")):
        answer = without_token.post("/auth/login", json={"email": account["email"], "password": password})
        assert answer.status_code in (401, 422)
    assert admin.http.post(f"/admin/users/{account['id']}/password-reset").status_code == 409


@pytest.fixture(scope="module")
def reader(user: User) -> str:
    """Return an API key that may only read."""
    return user.http.post("/auth/api-keys", json={"name": "CI", "scopes": ["read"]}).raise_for_status().json()["key"]


async def test_a_reading_key_cannot_use_tools_that_write(swept_system: System, user: User, reader: str) -> None:
    session_id, task = user.create(), UserTask.create(user)
    known = {"session_id": session_id, "task_id": task.id, "run_id": task.id, "report_id": task.id}
    values = known | {"message": scripted({"text": "no"}), "format": "json", "execution_id": task.id}
    async with mcp_client(swept_system.base_url, reader) as client:
        tools = (await client.list_tools()).tools
        writing = [tool for tool in tools if not (tool.annotations and tool.annotations.read_only_hint)]
        for tool in writing:
            arguments = {name: values[name] for name in tool.input_schema.get("required", ())}
            assert code_of(await client.call_tool(tool.name, arguments)) == "FORBIDDEN", tool.name
    assert len(writing) >= 4
    assert user.items(f"/sessions/{session_id}/runs") == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"accept": "text/event-stream"},
        {"prefer": "respond-async"},
        {"prefer": "respond-async, wait=10", "accept": "*/*"},
        {"idempotency-key": "one"},
        {"content-type": "text/plain"},
        {"x-http-method-override": "GET"},
    ],
    ids=str,
)
def test_a_reading_key_cannot_query(user: User, reader: str, headers: dict[str, str]) -> None:
    session_id = user.create()
    sent = {"x-api-key": reader, "authorization": "", "content-type": "application/json", **headers}
    content = json.dumps({"message": scripted({"text": "no"})})
    answer = user.http.post(f"/sessions/{session_id}/query", content=content, headers=sent)
    assert error(answer) == (403, "FORBIDDEN")
    assert user.items(f"/sessions/{session_id}/runs") == []


def _reply(socket: ClientConnection) -> dict[str, Any]:
    """Return the reply to the message with the id 1; events of the session may precede it."""
    while (received := streams.message(socket)).get("reply_to") != 1:
        pass
    return received


@pytest.mark.parametrize(
    "message",
    [
        {"type": "query", "data": {"message": "no"}},
        {"type": "interrupt", "data": {}},
        {"type": "approve", "data": {"approval_id": "0197a1f0-0000-7000-8000-000000000008"}},
        {"type": "deny", "data": {"approval_id": "0197a1f0-0000-7000-8000-000000000008"}},
    ],
    ids=lambda message: message["type"],
)
def test_a_reading_key_cannot_write_over_a_socket(user: User, reader: str, message: dict[str, Any]) -> None:
    session_id = user.create()
    with streams.talking(user, session_id, headers={"x-api-key": reader}) as socket:
        socket.send(json.dumps(message | {"id": 1}))
        try:
            received: dict[str, Any] = _reply(socket)
        except ConnectionClosed:
            received = {"type": "error", "data": {"code": "FORBIDDEN"}}
    assert (received["type"], received["data"]["code"]) == ("error", "FORBIDDEN")
    assert user.items(f"/sessions/{session_id}/runs") == []
