"""Authorizing servers: the URL, the response of the authorization server, and the tokens."""

from datetime import timedelta
from uuid import uuid5

import pytest
from contracts.mcp_registry.authorization import (
    AuthorizationReturned,
    ExpireAuthorization,
    GetAuthorization,
    ReturnAuthorization,
    StartAuthorization,
)
from contracts.mcp_registry.oauth import OAuthClient
from contracts.mcp_registry.server import ResolveServers
from contracts.messages import Actor
from contracts.refusals import Code
from httpx2 import URL
from mcp_registry.oauth.state import new_state
from mcp_registry.reactions.authorization import ExchangeCode
from runtime.bus.envelope import Envelope
from runtime.clock import new_id

from .oauth_desk import OAuthDesk, refusal
from .samples import ADMIN, NOON, OWNER, STRANGER
from .scripted_server import ISSUER, ScriptedServer

NOT_VALID = "This authorization is not valid, was used already, or has expired. Start the authorization again."


async def test_an_owner_is_offered_a_url(oauth: OAuthDesk) -> None:
    attempt = await oauth.start(await oauth.create_one())
    assert (attempt.status, attempt.expires_at) == ("offered", NOON + timedelta(minutes=10))
    assert URL(attempt.authorization_url or "").host == "auth.example.com"


async def test_a_code_authorizes_the_server(oauth: OAuthDesk) -> None:
    view = await oauth.authorize(await oauth.create_one())
    assert view.is_authorized
    assert "code=plantedsecret-code-1" in oauth.requested("/token")[0]


async def test_sessions_connect_with_the_access_token(oauth: OAuthDesk) -> None:
    await oauth.authorize(await oauth.create_one())
    [resolved] = await oauth.ask(ResolveServers(references=["tickets"]))
    assert resolved.connection
    assert resolved.connection.headers == {"Authorization": "Bearer plantedsecret-access-1"}
    assert resolved.connection.expires_at == NOON + timedelta(hours=1)


async def test_an_authorized_server_is_checked(oauth: OAuthDesk) -> None:
    server_id = await oauth.create_one()
    before = await oauth.database.fetchval("SELECT checking FROM servers")
    await oauth.authorize(server_id)
    assert await oauth.database.fetchval("SELECT checking FROM servers") != before


async def test_the_verifier_and_the_code_are_forgotten(oauth: OAuthDesk) -> None:
    server_id = await oauth.create_one()
    await oauth.authorize(server_id)
    assert (await oauth.secrets(server_id)).pending is None


async def test_the_url_is_no_longer_shown_when_the_user_has_returned(oauth: OAuthDesk) -> None:
    attempt = await oauth.start(await oauth.create_one())
    await oauth.come_back(attempt)
    assert (await oauth.attempt(attempt)).authorization_url is None


async def test_a_configured_client_is_used(oauth: OAuthDesk) -> None:
    client = OAuthClient(client_id="configured", client_secret="plantedsecret")
    attempt = await oauth.start(await oauth.create_one(), client=client, scope="read write")
    parameters = URL(attempt.authorization_url or "").params
    assert (parameters["client_id"], parameters["scope"]) == ("configured", "read write")
    assert oauth.requested("/register") == []


async def test_a_state_can_be_used_once(oauth: OAuthDesk) -> None:
    attempt = await oauth.start(await oauth.create_one())
    await oauth.come_back(attempt)
    assert (await refusal(oauth.come_back(attempt))).detail == NOT_VALID


async def test_a_state_expires(oauth: OAuthDesk) -> None:
    attempt = await oauth.start(await oauth.create_one())
    oauth.at(NOON + timedelta(minutes=10))
    assert (await refusal(oauth.come_back(attempt))).detail == NOT_VALID


async def test_the_state_of_an_earlier_attempt_is_not_valid(oauth: OAuthDesk) -> None:
    server_id = await oauth.create_one()
    earlier = await oauth.start(server_id)
    await oauth.start(server_id)
    assert (await refusal(oauth.come_back(earlier))).detail == NOT_VALID


@pytest.mark.parametrize("state", ["", "x", "é", "A" * 64, "A" * 500])
async def test_a_state_that_is_none_is_not_valid(oauth: OAuthDesk, state: str) -> None:
    sent = oauth.dispatcher.send(ReturnAuthorization(state=state, code="c"), Envelope.begin())
    assert (await refusal(sent)).detail == NOT_VALID


async def test_a_guessed_state_of_an_existing_server_is_not_valid(oauth: OAuthDesk) -> None:
    attempt = await oauth.start(await oauth.create_one())
    assert (await refusal(oauth.come_back(attempt, state=new_state(attempt.server_id)))).detail == NOT_VALID


