"""Handlers of queries about servers."""

from functools import partial

from contracts.mcp_registry.server import (
    CheckReferences,
    ExportServers,
    GetServer,
    ListServers,
    ResolveServers,
    ServerExport,
)
from contracts.mcp_registry.server_view import ServerSummary, ServerView
from contracts.mcp_registry.values import MAX_SERVERS, ResolvedServer, ServerDefinition, ServerSecrets
from contracts.messages import Page
from contracts.refusals import Code, Refusal
from eventing.database import Row
from eventing.handling import Handlers
from eventing.handling.reading import Filters, Listing, Table

from mcp_registry.dependencies import Context
from mcp_registry.secret_tables import ENVIRONMENTS, HEADERS
from mcp_registry.views import SUMMARY_COLUMNS, VIEW_COLUMNS, summary, view

SERVERS = Table("servers", Code.MCP_SERVER_NOT_FOUND, readable="(user_id = {} OR is_global)")
SERVERS_BY_NAME = Table("servers", Code.MCP_SERVER_NOT_FOUND, key="name_key")

answers = Handlers()


@answers
async def get_server(query: GetServer, context: Context) -> ServerView:
    """Return a server: an own or global one, or any for an admin."""
    return view(await SERVERS.fetch(VIEW_COLUMNS, query.server_id, context), context.actor)


@answers
async def list_servers(query: ListServers, context: Context) -> Page[ServerSummary]:
    """Return the actor's own and the global servers (for an admin, all servers), newest first."""
    filters = Filters(
        server_type=query.server_type, is_enabled=query.is_enabled, is_global=query.is_global, health=query.health
    )
    filters.add("strpos(lower(name || chr(10) || description), lower({})) > 0", query.q)
    listing = Listing(SERVERS, SUMMARY_COLUMNS, partial(summary, actor=context.actor))
    return await listing.page(query, context, filters)


@answers
async def export_servers(query: ExportServers, context: Context) -> list[ServerExport]:
    """Return the actor's own servers, by name; for an admin, too."""
    own = Filters(user_id=context.actor.user_id)
    rows, _ = await SERVERS_BY_NAME.first("id, definition, is_enabled", MAX_SERVERS, own, context)
    return [await _export(row, context, include_secrets=query.include_secrets) for row in rows]


@answers
async def resolve_servers(query: ResolveServers, context: Context) -> list[ResolvedServer]:
    """Return the servers that names or ids mean for the actor, with their secrets."""
    return await context.dependencies.servers.resolve(query.references, context.actor, context.envelope)


@answers
async def check_references(query: CheckReferences, context: Context) -> None:
    """Check that names or ids mean servers that the actor may use."""
    rows = await context.dependencies.servers.find(query.references, context.actor)
    for reference, row in zip(query.references, rows, strict=True):
        if row is None:
            detail = f"MCP server {reference!r} does not exist."
            raise Refusal(Code.MCP_SERVER_NOT_FOUND, detail)


async def _export(row: Row, context: Context, *, include_secrets: bool) -> ServerExport:
    secrets, definition = ServerSecrets(), ServerDefinition.model_validate(row["definition"])
    if include_secrets:
        env = await ENVIRONMENTS.get(row["id"], context.database)
        secrets = ServerSecrets(env=env, headers=await HEADERS.get(row["id"], context.database))
    return ServerExport(**dict(definition), **dict(secrets), id=row["id"], is_enabled=row["is_enabled"])
