"""Resolves the MCP servers that a session names, at the start of each of its runs."""

import asyncio
from itertools import batched

from contracts.mcp_registry.server import ResolveServers
from contracts.mcp_registry.values import MAX_RESOLVED, ResolvedServer, ServerConnection
from contracts.refusals import Refusal
from contracts.wire import AGENT_DEPTH_HEADER
from eventing.database import TRANSIENT_ERRORS
from eventing.reactions import Reaction
from runtime.bus import Unavailable
from runtime.logging import get_logger

from session.dependencies import Dependencies

log = get_logger()

RESOLVE_SECONDS = 30.0
"""How long a run waits for the registry, which may be restarting. It keeps its slot meanwhile; its timeout counts
later."""
REGISTRY_UNAVAILABLE = "The MCP registry is not available."


async def resolved_servers(
    references: list[str], depth: int, reaction: Reaction[Dependencies]
) -> tuple[ResolvedServer, ...]:
    """Return the servers that these names or ids mean for the session's owner now.

    `depth` is that of the session; remote servers are sent the depth of what its agent uses. While the registry is not
    available, it is asked again for half a minute. The run continues without servers if it does not answer until then,
    or the owner may not use any.
    """
    if not references:
        return ()
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            resolved = [
                server
                for part in batched(references, MAX_RESOLVED)
                for server in await reaction.ask(
                    ResolveServers(references=[*part]), on_behalf_of=reaction.recorded.owner
                )
            ]
        return tuple(_for_agent(each, depth + 1) for each in resolved)
    except Refusal as refusal:
        problem, detail = "not_allowed", refusal.detail
    except (TimeoutError, Unavailable, *TRANSIENT_ERRORS) as error:
        log.warning("MCP servers could not be resolved", error=repr(error))
        problem, detail = None, REGISTRY_UNAVAILABLE
    return tuple(ResolvedServer(reference=each, problem=problem, detail=detail) for each in references)


def _for_agent(resolved: ResolvedServer, depth: int) -> ResolvedServer:
    """Return the server as an agent uses it.

    It is without what changes with every check, because a warm agent is replaced only if its servers differ.
    """
    if resolved.connection is None:
        return resolved
    changes = {"version": 0, "expires_at": None, "headers": _headers(resolved.connection, depth)}
    return resolved.model_copy(update={"connection": resolved.connection.model_copy(update=changes)})


def _headers(server: ServerConnection, depth: int) -> dict[str, str]:
    """Return the headers with the depth in place of one that the owner of the server configured."""
    if server.definition.server_type == "STDIO":
        return server.headers
    others = {name: value for name, value in server.headers.items() if name.lower() != AGENT_DEPTH_HEADER.lower()}
    return {**others, AGENT_DEPTH_HEADER: str(depth)}
