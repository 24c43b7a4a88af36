"""The adapter to authorization servers, against hostile and broken ones."""

import gzip
import itertools
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from contracts.refusals import Code
from mcp_registry.oauth import requests as requests_module
from mcp_registry.oauth.errors import AuthorizationRefused, AuthorizationServerUnavailable
from mcp_registry.oauth.preparation import prepare
from mcp_registry.oauth.requests import MAX_RESPONSE_BYTES, Requests
from mcp_registry.oauth.tokens import exchange, refresh, revoke
from runtime.http.addresses import AddressRules
from runtime.http.guarded_client import guarded_client
from runtime.http.health import serving
from starlette.responses import Response, StreamingResponse

from .scripted_server import ISSUER, PENDING, PREPARATION, PRIVATE, RESOURCE, SERVER_URL, TOKENS, ScriptedServer

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)
WELL_KNOWN = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp"
TOKEN = {"access_token": "plantedsecret-access", "token_type": "Bearer"}


async def refused(server: ScriptedServer) -> AuthorizationRefused:
    with pytest.raises(AuthorizationRefused) as caught:
        await prepare(PREPARATION, server.sender())
    return caught.value


async def test_an_honest_server_is_accepted() -> None:
    offered = await prepare(PREPARATION, ScriptedServer.with_metadata().sender())
    url = httpx2.URL(offered.authorization_url)
    assert (url.host, url.params["code_challenge_method"]) == ("auth.example.com", "S256")
    assert url.params["resource"] == SERVER_URL


@pytest.mark.parametrize("methods", [None, [], ["plain"]])
async def test_a_server_without_pkce_s256_is_refused(methods: list[str] | None) -> None:
    server = ScriptedServer.with_metadata(code_challenge_methods_supported=methods)
    assert (await refused(server)).code is Code.AUTHORIZATION_NOT_SUPPORTED


@pytest.mark.parametrize("issuer", ["https://evil.example.com", f"{ISSUER}/tenant"])
async def test_metadata_of_another_issuer_are_refused(issuer: str) -> None:
    assert "another issuer" in (await refused(ScriptedServer.with_metadata(issuer=issuer))).detail


@pytest.mark.parametrize("resource", ["https://other.example.com/mcp", "https://mcp.example.com/mcp/other"])
async def test_metadata_of_another_resource_are_refused(resource: str) -> None:
    server = ScriptedServer.with_metadata().answer(WELL_KNOWN, json=RESOURCE | {"resource": resource})
    assert "another resource" in (await refused(server)).detail


@pytest.mark.parametrize(
    "endpoint", ["authorization_endpoint", "token_endpoint", "registration_endpoint", "revocation_endpoint"]
)
@pytest.mark.parametrize(
    "url", ["http://auth.example.com/x", "https://user:password@auth.example.com/x", "https://auth.example.com/#x"]
)
async def test_endpoints_with_forbidden_urls_are_refused(endpoint: str, url: str) -> None:
    assert "not allowed" in (await refused(ScriptedServer.with_metadata(**{endpoint: url}))).detail


async def test_no_request_is_sent_to_an_issuer_without_tls() -> None:
    plain = RESOURCE | {"authorization_servers": ["http://auth.example.com"]}
    server = ScriptedServer.with_metadata().answer(WELL_KNOWN, json=plain)
    await refused(server)
    assert {request.url.host for request in server.requests} == {"mcp.example.com"}


async def test_redirects_are_not_followed() -> None:
    location = {"Location": "https://evil.example.com/token"}
    server = ScriptedServer.with_metadata().answer(f"{ISSUER}/token", 307, headers=location)
    with pytest.raises(AuthorizationRefused):
        await exchange(PENDING, NOW, server.sender())
    assert [request.url.host for request in server.requests] == ["auth.example.com"]


async def test_parameters_of_the_endpoint_cannot_replace_ours() -> None:
    evil = f"{ISSUER}/authorize?redirect_uri=https%3A%2F%2Fevil.example.com&tenant=1"
    offered = await prepare(PREPARATION, ScriptedServer.with_metadata(authorization_endpoint=evil).sender())
    parameters = httpx2.URL(offered.authorization_url).params
    assert parameters.get_list("redirect_uri") == [PREPARATION.redirect_uri]
    assert parameters["tenant"] == "1"


async def test_a_server_that_hangs_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests_module, "REQUEST_SECONDS", 0.01)
    with pytest.raises(AuthorizationServerUnavailable):
        await refresh(TOKENS, NOW, ScriptedServer(hangs=True).sender())


