"""API keys at the gateway: how they are sent, what their scopes allow, and when they are refused."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from contracts.identity.api_key import ApiKeyHolder, RecordApiKeyUses, VerifyApiKey
from contracts.identity.user import GetUser
from contracts.identity.values import Role, Scope
from contracts.messages import Actor, Refused
from contracts.refusals import Code
from contracts.samples import API_KEY, USER
from contracts.session.run import SubmitQuery
from contracts.session.session import GetSession
from gateway.clients.auth import api_keys
from runtime.secrets.api_key import ApiKeyText
from runtime.testing import eventually

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices
from services.gateway.tests.harness import Harness
from services.gateway.tests.sse_client import open_stream
from services.gateway.tests.test_revocations import revoke
from services.gateway.tests.test_roles import operations
from services.gateway.tests.websocket_client import open_websocket

ME = "/api/v1/auth/me"
KEY_ID = UUID(API_KEY)
KEY = str(ApiKeyText(KEY_ID, "the_secret-has_separators"))
ALL: list[Scope] = ["read", "write", "admin"]


async def hold(services: FakeServices, *scopes: Scope, role: Role = "user", expires_at: datetime | None = None) -> None:
    """Let the key have these scopes, and its user this role."""
    actor = Actor(user_id=UUID(USER), role=role)
    holder = ApiKeyHolder(actor=actor, scopes=list(scopes), expires_at=expires_at)
    await services.answer(VerifyApiKey, holder)


@pytest.fixture(autouse=True)
async def key(services: FakeServices) -> None:
    await hold(services, "read", "write")
    await services.answer(GetUser, samples.user())
    await services.answer(GetSession, samples.session())


@pytest.fixture
def program(anonymous: httpx.AsyncClient) -> httpx.AsyncClient:
    anonymous.headers["x-api-key"] = KEY
    return anonymous


@pytest.mark.parametrize("headers", [{"authorization": f"Bearer {KEY}"}, {"x-api-key": KEY}])
async def test_a_key_is_accepted_in_both_headers(
    anonymous: httpx.AsyncClient, services: FakeServices, headers: dict[str, str]
):
    response = await anonymous.get(ME, headers=headers)
    assert response.json() | {"scopes": ["read", "write"], "api_key_id": API_KEY} == response.json()
    [query] = services.of(VerifyApiKey)
    assert (query.key_id, query.secret_hash) == (KEY_ID, ApiKeyText.parse(KEY).secret_hash)


async def test_a_key_beside_another_authentication_scheme_is_accepted(program: httpx.AsyncClient):
    assert (await program.get(ME, headers={"authorization": "Basic YTpi"})).status_code == 200


@each("names", [["authorization", "authorization"], ["x-api-key", "x-api-key"], ["authorization", "x-api-key"]])
async def test_several_credentials_are_401(anonymous: httpx.AsyncClient, services: FakeServices, names: list[str]):
    values = {"authorization": f"Bearer {services.token()}", "x-api-key": KEY}
    headers = [(name, values[name]) for name in names]
    response = await anonymous.get(ME, headers=headers)
    assert (response.status_code, response.json()["error_code"]) == (401, "UNAUTHENTICATED")
    assert response.json()["detail"] == "The request has several access tokens or API keys. Send one."


async def test_the_same_key_in_both_headers_is_accepted(program: httpx.AsyncClient):
    assert (await program.get(ME, headers={"authorization": f"Bearer {KEY}"})).status_code == 200


async def test_responses_to_keys_are_not_cached(program: httpx.AsyncClient):
    assert (await program.get(ME)).headers["cache-control"] == "no-store"


async def test_an_access_token_is_not_accepted_as_a_key(anonymous: httpx.AsyncClient, services: FakeServices):
    assert (await anonymous.get(ME, headers={"x-api-key": services.token()})).status_code == 401


@each("key", ["agk_", "agk_x", "agk_x_y", f"agk_{KEY_ID.hex}", "agk_" + "a" * 10_000])
async def test_a_malformed_key_is_401_without_a_query(anonymous: httpx.AsyncClient, services: FakeServices, key: str):
    response = await anonymous.get(ME, headers={"x-api-key": key})
    assert (response.status_code, response.headers["www-authenticate"]) == (401, 'Bearer error="invalid_token"')
    assert services.of(VerifyApiKey) == []


async def test_a_refused_key_is_401(program: httpx.AsyncClient, services: FakeServices):
    await services.answer(VerifyApiKey, Refused(code=Code.INVALID_API_KEY, detail="No."))
    response = await program.get(ME)
    assert (response.status_code, response.json()["detail"]) == (401, "The API key is not valid.")


async def test_an_expired_key_is_401(program: httpx.AsyncClient, services: FakeServices):
    await hold(services, "read", expires_at=datetime.now(UTC) - timedelta(seconds=1))  # noqa: TID251  a test's clock
    response = await program.get(ME)
    assert (response.status_code, response.json()["detail"]) == (401, "The API key has expired.")


async def test_a_key_is_verified_again_after_a_minute(
    program: httpx.AsyncClient, services: FakeServices, monkeypatch: pytest.MonkeyPatch
):
    for _ in range(3):
        await program.get(ME)
    assert len(services.of(VerifyApiKey)) == 1
    later = time.monotonic() + api_keys.REVERIFY_SECONDS
    monkeypatch.setattr("gateway.clients.auth.tokens.time.monotonic", lambda: later)
    await program.get(ME)
    assert len(services.of(VerifyApiKey)) == 2


async def test_a_verified_key_is_accepted_while_identity_is_unavailable(
    harness: Harness, services: FakeServices, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(api_keys, "REVERIFY_SECONDS", 0)
    token = await harness.gateway.tokens.verify(KEY)
    await services.stop()
    assert await harness.gateway.tokens.verify(KEY) == token


async def test_an_unknown_key_while_identity_is_unavailable_is_503(
    program: httpx.AsyncClient, services: FakeServices, impatient: None
):
    await services.stop()
    assert (await program.get(ME)).status_code == 503


async def test_a_revoked_key_is_401_although_it_was_verified(
    program: httpx.AsyncClient, harness: Harness, services: FakeServices
):
    assert (await program.get(ME)).status_code == 200
    await revoke(services, API_KEY)
    await eventually(lambda: KEY_ID in harness.gateway.revocations)
    response = await program.get(ME)
    assert (response.status_code, response.json()["detail"]) == (401, "The API key was revoked.")


async def test_the_last_uses_are_reported(harness: Harness, services: FakeServices, monkeypatch: pytest.MonkeyPatch):
    await services.answer(RecordApiKeyUses, None)
    await harness.gateway.tokens.verify(KEY)
    monkeypatch.setattr(api_keys, "REPORT_SECONDS", 0)
    await harness.gateway.api_keys.report_uses()
    [command] = services.of(RecordApiKeyUses)
    assert set(command.uses) == {KEY_ID}
    assert harness.gateway.api_keys.uses == {}


def _required(method: str, path: str) -> Scope:
    return "admin" if path.startswith("/api/v1/admin/") else "read" if method == "GET" else "write"


@pytest.mark.parametrize("required", ALL)
async def test_every_operation_needs_its_scope(program: httpx.AsyncClient, services: FakeServices, required: Scope):
    others: list[Scope] = [scope for scope in ALL if scope != required]
    await hold(services, *others, role="admin")
    refused = (403, "FORBIDDEN", f"The API key does not have the scope `{required}`.")
    answers = dict[tuple[str, str], tuple[int, str, str]]()
    for method, path in operations():
        if _required(method, path) == required:
            response = await program.request(method, path, json={} if method == "POST" else None)
            answers[method, path] = (response.status_code, response.json()["error_code"], response.json()["detail"])
    assert answers
    assert {operation: answer for operation, answer in answers.items() if answer != refused} == {}


@each(
    ("method", "path"),
    [
        ("POST", "/api/v1/auth/logout"),
        ("POST", "/api/v1/auth/logout-all"),
        ("POST", "/api/v1/auth/change-password"),
        ("POST", "/api/v1/auth/api-keys"),
        ("DELETE", f"/api/v1/auth/api-keys/{API_KEY}"),
    ],
)
async def test_a_key_cannot_manage_logins_passwords_and_keys(program: httpx.AsyncClient, method: str, path: str):
    response = await program.request(method, path, json={"name": "x", "scopes": ["read"]})
    assert (response.status_code, response.json()["detail"]) == (
        403,
        "API keys cannot do this. Log in, and use an access token.",
    )


async def test_a_write_key_of_a_viewer_cannot_write(program: httpx.AsyncClient, services: FakeServices):
    await hold(services, *ALL, role="viewer")
    response = await program.post("/api/v1/sessions", json={})
    assert response.json()["detail"] == "Accounts with the role `viewer` may only read."


class TestStreams:
    @pytest.fixture(autouse=True)
    async def streams(self, services: FakeServices) -> None:
        await services.create_streams()

    async def test_a_key_streams_events(self, base_url: str, harness: Harness):
        async with open_stream(base_url, KEY):
            assert len(harness.gateway.streams.open) == 1

    async def _first(self, base_url: str, token: str | None, suffix: str = "", **more: Any) -> str:
        async with open_websocket(base_url, token, suffix, **more) as client:
            return (await client.next())[0]

    async def test_a_key_is_accepted(self, base_url: str):
        assert await self._first(base_url, KEY) == "connected"
        assert await self._first(base_url, None, f"?token={KEY}") == "connected"

    async def test_a_key_without_read_is_refused(self, base_url: str, services: FakeServices):
        await hold(services, "write")
        async with open_websocket(base_url, KEY) as client:
            assert (await client.next())[1]["code"] == "FORBIDDEN"
            assert await client.wait_closed() == (1008, [])

    async def test_a_key_without_write_cannot_query(self, base_url: str, services: FakeServices):
        await hold(services, "read")
        async with open_websocket(base_url, KEY) as client:
            await client.next()
            _, error = await client.send("query", message="Hello")
            assert error["message"] == "The API key does not have the scope `write`."
        assert services.of(SubmitQuery) == []

    async def test_a_revoked_key_ends_its_stream(self, base_url: str, services: FakeServices):
        async with open_websocket(base_url, KEY) as client:
            await client.next()
            await revoke(services, API_KEY)
            assert (await client.next())[1]["code"] == "UNAUTHENTICATED"
            assert await client.wait_closed() == (1008, [])
