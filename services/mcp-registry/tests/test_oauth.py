"""The adapter to authorization servers, against a real one."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
import pytest_asyncio
from contracts.mcp_registry.oauth import OAuthClient, PendingAuthorization, Tokens
from mcp_registry.oauth.errors import AuthorizationRefused
from mcp_registry.oauth.preparation import Preparation, prepare
from mcp_registry.oauth.requests import MAX_RESPONSE_BYTES, Requests
from mcp_registry.oauth.tokens import exchange, refresh, revoke
from onebox.testing.authorization_server import Protected, consent, protected_server
from runtime.http.addresses import AddressRules
from runtime.http.guarded_client import guarded_client

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)
REDIRECT_URI = "http://localhost:8000/api/v1/mcp-servers/oauth/callback"

pytestmark = pytest.mark.usefixtures("servers")


@pytest_asyncio.fixture
async def protected() -> AsyncGenerator[Protected]:
    async with protected_server() as running:
        yield running


@pytest_asyncio.fixture
async def requests() -> AsyncGenerator[Requests]:
    rules = AddressRules.parse("127.0.0.0/8")
    async with guarded_client(rules, MAX_RESPONSE_BYTES) as client:
        yield Requests(client, rules)


@pytest.fixture
async def pending(protected: Protected, requests: Requests) -> PendingAuthorization:
    """A pending authorization whose user has consented."""
    offered = await prepare(Preparation(protected.url, REDIRECT_URI, "the state"), requests)
    back = await consent(offered.authorization_url)
    return offered.model_copy(update={"code": back["code"]})


@pytest.fixture
async def tokens(pending: PendingAuthorization, requests: Requests) -> Tokens:
    return await exchange(pending, NOW, requests)


async def test_the_state_comes_back_to_the_redirect_uri(protected: Protected, requests: Requests) -> None:
    offered = await prepare(Preparation(protected.url, REDIRECT_URI, "the state"), requests)
    assert (await consent(offered.authorization_url))["state"] == "the state"


async def test_a_code_is_exchanged_for_tokens_of_the_server(protected: Protected, tokens: Tokens) -> None:
    issued = protected.provider.access[tokens.access_token]
    assert (issued.resource, issued.scopes) == (protected.url, ["mcp"])
    assert tokens.expires_at == NOW + timedelta(hours=1)


async def test_the_tokens_open_the_server(protected: Protected, tokens: Tokens) -> None:
    async with httpx2.AsyncClient(trust_env=False) as client:
        without = await client.post(protected.url, json={})
        opened = await client.post(protected.url, json={}, headers={"Authorization": f"Bearer {tokens.access_token}"})
    assert (without.status_code, opened.status_code == 401) == (401, False)


async def test_a_code_cannot_be_exchanged_twice(pending: PendingAuthorization, requests: Requests) -> None:
    await exchange(pending, NOW, requests)
    with pytest.raises(AuthorizationRefused, match=r"invalid_grant. Authorize the server again"):
        await exchange(pending, NOW, requests)


async def test_a_code_is_useless_without_its_verifier(pending: PendingAuthorization, requests: Requests) -> None:
    with pytest.raises(AuthorizationRefused, match="invalid_grant"):
        await exchange(pending.model_copy(update={"code_verifier": "a" * 43}), NOW, requests)


async def test_a_refresh_rotates_the_refresh_token(protected: Protected, tokens: Tokens, requests: Requests) -> None:
    refreshed = await refresh(tokens, NOW, requests)
    assert refreshed.access_token in protected.provider.access
    assert refreshed.refresh_token in protected.provider.refresh
    assert tokens.refresh_token not in protected.provider.refresh


async def test_a_used_refresh_token_is_refused(tokens: Tokens, requests: Requests) -> None:
    await refresh(tokens, NOW, requests)
    with pytest.raises(AuthorizationRefused, match="invalid_grant"):
        await refresh(tokens, NOW, requests)


async def test_revoked_tokens_are_no_longer_valid(protected: Protected, tokens: Tokens, requests: Requests) -> None:
    assert await revoke(tokens, requests)
    assert (protected.provider.access, protected.provider.refresh) == ({}, {})


async def test_a_configured_client_is_not_registered_again(
    protected: Protected, pending: PendingAuthorization, requests: Requests
) -> None:
    client = OAuthClient(client_id=pending.client_id, client_secret=pending.client_secret)
    offered = await prepare(Preparation(protected.url, REDIRECT_URI, "s", client=client), requests)
    back = await consent(offered.authorization_url)
    await exchange(offered.model_copy(update={"code": back["code"]}), NOW, requests)
    assert len(protected.provider.clients) == 1
