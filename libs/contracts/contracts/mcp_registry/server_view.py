"""MCP servers as their users see them."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from contracts.mcp_registry.values import (
    ServerHealth,
    ServerType,
    Tool,
    ToolsDifference,
    WorkspaceAccess,
)
from contracts.messages import View
from contracts.refusals import Code
from contracts.samples import MCP_SERVER, TIME, USER


class ServerSummary(View):
    """An MCP server in a list. For users who may use but not change it, how it is reached is None."""

    sample = {
        "id": MCP_SERVER,
        "user_id": USER,
        "name": "kubernetes",
        "description": "Kubernetes cluster management",
        "server_type": "STDIO",
        "command": "kubectl-mcp-server",
        "args": ["--cluster", "production"],
        "url": None,
        "env": {"KUBECONFIG": "***"},
        "headers": {},
        "network_hosts": ["kubernetes.example.com:6443"],
        "workspace": "none",
        "allowed_tools": None,
        "is_enabled": True,
        "is_global": False,
        "is_authorized": False,
        "health": "healthy",
        "error_code": None,
        "error_detail": None,
        "latency_ms": 42,
        "server_version": "1.4.2",
        "tool_count": 1,
        "checked_at": TIME,
        "created_at": TIME,
        "updated_at": TIME,
    }

    id: UUID = Field(description="Id of the server.")
    user_id: UUID = Field(description="Id of the owner.")
    name: str = Field(description="Name of the server.")
    description: str = Field(description="What the server is for.")
    server_type: ServerType = Field(
        description="`STDIO`: a program, started in a sandbox. `HTTP`, `SSE`: a remote server."
    )
    command: str | None = Field(description="With `STDIO`: program to start.")
    args: list[str] | None = Field(description="With `STDIO`: arguments of the program.")
    url: str | None = Field(description="With `HTTP` and `SSE`: URL.")
    env: dict[str, str] | None = Field(description="With `STDIO`: environment variables of the program, masked.")
    headers: dict[str, str] | None = Field(description="With `HTTP` and `SSE`: headers of requests to the URL, masked.")
    network_hosts: list[str] = Field(description="With `STDIO`: hosts that the program may connect to.")
    workspace: WorkspaceAccess = Field(
        description="With `STDIO`: access of the program to the workspace of the session that uses it."
    )
    allowed_tools: list[str] | None = Field(description="Names of the tools that sessions may use; null for all.")
    is_enabled: bool = Field(description="Whether sessions may use the server.")
    is_global: bool = Field(description="Whether all users may use the server.")
    is_authorized: bool = Field(description="Whether the server holds tokens of an authorization.")
    health: ServerHealth = Field(
        description="Result of the last check. `unknown`: not checked yet. `changed`: the tools differ from those that"
        " were accepted. `authorization_required`: the server asks for an authorization."
    )
    error_code: Code | None = Field(description="Code of the failure of the last check; null if there is none.")
    error_detail: str | None = Field(
        description="Why the last check failed, or what it could not do; null if nothing went wrong."
    )
    latency_ms: float | None = Field(
        description="Milliseconds from the connection to the list of tools; null if the check failed."
    )
    server_version: str | None = Field(description="Version that the server reports; null if unknown.")
    tool_count: int = Field(description="Number of tools.")
    checked_at: datetime | None = Field(description="Time of the last check; null before the first one.")
    created_at: datetime = Field(description="Time of creation.")
    updated_at: datetime = Field(description="Time of the last change.")


class ServerView(ServerSummary):
    """An MCP server with its tools."""

    sample = ServerSummary.sample | {
        "tools": [
            {
                "name": "list_pods",
                "description": "Lists the pods.",
                "input_schema": {"type": "object"},
                "annotations": {"readOnlyHint": True},
            }
        ],
        "tools_version": "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9",
        "difference": {},
    }

    tools: list[Tool] = Field(description="The tools of the server, as it describes them.")
    tools_version: str = Field(description="Version of the list of tools; accepting the tools takes it.")
    difference: ToolsDifference = Field(
        description="How the tools differ from those that were accepted; empty unless `health` is `changed`."
    )
