"""Refreshing and revoking the tokens of servers."""

from datetime import timedelta
from uuid import UUID

import pytest
from contracts.mcp_registry.authorization import RevokeAuthorization
from contracts.mcp_registry.check import CheckServer, RecordCheck
from contracts.mcp_registry.refresh import RecordRefresh, RefreshRequested, RequestRefresh
from contracts.mcp_registry.revocation import RevocationRequested
from contracts.mcp_registry.server import DeleteServer, ResolveServers
from contracts.mcp_registry.values import CheckResult
from contracts.refusals import Code
from mcp_registry.oauth.errors import AuthorizationServerUnavailable
from mcp_registry.reactions.refresh import RefreshTokens
from mcp_registry.reactions.revocation import RevokeTokens

from .oauth_desk import ISSUED, OAuthDesk, refusal
from .samples import STRANGER
from .scripted_server import ISSUER, TOKENS

ROTATED = ISSUED | {"access_token": "plantedsecret-access-2", "refresh_token": "plantedsecret-refresh-2"}
SECRETS = ("plantedsecret-access-1", "plantedsecret-refresh-1", "plantedsecret-code-1")


@pytest.fixture
async def server_id(oauth: OAuthDesk) -> UUID:
    """The id of a server with tokens."""
    return (await oauth.authorize(await oauth.create_one())).id


async def test_tokens_are_refreshed_before_they_expire(oauth: OAuthDesk, server_id: UUID) -> None:
    assert await oauth.due_in("token_refresh") == [timedelta(minutes=58)]


@pytest.mark.parametrize(("seconds", "due"), [(100, 75), (1, 30), (None, None)])
async def test_the_time_of_a_refresh_depends_on_the_lifetime(
    oauth: OAuthDesk, seconds: int | None, due: int | None
) -> None:
    oauth.issue(ISSUED | {"expires_in": seconds})
    await oauth.authorize(await oauth.create_one())
    assert await oauth.due_in("token_refresh") == ([timedelta(seconds=due)] if due else [])


async def test_a_refresh_replaces_the_tokens(oauth: OAuthDesk, server_id: UUID) -> None:
    oauth.issue(ROTATED)
    await oauth.refresh(server_id)
    assert "refresh_token=plantedsecret-refresh-1" in oauth.requested("/token")[-1]
    tokens = (await oauth.secrets(server_id)).tokens
    assert tokens
    assert (tokens.access_token, tokens.refresh_token) == ("plantedsecret-access-2", "plantedsecret-refresh-2")


async def test_a_refresh_ends_warm_connections(oauth: OAuthDesk, server_id: UUID) -> None:
    [before] = await oauth.ask(ResolveServers(references=["tickets"]))
    oauth.issue(ROTATED)
    await oauth.refresh(server_id)
    [after] = await oauth.ask(ResolveServers(references=["tickets"]))
    assert before.connection
    assert after.connection
    assert after.connection.version > before.connection.version


async def test_one_refresh_is_in_progress_at_a_time(oauth: OAuthDesk, server_id: UUID) -> None:
    await oauth.send(RequestRefresh(server_id=server_id))
    first = await oauth.database.fetchval("SELECT refreshing FROM servers")
    await oauth.send(RequestRefresh(server_id=server_id))
    assert await oauth.database.fetchval("SELECT refreshing FROM servers") == first


async def test_a_finished_refresh_sends_no_second_request(oauth: OAuthDesk, server_id: UUID) -> None:
    oauth.issue(ROTATED)
    await oauth.refresh(server_id)
    sent = len(oauth.requested("/token"))
    await oauth.do(RefreshTokens, RefreshRequested, server_id)  # another replica, with the same event
    assert len(oauth.requested("/token")) == sent


async def test_the_tokens_of_a_late_worker_are_refused(oauth: OAuthDesk, server_id: UUID) -> None:
    late = RecordRefresh(server_id=server_id, refresh_id=server_id, tokens=TOKENS)
    assert (await refusal(oauth.send(late))).code is Code.AUTHORIZATION_FAILED


async def test_a_refused_refresh_requires_authorization(oauth: OAuthDesk, server_id: UUID) -> None:
    oauth.issue({"error": "invalid_grant"}, 400)
    view = await oauth.refresh(server_id)
    assert (view.health, view.error_code) == ("authorization_required", Code.AUTHORIZATION_REQUIRED)
    assert not view.is_authorized
    assert "invalid_grant. Authorize the server again" in (view.error_detail or "")


async def test_sessions_learn_that_authorization_is_required(oauth: OAuthDesk, server_id: UUID) -> None:
    oauth.issue({"error": "invalid_grant"}, 400)
    await oauth.refresh(server_id)
    [resolved] = await oauth.ask(ResolveServers(references=["tickets"]))
    assert (resolved.problem, resolved.connection) == ("authorization_required", None)


async def test_a_refresh_is_retried_while_the_server_is_unavailable(oauth: OAuthDesk, server_id: UUID) -> None:
    oauth.issue({}, 503)
    with pytest.raises(AuthorizationServerUnavailable):
        await oauth.refresh(server_id)
    assert (await oauth.latest(server_id)).is_authorized


async def test_a_refresh_that_was_given_up_is_postponed(oauth: OAuthDesk, server_id: UUID) -> None:
    await oauth.send(RequestRefresh(server_id=server_id))
    await oauth.give_up_job(RefreshTokens, RefreshRequested, server_id)
    assert await oauth.due_in("token_refresh") == [timedelta(minutes=5)]
    assert (await oauth.latest(server_id)).is_authorized


