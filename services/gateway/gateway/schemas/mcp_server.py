"""Models of MCP servers."""

from collections.abc import Iterator
from typing import Annotated, Any
from uuid import UUID

from contracts.mcp_registry.check import AcceptTools
from contracts.mcp_registry.server import CreateServer, ListServers, ServerChanges, SetServerEnabled, UpdateServer
from contracts.mcp_registry.server_view import ServerSummary, ServerView
from contracts.mcp_registry.values import (
    ServerDefinition,
    ServerHealth,
    ServerSecrets,
    ServerType,
    WorkspaceAccess,
)
from pydantic import Field, StrictBool, StringConstraints

from gateway import ids
from gateway.schemas.base import UNCHANGED, Milliseconds, RequestBody, ResponseModel
from gateway.schemas.lists import KeysetWindow, ListPage, Words

Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1),
    Field(description="Name, at most 64 characters; unique among the servers of its owner, whatever its case."),
]
Description = Annotated[str, Field(description="What the server is for.")]
PROGRAM: Any = Field(alias="command", description="With `STDIO`: program to start.")
"""The field has another name than in JSON, as `command` is a method of bodies."""
Arguments = Annotated[list[str], Field(description="With `STDIO`: arguments of the program, at most 100.")]
URL: Any = Field(description="With `HTTP` and `SSE`: URL.")
NetworkHosts = Annotated[
    list[str],
    Field(description="With `STDIO`: hosts that the program may connect to: `host`, `host:port`, `*.domain` or `*`."),
]
Workspace = Annotated[
    WorkspaceAccess,
    Field(description="With `STDIO`: access of the program to the workspace of the session that uses it."),
]
AllowedTools = Annotated[list[str] | None, Field(description="Names of the tools that sessions may use; null for all.")]
IsGlobal = Annotated[
    StrictBool, Field(description="Whether all users may use the server; only administrators may set it.")
]
IsEnabled = Annotated[StrictBool, Field(description="Whether sessions may use the server.")]
Environment = Annotated[
    dict[str, str], Field(repr=False, description="With `STDIO`: environment variables of the program; secret.")
]
Headers = Annotated[
    dict[str, str], Field(repr=False, description="With `HTTP` and `SSE`: headers of requests to the URL; secret.")
]

_BODY: dict[str, Any] = {
    "name": "Kubernetes MCP",
    "description": "Kubernetes cluster management",
    "server_type": "STDIO",
    "command": "kubectl-mcp-server",
    "args": ["--cluster", "production"],
    "env": {"KUBECONFIG": "/path/to/kubeconfig"},
    "is_enabled": True,
    "is_global": False,
}


class NewMcpServer(RequestBody):
    """An MCP server to register. The registry decides whether its fields are acceptable together."""

    sample = _BODY

    name: Name
    description: Description = ""
    server_type: Annotated[
        ServerType, Field(description="`STDIO`: a program, started in a sandbox. `HTTP`, `SSE`: a remote server.")
    ]
    program: Annotated[str | None, PROGRAM] = None
    args: Arguments = []
    url: Annotated[str | None, URL] = None
    network_hosts: NetworkHosts = []
    workspace: Workspace = "none"
    allowed_tools: AllowedTools = None
    is_global: IsGlobal = False
    is_enabled: IsEnabled = True
    env: Environment = {}
    headers: Headers = {}

    def values(self, *, sent: bool = False) -> dict[str, Any]:
        """Return the fields by their names in JSON: all, or those that were sent."""
        return self.model_dump(by_alias=True, exclude_unset=sent)

    def command(self, server_id: UUID | None = None) -> CreateServer:
        """Return the command, with a new id of the server unless one is passed."""
        values = self.values()
        return CreateServer(
            server_id=server_id or ids.new_id(),
            definition=ServerDefinition(**{name: values[name] for name in ServerDefinition.model_fields}),
            secrets=ServerSecrets(env=self.env, headers=self.headers),
            is_enabled=self.is_enabled,
        )


class McpServerChange(RequestBody):
    """The fields of an MCP server to change; omitted fields stay as they are. Its type cannot change.

    `env` and `headers` are replaced as a whole; a value `***` keeps the stored one. A new `command` or `url` needs them
    again, since the old values were meant for another program or host.
    """

    sample = {"description": "Cluster management", "allowed_tools": ["list_pods"]}

    name: Name = UNCHANGED
    description: Description = UNCHANGED
    program: Annotated[str, PROGRAM] = UNCHANGED
    args: Arguments = UNCHANGED
    url: Annotated[str, URL] = UNCHANGED
    network_hosts: NetworkHosts = UNCHANGED
    workspace: Workspace = UNCHANGED
    allowed_tools: AllowedTools = UNCHANGED
    is_global: IsGlobal = UNCHANGED
    is_enabled: IsEnabled = UNCHANGED
    env: Environment = UNCHANGED
    headers: Headers = UNCHANGED

    def commands(self, server_id: UUID) -> Iterator[UpdateServer | SetServerEnabled]:
        """Yield the commands: at least one, also if nothing was sent."""
        changes = self.model_dump(by_alias=True, exclude_unset=True, exclude={"is_enabled"})
        if changes or "is_enabled" not in self.model_fields_set:
            yield UpdateServer(server_id=server_id, changes=ServerChanges(**changes))
        if "is_enabled" in self.model_fields_set:
            yield SetServerEnabled(server_id=server_id, is_enabled=self.is_enabled)


class McpToolsAcceptance(RequestBody):
    """The tools of an MCP server that its owner accepts."""

    sample = {"tools_version": ServerView.sample["tools_version"]}

    tools_version: Annotated[str, Field(description="The `tools_version` of the server when its tools were read.")]

    def command(self, server_id: UUID) -> AcceptTools:
        """Return the command."""
        return AcceptTools(server_id=server_id, tools_version=self.tools_version)


class McpServerWindow(KeysetWindow):
    """Query parameters of the list of MCP servers."""

    q: Annotated[
        Words | None,
        Field(
            min_length=1,
            max_length=200,
            description="Return only servers with this text in name or description.",
            examples=["kube"],
        ),
    ] = None
    server_type: Annotated[
        ServerType | None, Field(description="Return only servers of this type.", examples=["HTTP"])
    ] = None
    is_enabled: Annotated[
        bool | None, Field(description="Return only enabled, or only disabled, servers.", examples=[True])
    ] = None
    is_global: Annotated[
        bool | None, Field(description="Return only global servers, or only others.", examples=[False])
    ] = None
    health: Annotated[
        ServerHealth | None, Field(description="Return only servers with this health.", examples=["healthy"])
    ] = None

    def query(self) -> ListServers:
        """Return the query."""
        return ListServers(**self.model_dump())


class McpServer(ServerView, ResponseModel):
    """An MCP server with its tools. Values of `env` and `headers` are masked.

    For users who may use but not change it, `command`, `args`, `url`, `env`, `headers` and `error_detail` are null.
    """

    latency_ms: Milliseconds | None


class McpServerListed(ServerSummary, ResponseModel):
    """An MCP server in a list, without its tools."""

    latency_ms: Milliseconds | None


class McpServerPage(ListPage[McpServerListed]):
    """MCP servers, newest first."""


def server_path(server_id: UUID) -> str:
    """Return the path of an MCP server."""
    return f"/api/v1/mcp-servers/{server_id}"
