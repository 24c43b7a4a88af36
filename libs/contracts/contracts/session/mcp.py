"""All messages about the MCP servers that a run uses."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, PlainSerializer

from contracts.messages import Command, Message, ProgressEvent
from contracts.samples import MCP_SERVER, RUN, SESSION

type McpServerStatus = Literal["connected", "failed", "not_found", "disabled", "not_allowed", "authorization_required"]

_Whole = Annotated[int, Field(ge=0)]

MAX_WITHHELD_NAMES = 20
"""The number of withheld tools of a server that are named."""

_SERVER = {
    "reference": "kubernetes",
    "server_id": MCP_SERVER,
    "name": "kubernetes",
    "prefix": "mcp__kubernetes__",
    "status": "connected",
    "tools": 12,
    "latency_ms": 42,
}


class McpServerUse(Message):
    """How a run uses an MCP server that its session names, or why it does not.

    `reference` is the name or id in the options of the session. The agent knows the server's tools by names that begin
    with `prefix`, as `allowed_tools` and approvals do. `tools` is their number. `withheld` are the names of the first
    tools that the agent does not get, because they differ from what the owner of the server accepted.
    """

    reference: str = Field(description="Name or id of the server in the options of the session.")
    server_id: UUID | None = Field(default=None, description="Id of the server; null if it was not found.")
    name: str | None = Field(default=None, description="Name of the server; null if it was not found.")
    prefix: str | None = Field(
        default=None, description="Beginning of the names of its tools, as in `allowed_tools`; null without a server."
    )
    status: McpServerStatus = Field(description="Whether the agent has the server, or why not.")
    detail: str = Field(default="", description="Why the agent does not have the server; empty if it does.")
    tools: int = Field(default=0, description="Number of tools that the agent has.")
    withheld: list[str] = Field(
        default=[], description="Names of tools that its owner has not accepted as they are now, the first 20."
    )
    latency_ms: Annotated[float, Field(ge=0), PlainSerializer(round, return_type=_Whole)] | None = Field(
        default=None, description="Milliseconds from the connection to the list of tools; null without a connection."
    )
    """From the start of the connection to the list of tools. Stored events of earlier releases have a decimal."""


class RecordMcpServers(Command[None]):
    """Record which MCP servers the agent of a run has. `attempt` fences a worker that was replaced."""

    subject = "cmd.session.record_mcp_servers"
    senders = ()
    sample = {"session_id": SESSION, "run_id": RUN, "attempt": 1, "servers": [_SERVER]}

    session_id: UUID
    run_id: UUID
    attempt: int
    servers: list[McpServerUse] = Field(max_length=100)


class McpServersConnected(ProgressEvent):
    """The agent of a run was connected to the MCP servers of its session, as far as they were available."""

    subject = "evt.session.mcp_servers_connected"
    sample = {"run_id": RUN, "servers": [_SERVER]}

    run_id: UUID
    servers: list[McpServerUse]


McpEvent = McpServersConnected
