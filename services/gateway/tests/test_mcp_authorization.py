"""MCP servers are authorized: the URL, the way back from the authorization server, and the end."""

from hashlib import sha256
from typing import Any

import httpx
import pytest
from contracts.mcp_registry.authorization import (
    AuthorizationView,
    GetAuthorization,
    ReturnAuthorization,
    RevokeAuthorization,
    StartAuthorization,
)
from contracts.messages import Refused
from contracts.refusals import Code
from contracts.samples import AUTHORIZATION, MCP_SERVER, TIME
from structlog.testing import capture_logs

from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices
from services.gateway.tests.harness import Harness

ONE = f"/api/v1/mcp-servers/{MCP_SERVER}"
AUTHORIZE, CALLBACK = f"{ONE}/authorize", "/api/v1/mcp-servers/oauth/callback"
URL = "https://auth.example.com/authorize?state=s"
NOT_VALID = Refused(code=Code.AUTHORIZATION_FAILED, detail="This authorization is not valid.")


def attempt(**changed: Any) -> AuthorizationView:
    fields = {
        "id": AUTHORIZATION,
        "server_id": MCP_SERVER,
        "status": "pending",
        "authorization_url": None,
        "expires_at": TIME,
        "error_code": None,
        "error_detail": None,
    }
    return AuthorizationView.model_validate(fields | changed)


@pytest.fixture
async def offered(services: FakeServices) -> None:
    await services.answer(StartAuthorization, attempt())
    await services.answer(GetAuthorization, attempt(status="offered", authorization_url=URL))


async def start_with_cookie(client: httpx.AsyncClient, services: FakeServices, redirect_uri: str) -> httpx.Response:
    url = f"{URL}&redirect_uri={redirect_uri}"
    await services.answer(GetAuthorization, attempt(status="offered", authorization_url=url, browser_secret="b"))
    return await client.post(AUTHORIZE)


@pytest.mark.usefixtures("offered")
async def test_the_url_is_returned_when_it_is_ready(client: httpx.AsyncClient) -> None:
    response = await client.post(AUTHORIZE)
    assert response.json() == {"authorization_url": URL, "expires_at": TIME}
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.usefixtures("offered")
async def test_a_configured_client_is_sent(client: httpx.AsyncClient, services: FakeServices) -> None:
    await client.post(AUTHORIZE, json={"client_id": "c", "client_secret": "plantedsecret", "scope": "read write"})
    command: StartAuthorization = services.of(StartAuthorization)[-1]
    assert command.client
    assert (command.client.client_id, command.client.client_secret) == ("c", "plantedsecret")
    assert command.scope == "read write"


@each(
    "wrong",
    [
        {"client_secret": "s"},
        {"client_id": ""},
        {"client_id": "c", "client_secret": "s" * 4001},
        {"scope": "a\nb"},
        {"scope": " "},
        {"redirect_uri": "https://evil.example.com"},
    ],
)
async def test_a_wrong_body_is_refused(client: httpx.AsyncClient, wrong: dict[str, str]) -> None:
    assert (await client.post(AUTHORIZE, json=wrong)).status_code == 422


@each(("code", "status"), [(Code.AUTHORIZATION_FAILED, 502), (Code.AUTHORIZATION_NOT_SUPPORTED, 422)])
async def test_a_failed_attempt_is_a_problem(
    client: httpx.AsyncClient, services: FakeServices, code: Code, status: int
) -> None:
    await services.answer(StartAuthorization, attempt())
    await services.answer(GetAuthorization, attempt(status="failed", error_code=code, error_detail="It has no PKCE."))
    response = await client.post(AUTHORIZE)
    assert (response.status_code, response.json()["detail"]) == (status, "It has no PKCE.")


async def test_viewers_cannot_authorize(harness: Harness) -> None:
    assert (await harness.client("viewer").post(AUTHORIZE)).status_code == 403


async def test_an_authorization_is_revoked(client: httpx.AsyncClient, services: FakeServices) -> None:
    await services.answer(RevokeAuthorization, None)
    assert (await client.delete(f"{ONE}/authorization")).status_code == 204


async def test_a_user_comes_back_without_a_login(harness: Harness, services: FakeServices) -> None:
    await services.answer(ReturnAuthorization, True)
    response = await harness.client(None).get(CALLBACK, params={"state": "s", "code": "c", "iss": "https://a"})
    command: ReturnAuthorization = services.received[-1][0]
    assert (response.status_code, "Authorization received" in response.text) == (200, True)
    assert (command.state, command.code, command.issuer) == ("s", "c", "https://a")


