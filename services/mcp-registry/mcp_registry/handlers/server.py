"""Handlers of commands about servers as a whole."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from uuid import UUID, uuid5

from contracts.mcp_registry.oauth import Tokens
from contracts.mcp_registry.server import CreateServer, DeleteServer, SetServerEnabled, UpdateServer
from contracts.mcp_registry.values import MAX_SERVERS, ServerDefinition
from contracts.refusals import Code, Refusal
from eventing.handling import Handlers

from mcp_registry.aggregate import McpServer, Revocation
from mcp_registry.dependencies import Work

GLOBAL_IS_FOR_ADMINS = "Only administrators can create, change and delete global MCP servers."

handles = Handlers()


@handles
async def create_server(command: CreateServer, work: Work) -> None:
    """Create a server for the actor."""
    _check_may_define(command.definition, command.secrets.env, work)
    await _check_number(work)
    server = McpServer(command.server_id)
    server.create(
        work.actor.user_id, command.definition, command.secrets, _check_id(work), is_enabled=command.is_enabled
    )
    await work.save(server)


@handles
async def update_server(command: UpdateServer, work: Work) -> None:
    """Change a server."""
    async with changing(command.server_id, work) as server:
        changes = command.changes
        variables = changes.env or {} if "env" in changes.model_fields_set else server.credentials.env
        _check_may_define(changes.applied_to(server.definition), variables, work)
        server.update(changes, _check_id(work))


@handles
async def set_server_enabled(command: SetServerEnabled, work: Work) -> None:
    """Enable or disable a server."""
    async with changing(command.server_id, work) as server:
        if command.is_enabled:
            server.enable(_check_id(work))
        else:
            server.disable()


@handles
async def delete_server(command: DeleteServer, work: Work) -> None:
    """Delete a server."""
    async with changing(command.server_id, work) as server:
        server.delete()


@asynccontextmanager
async def changing(server_id: UUID, work: Work) -> AsyncGenerator[McpServer]:
    """Load a server that the actor may change, and save it at the end of the block unless that raises.

    Raises:
        Refusal: MCP_SERVER_NOT_FOUND; ADMINS_ONLY: it is global, and the actor, even if its owner, is no admin.
    """
    async with loaded(server_id, work) as server:
        _check_global(server.definition, work)
        yield server


@asynccontextmanager
async def loaded(server_id: UUID, work: Work) -> AsyncGenerator[McpServer]:
    """Load a server that exists for the actor, and save it at the end of the block unless that raises.

    Tokens that the server has no more at the end are revoked.

    Raises:
        Refusal: MCP_SERVER_NOT_FOUND.
    """
    server = await work.load_visible(McpServer, server_id)
    before = server.oauth.tokens
    yield server
    await work.save(server, *_revocations(server, before, work))


def _revocations(server: McpServer, before: Tokens | None, work: Work) -> list[Revocation]:
    after = server.oauth.tokens
    # To revoke tokens of the client that has others now could revoke these, too.
    if before is None or (after and after.client_id == before.client_id):
        return []
    revocation = Revocation(uuid5(work.envelope.message_id, "revocation"))
    revocation.request(server.user_id, before)
    return [revocation]


def _check_may_define(definition: ServerDefinition, variables: Iterable[str], work: Work) -> None:
    _check_global(definition, work)
    work.dependencies.servers.commands.check(definition, variables, work.actor.role)


def _check_global(definition: ServerDefinition, work: Work) -> None:
    if definition.is_global and work.actor.role != "admin":
        raise Refusal(Code.ADMINS_ONLY, GLOBAL_IS_FOR_ADMINS)


async def _check_number(work: Work) -> None:
    await work.lock(work.actor.user_id)  # concurrent requests would all count the same
    if await work.dependencies.servers.count(work.actor.user_id) >= MAX_SERVERS:
        raise Refusal(Code.TOO_MANY_SERVERS, f"You have {MAX_SERVERS} MCP servers. Delete one first.")


def _check_id(work: Work) -> UUID:
    """Return the id of the check that a command requests: the same at each attempt to carry it out."""
    return work.envelope.message_id
