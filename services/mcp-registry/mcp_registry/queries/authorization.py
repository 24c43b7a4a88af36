"""Handlers of queries about the authorization of servers."""

from contracts.mcp_registry.authorization import AuthorizationView, GetAuthorization
from contracts.refusals import Code, Refusal, not_found
from eventing.handling import Handlers

from mcp_registry.dependencies import Context
from mcp_registry.secret_tables import get_oauth

ATTEMPT = """
    SELECT servers.user_id, a.id, a.server_id, a.status, a.expires_at, a.error_code, a.error_detail
    FROM servers LEFT JOIN authorizations AS a ON a.server_id = servers.id AND a.id = $2 WHERE servers.id = $1"""

answers = Handlers()


@answers
async def get_authorization(query: GetAuthorization, context: Context) -> AuthorizationView:
    """Return an attempt to authorize a server, with its URL while it is offered."""
    row = await context.database.fetchrow(ATTEMPT, query.server_id, query.authorization_id)
    if row is None or not context.actor.may_see(row["user_id"]):
        raise not_found(Code.MCP_SERVER_NOT_FOUND, query.server_id)
    if row["id"] is None:
        raise Refusal(Code.AUTHORIZATION_FAILED, "Another authorization of this server was started, or it was ended.")
    pending = (await get_oauth(query.server_id, context.database)).pending if row["status"] == "offered" else None
    fields = {name: row[name] for name in AuthorizationView.model_fields if name != "authorization_url"}
    return AuthorizationView(**fields, authorization_url=pending.authorization_url if pending else None)
