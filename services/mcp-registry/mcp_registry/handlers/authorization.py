"""Handlers of commands about the authorization of servers."""

from contracts.mcp_registry.authorization import (
    CompleteAuthorization,
    ExpireAuthorization,
    FailAuthorization,
    OfferAuthorization,
    ReturnAuthorization,
    RevokeAuthorization,
    StartAuthorization,
)
from contracts.messages import Actor
from contracts.refusals import Code, Refusal
from eventing.handling import Handlers
from eventing.store import AggregateNotFound

from mcp_registry.aggregate import McpServer
from mcp_registry.aggregate.authorization import INVALID_STATE
from mcp_registry.dependencies import Work
from mcp_registry.handlers.server import changing, loaded
from mcp_registry.oauth.state import hash_state, server_of

NO_PUBLIC_URL = "The operator of this service has to set PUBLIC_URL, to which authorization servers send users back."
REVOKED = "The authorization was revoked. Authorize the server again."

handles = Handlers()


@handles
async def start_authorization(command: StartAuthorization, work: Work) -> None:
    """Start authorizing a server."""
    if work.dependencies.oauth.redirect_uri is None:
        raise Refusal(Code.AUTHORIZATION_NOT_SUPPORTED, NO_PUBLIC_URL)
    async with changing(command.server_id, work) as server:
        server.start_authorization(command.authorization_id, work.now, command.client, command.scope)


@handles
async def offer_authorization(command: OfferAuthorization, work: Work) -> None:
    """Record the URL that a user has to open."""
    async with loaded(command.server_id, work) as server:
        server.offer_authorization(command.authorization_id, command.state_hash, command.pending)


@handles
async def return_authorization(command: ReturnAuthorization, work: Work) -> bool:
    """Record the response of an authorization server, on behalf of the owner of the server that the state names."""
    state_hash = hash_state(command.state)
    server = await _find(command.state, work)
    # On a copy: only those who know the state, and started the attempt, may hold up the owner.
    by_owner = server.authorizable_by(work.envelope.actor)
    server.check_return(command, state_hash, work.now, by_owner=by_owner)
    work.envelope = work.envelope.on_behalf_of(Actor(user_id=server.owner, role="user"))
    async with loaded(server.id, work) as server:
        return server.return_authorization(command, state_hash, work.now)


@handles
async def complete_authorization(command: CompleteAuthorization, work: Work) -> None:
    """Record the tokens of a server, and request a check with them."""
    async with loaded(command.server_id, work) as server:
        server.complete_authorization(command.authorization_id, command.tokens, work.now)
        server.request_check_if_enabled(work.envelope.message_id)


@handles
async def fail_authorization(command: FailAuthorization, work: Work) -> None:
    """Record that an attempt failed."""
    async with loaded(command.server_id, work) as server:
        server.fail_authorization(command.authorization_id, command.error_code, command.error_detail)


@handles
async def expire_authorization(command: ExpireAuthorization, work: Work) -> None:
    """Fail an attempt that nobody completed in time."""
    async with loaded(command.server_id, work) as server:
        server.expire_authorization(command.authorization_id)


@handles
async def revoke_authorization(command: RevokeAuthorization, work: Work) -> None:
    """Forget the tokens of a server, and have them revoked."""
    async with changing(command.server_id, work) as server:
        server.revoke_authorization(REVOKED, work.envelope.message_id)


async def _find(state: str, work: Work) -> McpServer:
    """Return a copy of the server that a state names.

    Raises:
        Refusal: AUTHORIZATION_FAILED, as for a state that is not valid: strangers cannot find out which ids exist.
    """
    server_id = server_of(state)
    try:
        server = await work.store.load(McpServer, server_id) if server_id else None
    except AggregateNotFound:
        server = None
    if server is None or server.deleted:
        raise Refusal(Code.AUTHORIZATION_FAILED, INVALID_STATE)
    return server
