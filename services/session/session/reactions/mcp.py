"""Resolves the MCP servers that a session names, at the start of each of its runs."""

import asyncio
from itertools import batched

from contracts.mcp_registry.server import ResolveServers
from contracts.mcp_registry.values import MAX_RESOLVED, ResolvedServer
from contracts.refusals import Refusal
from eventing.database import TRANSIENT_ERRORS
from eventing.reactions import Reaction
from runtime.bus import Unavailable
from runtime.logging import get_logger

from session.dependencies import Dependencies

log = get_logger()

RESOLVE_SECONDS = 5.0
REGISTRY_UNAVAILABLE = "The MCP registry is not available."


async def resolved_servers(references: list[str], reaction: Reaction[Dependencies]) -> tuple[ResolvedServer, ...]:
    """Return the servers that these names or ids mean for the session's owner now.

    The run continues without them if the registry does not answer in time, or the owner may not use any.
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
        return tuple(map(_comparable, resolved))
    except Refusal as refusal:
        problem, detail = "not_allowed", refusal.detail
    except (TimeoutError, Unavailable, *TRANSIENT_ERRORS) as error:
        log.warning("MCP servers could not be resolved", error=repr(error))
        problem, detail = None, REGISTRY_UNAVAILABLE
    return tuple(ResolvedServer(reference=each, problem=problem, detail=detail) for each in references)


def _comparable(resolved: ResolvedServer) -> ResolvedServer:
    """Return the server without what changes with every check: a warm agent is replaced only if it has to be."""
    if resolved.connection is None:
        return resolved
    connection = resolved.connection.model_copy(update={"version": 0, "expires_at": None})
    return resolved.model_copy(update={"connection": connection})
