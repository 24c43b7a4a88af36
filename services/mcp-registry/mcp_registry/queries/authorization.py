"""Handlers of queries about the authorization of servers."""

from contracts.mcp_registry.authorization import AuthorizationView, GetAuthorization
from contracts.refusals import Code, Refusal
from eventing.handling import Handlers
from eventing.handling.reading import Table

from mcp_registry.dependencies import Context
from mcp_registry.secret_tables import get_oauth

OWN_SERVERS = Table("servers", Code.MCP_SERVER_NOT_FOUND)
"""Without global ones: who may use a server must not see the URL that authorizes it."""
ATTEMPT = """
    SELECT id, server_id, status, expires_at, error_code, error_detail FROM authorizations
    WHERE server_id = $1 AND id = $2"""

answers = Handlers()


@answers
async def get_authorization(query: GetAuthorization, context: Context) -> AuthorizationView:
    """Return an attempt to authorize a server, with its URL and its secret while it is offered."""
    await OWN_SERVERS.fetch("id", query.server_id, context)
    row = await context.database.fetchrow(ATTEMPT, query.server_id, query.authorization_id)
    if row is None:
        raise Refusal(Code.AUTHORIZATION_FAILED, "This authorization was replaced or cancelled. Start again.")
    pending = (await get_oauth(query.server_id, context.database)).pending if row["status"] == "offered" else None
    return AuthorizationView(
        **row,
        authorization_url=pending.authorization_url if pending else None,
        browser_secret=pending.browser_secret if pending else None,
    )