@pytest.mark.usefixtures("servers")
@pytest.mark.parametrize(
    "answer",
    [
        Response(b" " * 70_000),
        Response(gzip.compress(b" " * 1_000_000), headers={"Content-Encoding": "gzip"}),
        StreamingResponse(itertools.repeat(b" " * 1000)),
    ],
    ids=["large", "compressed", "endless"],
)
async def test_a_huge_response_is_refused(answer: Response) -> None:
    rules = AddressRules.parse("127.0.0.1")
    async with (
        serving(answer, "127.0.0.1", 0) as server,
        guarded_client(rules, MAX_RESPONSE_BYTES) as client,
    ):
        endpoint = "http://{}:{}/token".format(*server.address)
        with pytest.raises(AuthorizationRefused, match="too large or compressed"):
            await exchange(PENDING.model_copy(update={"token_endpoint": endpoint}), NOW, Requests(client, rules))


@pytest.mark.usefixtures("servers")
async def test_a_private_address_is_refused() -> None:
    rules = AddressRules()
    async with guarded_client(rules, MAX_RESPONSE_BYTES) as client:
        private = TOKENS.model_copy(update={"token_endpoint": "https://10.0.0.1/token"})
        with pytest.raises(AuthorizationRefused) as caught:
            await refresh(private, NOW, Requests(client, rules))
    assert caught.value.code is Code.ADDRESS_NOT_ALLOWED


async def test_no_user_is_sent_to_a_private_address() -> None:
    server = ScriptedServer.with_metadata(authorization_endpoint=f"https://{PRIVATE}/authorize")
    assert (await refused(server)).code is Code.ADDRESS_NOT_ALLOWED


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_failing_token_endpoint_is_unavailable(status: int) -> None:
    with pytest.raises(AuthorizationServerUnavailable):
        await refresh(TOKENS, NOW, ScriptedServer().answer(f"{ISSUER}/token", status).sender())


@pytest.mark.parametrize(
    "token",
    [
        {"access_token": "a\r\nX-Evil: 1"},
        {"access_token": "a b"},
        {"access_token": ""},
        {"refresh_token": "a\nb"},
        {"token_type": "mac"},
        {"access_token": "a" * 20_000},
    ],
)
async def test_tokens_that_no_header_can_hold_are_refused(token: dict[str, str]) -> None:
    server = ScriptedServer().answer(f"{ISSUER}/token", json=TOKEN | token)
    with pytest.raises(AuthorizationRefused):
        await exchange(PENDING, NOW, server.sender())


@pytest.mark.parametrize(("seconds", "days"), [(10**18, 3650), (86_400, 1)])
async def test_the_lifetime_of_tokens_is_bounded(seconds: int, days: int) -> None:
    server = ScriptedServer().answer(f"{ISSUER}/token", json=TOKEN | {"expires_in": seconds})
    tokens = await exchange(PENDING, NOW, server.sender())
    assert tokens.expires_at is not None
    assert (tokens.expires_at - NOW).days == days


async def test_a_failure_shows_no_text_of_the_server() -> None:
    answer: dict[str, Any] = {"error": "invalid_grant", "error_description": "code was <b>code</b>"}
    server = ScriptedServer().answer(f"{ISSUER}/token", 400, json=answer)
    with pytest.raises(AuthorizationRefused) as caught:
        await exchange(PENDING, NOW, server.sender())
    assert "invalid_grant" in caught.value.detail
    assert "<b>" not in caught.value.detail


async def test_a_server_that_does_not_rotate_keeps_the_refresh_token() -> None:
    server = ScriptedServer().answer(f"{ISSUER}/token", json=TOKEN)
    assert (await refresh(TOKENS, NOW, server.sender())).refresh_token == "plantedsecret-refresh"


async def test_a_server_without_metadata_cannot_be_authorized() -> None:
    server = ScriptedServer().answer(SERVER_URL, 401)
    assert (await refused(server)).code is Code.AUTHORIZATION_NOT_SUPPORTED


async def test_a_server_that_registers_no_clients_needs_a_configured_one() -> None:
    assert "client_id" in (await refused(ScriptedServer.with_metadata(registration_endpoint=None))).detail


async def test_a_revocation_that_is_refused_is_not_confirmed() -> None:
    assert not await revoke(TOKENS, ScriptedServer().answer(f"{ISSUER}/revoke", 400).sender())