async def test_a_guessed_state_does_not_end_the_attempt(oauth: OAuthDesk) -> None:
    attempt = await oauth.start(await oauth.create_one())
    await refusal(oauth.come_back(attempt, state=new_state(attempt.server_id)))
    assert await oauth.come_back(attempt)


async def test_a_state_authorizes_no_other_server(oauth: OAuthDesk) -> None:
    one, other = await oauth.create_one(), await oauth.create_one(STRANGER)
    await oauth.start(other, STRANGER)
    await oauth.come_back(await oauth.start(one))
    await oauth.exchange(one)
    assert not (await oauth.latest(other)).is_authorized


@pytest.mark.parametrize("secret", [None, "", "guessed", "é"])
async def test_another_browser_cannot_come_back(oauth: OAuthDesk, secret: str | None) -> None:
    attempt = await oauth.start(await oauth.create_one())
    assert (await refusal(oauth.come_back(attempt, browser_secret=secret))).detail == NOT_VALID


async def test_a_secret_that_another_host_may_have_set_is_not_enough(oauth: OAuthDesk) -> None:
    attempt = await oauth.start(await oauth.create_one())
    assert (await refusal(oauth.come_back(attempt, is_host_secret=False))).detail == NOT_VALID


async def test_another_user_cannot_come_back(oauth: OAuthDesk) -> None:
    attempt = await oauth.start(await oauth.create_one())
    assert (await refusal(oauth.come_back_as(STRANGER, attempt))).detail == NOT_VALID


async def test_the_secret_of_another_attempt_is_not_valid(oauth: OAuthDesk) -> None:
    one, own = await oauth.create_one(), await oauth.create_one(STRANGER)
    attempt, attackers = await oauth.start(one), await oauth.start(own, STRANGER)
    sent = oauth.come_back(attempt, browser_secret=attackers.browser_secret)
    assert (await refusal(sent)).detail == NOT_VALID


async def test_another_browser_does_not_end_the_attempt(oauth: OAuthDesk) -> None:
    attempt = await oauth.start(await oauth.create_one())
    await refusal(oauth.come_back(attempt, browser_secret=None))
    assert await oauth.come_back(attempt)


@pytest.mark.parametrize("actor", [OWNER, ADMIN])
async def test_who_may_change_the_server_can_come_back_without_the_browser(oauth: OAuthDesk, actor: Actor) -> None:
    assert await oauth.come_back_as(actor, await oauth.start(await oauth.create_one()))


async def test_the_secret_of_the_browser_is_not_shown_later(oauth: OAuthDesk) -> None:
    attempt = await oauth.start(await oauth.create_one())
    await oauth.come_back(attempt)
    assert (await oauth.attempt(attempt)).browser_secret is None


async def test_a_response_of_another_issuer_is_refused(oauth: OAuthDesk) -> None:
    attempt = await oauth.start(await oauth.create_one())
    assert not await oauth.come_back(attempt, issuer="https://evil.example.com")
    assert "another authorization server" in ((await oauth.attempt(attempt)).error_detail or "")


async def test_a_response_without_an_announced_issuer_is_refused(oauth: OAuthDesk) -> None:
    announced = ScriptedServer.with_metadata(authorization_response_iss_parameter_supported=True)
    oauth.server.answers.update(announced.answers)
    attempt = await oauth.start(await oauth.create_one())
    assert not await oauth.come_back(attempt)


async def test_a_response_of_the_issuer_is_accepted(oauth: OAuthDesk) -> None:
    assert await oauth.come_back(await oauth.start(await oauth.create_one()), issuer=ISSUER)


@pytest.mark.parametrize(("error", "shown"), [("access_denied", ": access_denied."), ("<script>", "authorize.")])
async def test_an_error_of_the_authorization_server_is_shown(oauth: OAuthDesk, error: str, shown: str) -> None:
    attempt = await oauth.start(await oauth.create_one())
    assert not await oauth.come_back(attempt, code=None, error=error)
    assert ((await oauth.attempt(attempt)).error_detail or "").endswith(shown)


async def test_a_code_that_is_refused_fails_the_attempt(oauth: OAuthDesk) -> None:
    attempt = await oauth.start(await oauth.create_one())
    oauth.issue({"error": "invalid_grant"}, 400)
    await oauth.come_back(attempt)
    await oauth.exchange(attempt.server_id)
    failed = await oauth.attempt(attempt)
    assert (failed.status, failed.error_code) == ("failed", Code.AUTHORIZATION_FAILED)