@pytest.mark.usefixtures("offered")
@each(
    ("redirect_uri", "beginning", "is_secure"),
    [("http://localhost:8000/x", "mcp-authorization-", False), ("https://a.example.com/x", "__Host-mcp-", True)],
)
async def test_the_browser_that_started_gets_a_cookie(
    client: httpx.AsyncClient, services: FakeServices, redirect_uri: str, beginning: str, is_secure: bool
) -> None:
    cookie = (await start_with_cookie(client, services, redirect_uri)).headers["set-cookie"]
    assert cookie.startswith(beginning)
    assert {"HttpOnly", "Max-Age=600", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
    assert ("Secure" in cookie.split("; "), "Domain" in cookie) == (is_secure, False)


@pytest.mark.usefixtures("offered")
async def test_the_cookie_of_an_attempt_is_sent_with_its_state_only(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    await services.answer(ReturnAuthorization, True)
    await start_with_cookie(client, services, "http://a/x")
    await client.get(CALLBACK, params={"state": "other", "code": "c"})
    await client.get(CALLBACK, params={"state": "s", "code": "c"})
    assert [command.browser_secret for command in services.of(ReturnAuthorization)] == [None, "b"]


@each(("prefix", "is_of_host"), [("__Host-", True), ("", False)])
async def test_the_registry_learns_whether_the_host_has_set_the_cookie(
    client: httpx.AsyncClient, services: FakeServices, prefix: str, is_of_host: bool
) -> None:
    await services.answer(ReturnAuthorization, True)
    name = f"{prefix}mcp-authorization-{sha256(b's').hexdigest()[:24]}"
    await client.get(CALLBACK, params={"state": "s", "code": "c"}, headers={"cookie": f"{name}=b"})
    [command] = services.of(ReturnAuthorization)
    assert (command.browser_secret, command.is_host_secret) == ("b", is_of_host)


@pytest.mark.usefixtures("offered")
async def test_the_cookie_is_deleted_when_the_user_has_returned(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    await services.answer(ReturnAuthorization, True)
    await start_with_cookie(client, services, "http://a/x")
    await client.get(CALLBACK, params={"state": "s", "code": "c"})
    assert not client.cookies


async def test_a_token_shows_who_comes_back(client: httpx.AsyncClient, services: FakeServices) -> None:
    await services.answer(ReturnAuthorization, True)
    await client.get(CALLBACK, params={"state": "s", "code": "c"})
    assert services.received[-1][1].actor is not None


async def test_viewers_cannot_come_back_with_their_token(harness: Harness) -> None:
    assert (await harness.client("viewer").get(CALLBACK, params={"state": "s", "code": "c"})).status_code == 403


async def test_other_parameters_of_the_response_are_ignored(harness: Harness, services: FakeServices) -> None:
    await services.answer(ReturnAuthorization, True)
    response = await harness.client(None).get(CALLBACK, params={"state": "s", "code": "c", "session_state": "x"})
    assert response.status_code == 200


async def test_a_user_who_does_not_consent_is_not_authorized(harness: Harness, services: FakeServices) -> None:
    await services.answer(ReturnAuthorization, False)
    response = await harness.client(None).get(CALLBACK, params={"state": "s", "error": "access_denied"})
    assert (response.status_code, "Not authorized" in response.text) == (400, True)


@each("query", ["", "state=" + "s" * 501, "code=c"])
async def test_a_response_that_cannot_be_ours_asks_no_service(
    harness: Harness, services: FakeServices, query: str
) -> None:
    response = await harness.client(None).get(f"{CALLBACK}?{query}")
    assert (response.status_code, services.of(ReturnAuthorization)) == (400, [])


async def test_the_page_shows_nothing_that_was_sent(harness: Harness, services: FakeServices) -> None:
    await services.answer(ReturnAuthorization, NOT_VALID)
    pages = {
        (await harness.client(None).get(CALLBACK, params={"state": state, "error": "<script>alert(1)</script>"})).text
        for state in ("<b>one</b>", "two")
    }
    assert len(pages) == 1
    assert "<script" not in pages.pop()


async def test_the_page_can_load_nothing_and_is_not_cached(harness: Harness) -> None:
    headers = (await harness.client(None).get(CALLBACK)).headers
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert (headers["cache-control"], headers["referrer-policy"]) == ("no-store", "no-referrer")


async def test_the_code_and_the_state_are_not_logged(anonymous: httpx.AsyncClient, services: FakeServices) -> None:
    await services.answer(ReturnAuthorization, NOT_VALID)
    with capture_logs() as lines:
        await anonymous.get(CALLBACK, params={"state": "planted-state", "code": "planted-code"})
    logged = str(lines)
    assert CALLBACK in logged
    assert "planted" not in logged
