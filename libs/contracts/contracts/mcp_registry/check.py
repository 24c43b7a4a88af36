"""All messages about the checks of MCP servers."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from contracts.mcp_registry.server import GetServer
from contracts.mcp_registry.server_view import ServerView
from contracts.mcp_registry.values import MAX_TOOLS, CheckResult, Fingerprint, ServerHealth, Tool, ToolsDifference
from contracts.messages import Command, Event, ProgressEvent
from contracts.samples import CHECK, MCP_SERVER, TIME

_TOOL = {"name": "list_pods", "description": "Lists the pods.", "input_schema": {"type": "object"}}


class CheckServer(Command[UUID]):
    """Request a check of a server: connecting, listing its tools, measuring the time. Returns its id.

    During a check it requests nothing, and returns the id of that one.
    """

    subject = "cmd.mcp_registry.check"
    sample = {"server_id": MCP_SERVER, "check_id": CHECK}

    server_id: UUID
    check_id: UUID


class RecordCheck(Command[None]):
    """Record the result of a check, with the tools if they could be listed. That of an outdated check is ignored."""

    subject = "cmd.mcp_registry.record_check"
    senders = ()
    sample = {"server_id": MCP_SERVER, "check_id": CHECK, "result": {"latency_ms": 41.5}, "tools": [_TOOL]}

    server_id: UUID
    check_id: UUID
    result: CheckResult
    tools: list[Tool] | None = Field(default=None, max_length=MAX_TOOLS)


class AcceptTools(Command[ServerView]):
    """Accept the tools of a server, in the version that its owner has seen."""

    subject = "cmd.mcp_registry.accept_tools"
    outcome_query = GetServer
    sample = {"server_id": MCP_SERVER, "tools_version": "00" * 32}

    server_id: UUID
    tools_version: str


class CheckRequested(Event):
    """A check of a server was requested."""

    published = False
    subject = "evt.mcp_registry.check_requested"
    sample = {"check_id": CHECK}

    check_id: UUID


class ServerChecked(ProgressEvent):
    """A server was checked, `failures` times in a row without success."""

    subject = "evt.mcp_registry.checked"
    sample = {"check_id": CHECK, "health": "healthy", "result": {"latency_ms": 41.5}, "failures": 0, "next_at": TIME}

    check_id: UUID
    health: ServerHealth
    result: CheckResult
    failures: int
    next_at: datetime | None


class ToolsListed(Event):
    """A server listed other tools than before. The first list is accepted."""

    published = False
    subject = "evt.mcp_registry.tools_listed"
    sample = {"tools": [_TOOL], "fingerprints": {"list_pods": "00" * 32}}

    tools: list[Tool]
    fingerprints: dict[str, Fingerprint]


class ToolsChanged(Event):
    """The tools of a server differ from those that its owner accepted; the differing ones are withheld from agents."""

    subject = "evt.mcp_registry.tools_changed"
    sample = {"difference": {"changed": ["list_pods"]}}

    difference: ToolsDifference


class ToolsAccepted(Event):
    """The owner of a server accepted its tools."""

    subject = "evt.mcp_registry.tools_accepted"
    sample = {}


CheckEvent = CheckRequested | ServerChecked | ToolsListed | ToolsChanged | ToolsAccepted
