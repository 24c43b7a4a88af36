"""Authorizing servers: the URL, the response of the authorization server, and the tokens."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from uuid import uuid5

import pytest
import pytest_asyncio
from contracts.mcp_registry.authorization import (
    AuthorizationReturned,
    ExpireAuthorization,
    GetAuthorization,
    ReturnAuthorization,
    StartAuthorization,
)
from contracts.mcp_registry.oauth import OAuthClient
from contracts.mcp_registry.server import ResolveServers
from contracts.refusals import Code
from eventing.testing.harness import migrated
from httpx2 import URL
from mcp_registry.app import service
from mcp_registry.oauth.state import new_state
from mcp_registry.reactions.authorization import ExchangeCode
from onebox.testing.databases import Databases
from runtime.clock import new_id
from runtime.envelope import Envelope

from .oauth_desk import ADMIN, ISSUED, NOON, OWNER, STRANGER, OAuthDesk, refusal
from .scripted_server import ISSUER, ScriptedServer

NOT_VALID = "This authorization is not valid, was used already, or has expired. Start the authorization again."


@pytest_asyncio.fixture
async def desk(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[OAuthDesk]:
    async with migrated(databases, service.name, service.migrations) as database:
        yield OAuthDesk(database, monkeypatch)


async def test_an_owner_is_offered_a_url(desk: OAuthDesk) -> None:
    attempt = await desk.start(await desk.create())
    assert (attempt.status, attempt.expires_at) == ("offered", NOON + timedelta(minutes=10))
    assert URL(attempt.authorization_url or "").host == "auth.example.com"


async def test_a_code_authorizes_the_server(desk: OAuthDesk) -> None:
    view = await desk.authorize(await desk.create())
    assert view.is_authorized
    assert "code=code-1" in desk.requested("/token")[0]


async def test_sessions_connect_with_the_access_token(desk: OAuthDesk) -> None:
    await desk.authorize(await desk.create())
    [resolved] = await desk.ask(ResolveServers(references=["tickets"]))
    assert resolved.connection
    assert resolved.connection.headers == {"Authorization": "Bearer access-1"}
    assert resolved.connection.expires_at == NOON + timedelta(hours=1)


async def test_an_authorized_server_is_checked(desk: OAuthDesk) -> None:
    server_id = await desk.create()
    before = await desk.database.fetchval("SELECT checking FROM servers")
    await desk.authorize(server_id)
    assert await desk.database.fetchval("SELECT checking FROM servers") != before


async def test_the_verifier_and_the_code_are_forgotten(desk: OAuthDesk) -> None:
    server_id = await desk.create()
    await desk.authorize(server_id)
    assert (await desk.secrets(server_id)).pending is None


async def test_the_url_is_no_longer_shown_when_the_user_has_returned(desk: OAuthDesk) -> None:
    attempt = await desk.start(await desk.create())
    await desk.come_back(attempt)
    assert (await desk.attempt(attempt)).authorization_url is None


async def test_a_configured_client_is_used(desk: OAuthDesk) -> None:
    client = OAuthClient(client_id="configured", client_secret="s3cret")
    attempt = await desk.start(await desk.create(), client=client, scope="read write")
    parameters = URL(attempt.authorization_url or "").params
    assert (parameters["client_id"], parameters["scope"]) == ("configured", "read write")
    assert desk.requested("/register") == []


async def test_a_state_can_be_used_once(desk: OAuthDesk) -> None:
    attempt = await desk.start(await desk.create())
    await desk.come_back(attempt)
    assert (await refusal(desk.come_back(attempt))).detail == NOT_VALID


async def test_a_state_expires(desk: OAuthDesk) -> None:
    attempt = await desk.start(await desk.create())
    desk.at(NOON + timedelta(minutes=10))
    assert (await refusal(desk.come_back(attempt))).detail == NOT_VALID


async def test_the_state_of_an_earlier_attempt_is_not_valid(desk: OAuthDesk) -> None:
    server_id = await desk.create()
    earlier = await desk.start(server_id)
    await desk.start(server_id)
    assert (await refusal(desk.come_back(earlier))).detail == NOT_VALID


@pytest.mark.parametrize("state", ["", "x", "é", "A" * 64, "A" * 500])
async def test_a_state_that_is_none_is_not_valid(desk: OAuthDesk, state: str) -> None:
    sent = desk.dispatcher.send(ReturnAuthorization(state=state, code="c"), Envelope.begin())
    assert (await refusal(sent)).detail == NOT_VALID


async def test_a_guessed_state_of_an_existing_server_is_not_valid(desk: OAuthDesk) -> None:
    attempt = await desk.start(await desk.create())
    assert (await refusal(desk.come_back(attempt, state=new_state(attempt.server_id)))).detail == NOT_VALID


async def test_a_guessed_state_does_not_end_the_attempt(desk: OAuthDesk) -> None:
    attempt = await desk.start(await desk.create())
    await refusal(desk.come_back(attempt, state=new_state(attempt.server_id)))
    assert await desk.come_back(attempt)


async def test_a_state_authorizes_no_other_server(desk: OAuthDesk) -> None:
    one, other = await desk.create(), await desk.create(STRANGER)
    await desk.start(other, STRANGER)
    await desk.come_back(await desk.start(one))
    await desk.exchange(one)
    assert not (await desk.view(other)).is_authorized


async def test_a_response_of_another_issuer_is_refused(desk: OAuthDesk) -> None:
    attempt = await desk.start(await desk.create())
    assert not await desk.come_back(attempt, issuer="https://evil.example.com")
    assert "another authorization server" in ((await desk.attempt(attempt)).error_detail or "")


async def test_a_response_without_an_announced_issuer_is_refused(desk: OAuthDesk) -> None:
    announced = ScriptedServer.with_metadata(authorization_response_iss_parameter_supported=True)
    desk.server.answers.update(announced.answers)
    attempt = await desk.start(await desk.create())
    assert not await desk.come_back(attempt)


async def test_a_response_of_the_issuer_is_accepted(desk: OAuthDesk) -> None:
    assert await desk.come_back(await desk.start(await desk.create()), issuer=ISSUER)


@pytest.mark.parametrize(("error", "shown"), [("access_denied", ": access_denied."), ("<script>", "authorize.")])
async def test_an_error_of_the_authorization_server_is_shown(desk: OAuthDesk, error: str, shown: str) -> None:
    attempt = await desk.start(await desk.create())
    assert not await desk.come_back(attempt, code=None, error=error)
    assert ((await desk.attempt(attempt)).error_detail or "").endswith(shown)


async def test_a_code_that_is_refused_fails_the_attempt(desk: OAuthDesk) -> None:
    attempt = await desk.start(await desk.create())
    desk.issue({"error": "invalid_grant"}, 400)
    await desk.come_back(attempt)
    await desk.exchange(attempt.server_id)
    failed = await desk.attempt(attempt)
    assert (failed.status, failed.error_code) == ("failed", Code.AUTHORIZATION_FAILED)


async def test_a_worker_killed_after_the_exchange_leaves_a_failed_attempt(desk: OAuthDesk) -> None:
    attempt = await desk.start(await desk.create())
    await desk.come_back(attempt)
    desk.issue({"error": "invalid_grant"}, 400)  # the code was used by the worker that was killed
    await desk.exchange(attempt.server_id)
    assert "Authorize the server again" in ((await desk.attempt(attempt)).error_detail or "")


async def test_a_failed_attempt_leaves_earlier_tokens(desk: OAuthDesk) -> None:
    server_id = await desk.create()
    await desk.authorize(server_id)
    await desk.come_back(await desk.start(server_id), code=None, error="access_denied")
    assert (await desk.view(server_id)).is_authorized


async def test_tokens_of_an_attempt_that_was_replaced_are_revoked(desk: OAuthDesk) -> None:
    server_id = await desk.create()
    await desk.come_back(await desk.start(server_id))
    recorded, reaction = await desk._job(AuthorizationReturned, server_id)
    late = ExchangeCode(recorded, reaction)
    await late.authorize()
    await desk.authorize(server_id)
    await late.discard()
    assert [body.partition("&")[0] for body in desk.requested("/revoke")] == ["token=refresh-1", "token=access-1"]


async def test_a_server_without_authorization_fails_the_attempt(desk: OAuthDesk) -> None:
    desk.server.answers.clear()
    attempt = await desk.start(await desk.create())
    assert (attempt.status, attempt.error_code) == ("failed", Code.AUTHORIZATION_NOT_SUPPORTED)


async def test_an_unavailable_authorization_server_fails_the_attempt(desk: OAuthDesk) -> None:
    desk.server.answer(f"{ISSUER}/register", 503)
    attempt = await desk.start(await desk.create())
    assert "auth.example.com responds with HTTP status 503" in (attempt.error_detail or "")


async def test_an_attempt_that_nobody_completes_expires(desk: OAuthDesk) -> None:
    attempt = await desk.start(await desk.create())
    assert await desk.due("authorization_expiry") == [timedelta(minutes=10)]
    await desk.send(ExpireAuthorization(server_id=attempt.server_id, authorization_id=attempt.id))
    assert (await desk.attempt(attempt)).status == "failed"


async def test_an_earlier_expiry_leaves_a_later_attempt(desk: OAuthDesk) -> None:
    attempt = await desk.start(await desk.create())
    await desk.send(ExpireAuthorization(server_id=attempt.server_id, authorization_id=uuid5(attempt.id, "earlier")))
    assert (await desk.attempt(attempt)).status == "offered"


async def test_an_authorized_server_has_no_expiry(desk: OAuthDesk) -> None:
    await desk.authorize(await desk.create())
    assert await desk.due("authorization_expiry") == []


async def test_only_one_attempt_of_a_server_exists(desk: OAuthDesk) -> None:
    server_id = await desk.create()
    earlier = await desk.start(server_id)
    await desk.start(server_id)
    assert (await refusal(desk.attempt(earlier))).code is Code.AUTHORIZATION_FAILED


async def test_another_users_server_cannot_be_authorized(desk: OAuthDesk) -> None:
    started = desk.start(await desk.create(), STRANGER)
    assert (await refusal(started)).code is Code.MCP_SERVER_NOT_FOUND


async def test_another_users_attempt_is_not_found(desk: OAuthDesk) -> None:
    attempt = await desk.start(await desk.create())
    query = GetAuthorization(server_id=attempt.server_id, authorization_id=attempt.id)
    assert (await refusal(desk.ask(query, STRANGER))).code is Code.MCP_SERVER_NOT_FOUND


async def test_only_admins_authorize_global_servers(desk: OAuthDesk) -> None:
    server_id = await desk.create(ADMIN, is_global=True)
    assert (await refusal(desk.start(server_id, OWNER))).code is Code.ADMINS_ONLY
    assert (await desk.start(server_id, ADMIN)).status == "offered"


async def test_a_stdio_server_cannot_be_authorized(desk: OAuthDesk) -> None:
    server_id = await desk.create(ADMIN, server_type="STDIO", command="files", url=None)
    assert (await refusal(desk.start(server_id, ADMIN))).code is Code.AUTHORIZATION_NOT_SUPPORTED


async def test_authorizing_needs_a_public_url(desk: OAuthDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    server_id = await desk.create()
    monkeypatch.setitem(desk.dependencies.oauth.__dict__, "redirect_uri", None)
    sent = desk.send(StartAuthorization(server_id=server_id, authorization_id=new_id()))
    assert "PUBLIC_URL" in (await refusal(sent)).detail


def test_tokens_are_not_shown_by_repr() -> None:
    assert "s3cret" not in repr(OAuthClient(client_id="id", client_secret="s3cret"))
    assert "refresh-1" in str(ISSUED)