async def test_a_worker_killed_after_the_exchange_leaves_a_failed_attempt(oauth: OAuthDesk) -> None:
    attempt = await oauth.start(await oauth.create_one())
    await oauth.come_back(attempt)
    oauth.issue({"error": "invalid_grant"}, 400)  # the code was used by the worker that was killed
    await oauth.exchange(attempt.server_id)
    assert "Authorize the server again" in ((await oauth.attempt(attempt)).error_detail or "")


async def test_a_failed_attempt_leaves_earlier_tokens(oauth: OAuthDesk) -> None:
    server_id = await oauth.create_one()
    await oauth.authorize(server_id)
    await oauth.come_back(await oauth.start(server_id), code=None, error="access_denied")
    assert (await oauth.latest(server_id)).is_authorized


async def test_tokens_of_an_attempt_that_was_replaced_are_revoked(oauth: OAuthDesk) -> None:
    server_id = await oauth.create_one()
    await oauth.come_back(await oauth.start(server_id))
    recorded = await oauth.latest_event(AuthorizationReturned, server_id)
    late = ExchangeCode(recorded, oauth.reaction(recorded))
    await late.authorize()
    await oauth.authorize(server_id)
    await late.discard()
    assert [body.partition("&")[0] for body in oauth.requested("/revoke")] == [
        "token=plantedsecret-refresh-1",
        "token=plantedsecret-access-1",
    ]


async def test_a_server_without_authorization_fails_the_attempt(oauth: OAuthDesk) -> None:
    oauth.server.answers.clear()
    attempt = await oauth.start(await oauth.create_one())
    assert (attempt.status, attempt.error_code) == ("failed", Code.AUTHORIZATION_NOT_SUPPORTED)


async def test_an_unavailable_authorization_server_fails_the_attempt(oauth: OAuthDesk) -> None:
    oauth.server.answer(f"{ISSUER}/register", 503)
    attempt = await oauth.start(await oauth.create_one())
    assert "auth.example.com responds with HTTP status 503" in (attempt.error_detail or "")


async def test_an_attempt_that_nobody_completes_expires(oauth: OAuthDesk) -> None:
    attempt = await oauth.start(await oauth.create_one())
    assert await oauth.due_in("authorization_expiry") == [timedelta(minutes=10)]
    await oauth.send(ExpireAuthorization(server_id=attempt.server_id, authorization_id=attempt.id))
    assert (await oauth.attempt(attempt)).status == "failed"


async def test_an_earlier_expiry_leaves_a_later_attempt(oauth: OAuthDesk) -> None:
    attempt = await oauth.start(await oauth.create_one())
    await oauth.send(ExpireAuthorization(server_id=attempt.server_id, authorization_id=uuid5(attempt.id, "earlier")))
    assert (await oauth.attempt(attempt)).status == "offered"


async def test_an_authorized_server_has_no_expiry(oauth: OAuthDesk) -> None:
    await oauth.authorize(await oauth.create_one())
    assert await oauth.due_in("authorization_expiry") == []


async def test_only_one_attempt_of_a_server_exists(oauth: OAuthDesk) -> None:
    server_id = await oauth.create_one()
    earlier = await oauth.start(server_id)
    await oauth.start(server_id)
    assert (await refusal(oauth.attempt(earlier))).code is Code.AUTHORIZATION_FAILED


async def test_another_users_server_cannot_be_authorized(oauth: OAuthDesk) -> None:
    started = oauth.start(await oauth.create_one(), STRANGER)
    assert (await refusal(started)).code is Code.MCP_SERVER_NOT_FOUND


async def test_another_users_attempt_is_not_found(oauth: OAuthDesk) -> None:
    attempt = await oauth.start(await oauth.create_one())
    query = GetAuthorization(server_id=attempt.server_id, authorization_id=attempt.id)
    assert (await refusal(oauth.ask(query, STRANGER))).code is Code.MCP_SERVER_NOT_FOUND


async def test_only_admins_authorize_global_servers(oauth: OAuthDesk) -> None:
    server_id = (await oauth.create_global()).id
    assert (await refusal(oauth.start(server_id, OWNER))).code is Code.ADMINS_ONLY
    assert (await oauth.start(server_id, ADMIN)).status == "offered"


async def test_a_stdio_server_cannot_be_authorized(oauth: OAuthDesk) -> None:
    server_id = (await oauth.create_program(ADMIN)).id
    assert (await refusal(oauth.start(server_id, ADMIN))).code is Code.AUTHORIZATION_NOT_SUPPORTED


async def test_authorizing_needs_a_public_url(oauth: OAuthDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    server_id = await oauth.create_one()
    monkeypatch.setitem(oauth.dependencies.oauth.__dict__, "redirect_uri", None)
    sent = oauth.send(StartAuthorization(server_id=server_id, authorization_id=new_id()))
    assert "PUBLIC_URL" in (await refusal(sent)).detail