async def test_tokens_without_a_refresh_token_expire(oauth: OAuthDesk) -> None:
    oauth.issue({"access_token": "plantedsecret-access-1", "token_type": "Bearer", "expires_in": 3600})
    server_id = (await oauth.authorize(await oauth.create_one())).id
    await oauth.send(RequestRefresh(server_id=server_id))
    assert (await oauth.latest(server_id)).health == "authorization_required"


async def test_revoking_forgets_the_tokens(oauth: OAuthDesk, server_id: UUID) -> None:
    await oauth.send(RevokeAuthorization(server_id=server_id))
    view, secrets = await oauth.latest(server_id), await oauth.secrets(server_id)
    assert (view.is_authorized, secrets.tokens) == (False, None)
    assert await oauth.due_in("token_refresh") == []


async def test_the_result_of_a_check_with_revoked_tokens_is_ignored(oauth: OAuthDesk, server_id: UUID) -> None:
    check_id = await oauth.send(CheckServer(server_id=server_id, check_id=UUID(int=9)))
    await oauth.send(RevokeAuthorization(server_id=server_id))
    result = CheckResult(latency_ms=1)
    await oauth.send(RecordCheck(server_id=server_id, check_id=check_id, result=result, tools=[]))
    assert (await oauth.latest(server_id)).health == "authorization_required"


async def test_another_user_cannot_revoke(oauth: OAuthDesk, server_id: UUID) -> None:
    revoked = oauth.send(RevokeAuthorization(server_id=server_id), STRANGER)
    assert (await refusal(revoked)).code is Code.MCP_SERVER_NOT_FOUND


async def test_revoked_tokens_are_revoked_at_the_authorization_server(oauth: OAuthDesk, server_id: UUID) -> None:
    oauth.server.answer(f"{ISSUER}/revoke")
    await oauth.send(RevokeAuthorization(server_id=server_id))
    await oauth.revoke()
    assert [body.partition("&")[0] for body in oauth.requested("/revoke")] == [
        "token=plantedsecret-refresh-1",
        "token=plantedsecret-access-1",
    ]


async def test_the_tokens_of_a_deleted_server_are_revoked(oauth: OAuthDesk, server_id: UUID) -> None:
    oauth.server.answer(f"{ISSUER}/revoke")
    await oauth.send(DeleteServer(server_id=server_id))
    await oauth.revoke()
    assert len(oauth.requested("/revoke")) == 2
    assert await oauth.due_in("token_refresh") == []


async def test_an_ended_revocation_erases_its_tokens(oauth: OAuthDesk, server_id: UUID) -> None:
    await oauth.send(DeleteServer(server_id=server_id))
    await oauth.revoke()
    counted = "SELECT (SELECT count(*) FROM revoked_tokens), count(*) FROM data_keys WHERE wrapped IS NOT NULL"
    assert tuple(await oauth.database.fetchrow(counted) or ()) == (0, 0)


async def test_a_revocation_that_is_given_up_erases_its_tokens(oauth: OAuthDesk, server_id: UUID) -> None:
    await oauth.send(RevokeAuthorization(server_id=server_id))
    [row] = await oauth.database.fetch("SELECT id FROM revocations")
    await oauth.give_up_job(RevokeTokens, RevocationRequested, row["id"])
    assert await oauth.database.fetch("SELECT id FROM revocations") == []


async def test_another_url_does_not_get_the_tokens(oauth: OAuthDesk, server_id: UUID) -> None:
    view = await oauth.update(server_id, url="https://evil.example.com/mcp")
    assert not view.is_authorized
    assert (await oauth.secrets(server_id)).tokens is None
    assert len(await oauth.database.fetch("SELECT id FROM revocations")) == 1


async def test_another_url_ends_the_attempt_in_progress(oauth: OAuthDesk) -> None:
    attempt = await oauth.start(await oauth.create_one())
    await oauth.update(attempt.server_id, url="https://other.example.com/mcp")
    assert "not valid" in (await refusal(oauth.come_back(attempt))).detail


async def test_another_name_keeps_the_tokens(oauth: OAuthDesk, server_id: UUID) -> None:
    assert (await oauth.update(server_id, name="renamed")).is_authorized


async def test_tokens_of_a_previous_client_are_revoked(oauth: OAuthDesk, server_id: UUID) -> None:
    oauth.server.answer(f"{ISSUER}/register", 201, json={"client_id": "another client"})
    await oauth.authorize(server_id)
    assert len(await oauth.database.fetch("SELECT id FROM revocations")) == 1


async def test_tokens_of_the_same_client_are_not_revoked(oauth: OAuthDesk, server_id: UUID) -> None:
    await oauth.authorize(server_id)
    assert await oauth.database.fetch("SELECT id FROM revocations") == []


async def test_secrets_are_in_no_table_in_clear(oauth: OAuthDesk, server_id: UUID) -> None:
    attempt = await oauth.start(server_id)
    pending = (await oauth.secrets(server_id)).pending
    assert pending
    await oauth.send(DeleteServer(server_id=server_id))
    planted = [*SECRETS, pending.code_verifier, attempt.authorization_url or ""]
    assert await oauth.found(*planted, "evt.mcp_registry.revoked_tokens_set") == ["evt.mcp_registry.revoked_tokens_set"]


async def test_secrets_are_in_no_published_event(oauth: OAuthDesk, server_id: UUID) -> None:
    await oauth.refresh(server_id)
    entries = await oauth.dispatcher.store.feed((0, 0), 100)
    published = "".join(str(entry) for entry in entries)
    assert [secret for secret in SECRETS if secret in published] == []
