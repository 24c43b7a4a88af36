"""Checks of MCP servers that requests wait for. An event wakes the wait; reads at intervals make up for a lost one."""

from functools import partial
from uuid import UUID

from contracts.mcp_registry.check import CheckServer, ServerChecked
from contracts.mcp_registry.server import GetServer, ServerDeleted, ServerDisabled
from contracts.mcp_registry.server_view import ServerView
from runtime.bus import Client, Unavailable

from gateway import ids
from gateway.clients.auth.callers import Anyone
from gateway.schemas.mcp_server import server_path
from gateway.waiting import Disconnected, EventWaiters, Waits

END_EVENTS = (ServerChecked, ServerDeleted, ServerDisabled)


class Checks:
    """Requests checks of MCP servers and waits for their results."""

    def __init__(self, client: Client, waits: Waits) -> None:
        self.waits = waits
        self.waiting = EventWaiters(client, END_EVENTS, lambda subject, _: UUID(subject.rpartition(".")[2]))

    async def request(self, server_id: UUID, caller: Anyone) -> None:
        """Request a check; if one is in progress, its result counts.

        Raises:
            Refusal: the server cannot be checked.
        """
        await caller.ask(CheckServer(server_id=server_id, check_id=ids.new_id()))

    async def outcome(self, server_id: UUID, caller: Anyone, disconnected: Disconnected) -> ServerView:
        """Request a check and return the server when it has been checked.

        Raises:
            Problem: the wait had to end before; the problem names the server.
            ClientDisconnect: the client disconnected. The server is checked all the same.
            Refusal: the server cannot be checked, or it was deleted.
        """
        with self.waiting.waiting(server_id) as waiter:
            before = await caller.ask(GetServer(server_id=server_id))
            await self.request(server_id, caller)
            has_ended = partial(_is_newer, before)
            server = await self.waits.until(has_ended, before, partial(_read, caller), disconnected, waiter)
        if not has_ended(server):
            raise self.waits.timed_out("check", server_path(server_id), server_id=str(server_id))
        return server


def _is_newer(before: ServerView, server: ServerView) -> bool:
    return (server.checked_at, server.is_enabled) != (before.checked_at, before.is_enabled)


async def _read(caller: Anyone, server: ServerView, _: bool) -> ServerView:
    try:
        return await caller.ask(GetServer(server_id=server.id))
    except Unavailable:  # another replica takes over, and the check ends there
        return server
