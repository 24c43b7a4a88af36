"""The MCP servers of one agent."""

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from uuid import UUID

from claude_agent_sdk import McpSdkServerConfig
from contracts.mcp_registry.values import ResolvedServer, ServerConnection
from contracts.session.mcp import MAX_WITHHELD_NAMES, McpServerUse
from mcp.shared.exceptions import MCPError
from mcp_connection import Callbacks, ConnectionFailed
from runtime.logging import get_logger
from runtime.secrets.redaction import redactor

from session.mcp.connections import Connections
from session.mcp.elicitations import answer
from session.mcp.forwarding import Forwarder, failure_detail
from session.mcp.link import Link
from session.mcp.made_calls import MadeCalls
from session.mcp.masking import secret_values, secret_words
from session.mcp.naming import prefixes
from session.mcp.permits import Permits
from session.mcp.questions import Elicit, decline_all
from session.mcp.server_calls import ServerCalls

log = get_logger()

NOT_CONNECTED = "The connection failed."


class AgentServers:
    """Connects to the servers of an agent of a user, and forwards to them until the agent ends.

    `elicit` asks the user on behalf of a server; it belongs to the current turn.
    """

    def __init__(
        self,
        resolved: Sequence[ResolvedServer],
        workspace: Path,
        connections: Connections,
        permits: Permits,
        calls: ServerCalls,
        user_id: UUID | None = None,
    ) -> None:
        self.elicit: Elicit = decline_all
        self._resolved, self._workspace, self._user_id = resolved, workspace, user_id
        self._connections, self._permits, self._calls = connections, permits, calls
        self._failures = dict[UUID, str]()
        self._opening = list[asyncio.Task[None]]()
        self._changed = False
        # Once each, although a session may name a server by its name and by its id.
        servers = {each.connection.id: each.connection for each in resolved if each.connection}
        named = zip(servers.values(), prefixes(each.definition.name for each in servers.values()), strict=True)
        self.secrets = [value for server in servers.values() for value in secret_values(server)]
        words = [word for server in servers.values() for word in secret_words(server)]
        self._redact = redactor(self.secrets, words)
        self._links = {server.id: self._link(server, prefix) for server, prefix in named}

    @property
    def made_calls(self) -> MadeCalls:
        """The calls of tools that were made."""
        return self._permits.made

    @property
    def outdated(self) -> bool:
        """Whether the next turn needs new connections: one failed or was lost, or a server announced other tools."""
        lost = any(link.lost for link in self._links.values())
        return self._changed or lost or any(use.status == "failed" for use in self.uses())

    async def connect(self) -> None:
        """Connect to all servers that can be reached within a bound; the others are not available in this turn."""
        self._opening = [self._connections.run(self._open(link)) for link in self._links.values()]
        waits = (link.connect_seconds for link in self._links.values())
        await asyncio.gather(*map(_wait, self._opening, waits))

    async def close(self) -> None:
        """Close all connections."""
        for task in self._opening:
            task.cancel()
        await asyncio.gather(*self._opening, *(link.close() for link in self._links.values()), return_exceptions=True)

    def configs(self) -> dict[str, McpSdkServerConfig]:
        """Return the servers that the agent gets."""
        connected = [link for id, link in self._links.items() if id not in self._failures]
        return {link.name: self._config(link) for link in connected}

    def uses(self) -> list[McpServerUse]:
        """Return how each server that the session names is used."""
        return [self._use(each) for each in self._resolved]

    def _link(self, server: ServerConnection, prefix: str) -> Link:
        callbacks = Callbacks(
            elicit=lambda question: answer(question, prefix.removesuffix("__"), self._redact, self.elicit),
            on_tools_changed=self._note_change,
        )
        connect = partial(self._connections.connect, self._user_id, server, self._workspace, callbacks)
        return Link(server, prefix, connect)

    def _note_change(self) -> None:
        self._changed = True

    async def _open(self, link: Link) -> None:
        self._failures[link.server.id] = f"The server did not answer within {link.connect_seconds:g} s."
        try:
            await link.open()
            del self._failures[link.server.id]
        except (ConnectionFailed, MCPError) as error:
            self._failures[link.server.id] = self._redact(failure_detail(error, link.server))
        except Exception as error:  # noqa: BLE001  the other servers continue, and a traceback could contain secrets
            log.warning("MCP connection failed", server_id=str(link.server.id), error=self._redact(repr(error)))
            self._failures[link.server.id] = NOT_CONNECTED

    def _config(self, link: Link) -> McpSdkServerConfig:
        forwarder = Forwarder(link, self._permits, self._redact, self._calls)
        return {"type": "sdk", "name": link.name, "instance": forwarder.server()}

    def _use(self, resolved: ResolvedServer) -> McpServerUse:
        server = resolved.connection
        if server is None:
            # Without a reason in the registry, the registry itself has failed.
            status = resolved.problem or "failed"
            return McpServerUse(reference=resolved.reference, status=status, detail=resolved.detail)
        link, failure = self._links[server.id], self._failures.get(server.id)
        return McpServerUse(
            reference=resolved.reference,
            server_id=server.id,
            name=server.definition.name,
            prefix=link.prefix,
            status="failed" if failure else "connected",
            detail=failure or "",
            tools=len(link.offer.tools),
            withheld=link.offer.withheld[:MAX_WITHHELD_NAMES],
            latency_ms=None if failure else link.latency_ms,
        )


async def _wait(opening: asyncio.Task[None], seconds: float) -> None:
    """Wait until a connection is open, and cancel it if that takes longer. Its end is not waited for."""
    _, late = await asyncio.wait([opening], timeout=seconds)
    for task in late:
        task.cancel()
