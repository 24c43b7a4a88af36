"""Models of MCP servers."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Self
from urllib.parse import urlsplit
from uuid import UUID

from contracts.mcp_registry.server import (
    CreateServer,
    ListServers,
    ServerChanges,
    ServerSummary,
    ServerView,
    SetServerEnabled,
    UpdateServer,
)
from contracts.mcp_registry.values import (
    MAX_TOOLS,
    ServerDefinition,
    ServerHealth,
    ServerSecrets,
    ServerType,
    WorkspaceAccess,
)
from contracts.samples import MCP_SERVER, TIME, USER
from pydantic import AfterValidator, Field, StrictBool, StringConstraints, model_validator
from runtime import clock

from gateway.schemas.base import UNCHANGED, RequestBody, ResponseModel, example, pattern_rule
from gateway.schemas.lists import KeysetWindow, ListPage, Words
from gateway.schemas.options import Identifier

MAX_NAME = 64
FORBIDDEN_HEADERS = frozenset(
    ("connection", "content-length", "content-type", "host", "keep-alive", "te", "trailer", "transfer-encoding")
)
"""Headers that the connection itself sets."""
OF_PROGRAMS = ("command", "args", "env", "network_hosts", "workspace")
OF_URLS = ("url", "headers")
_HEADER_VALUE = re.compile(r"[\x20-\x7e\t]*")


def _valid_name(name: str) -> str:
    if not name.isprintable():
        raise ValueError("must consist of printable characters")
    try:
        UUID(name)
    except ValueError:
        return name
    raise ValueError("must not be a UUID, which could be the id of another server")


def _http_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port or an IPv6 address is malformed
        valid = False
    else:
        if parts.username is not None or parts.password is not None:
            raise ValueError("must not contain credentials; send them in `headers`")
    if not valid or re.search(r"[\x00-\x20\x7f{}]", url):
        raise ValueError("must be an http or https URL; variables in it are not expanded")
    return url


def _header_fields(headers: dict[str, str]) -> dict[str, str]:
    names = [name.lower() for name in headers]
    if forbidden := FORBIDDEN_HEADERS.intersection(names):
        raise ValueError(f"the header {min(forbidden)} cannot be set")
    if len(set(names)) < len(names):
        raise ValueError("names of headers must differ in more than upper and lower case")
    for name, value in headers.items():
        if not _HEADER_VALUE.fullmatch(value) or value != value.strip():
            raise ValueError(f"the value of {name} must be ASCII text on one line, without spaces around it")
    return headers


Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_NAME),
    AfterValidator(_valid_name),
    Field(description="Name of the server, unique among the owner's, whatever its case."),
]
Description = Annotated[str, Field(max_length=2_000, description="What the server is for.")]
Program = Annotated[str, Field(min_length=1, max_length=4_096)]
PROGRAM: Any = Field(alias="command", description="With `STDIO`: program to start.")
"""The field has another name than in JSON, as `command` is a method of bodies."""
Arguments = Annotated[
    list[Annotated[str, Field(max_length=4_096)]],
    Field(max_length=100, description="With `STDIO`: arguments of the program."),
]
Url = Annotated[str, Field(max_length=2_048), AfterValidator(_http_url)]
URL = "With `HTTP` and `SSE`: URL."
Host = Annotated[
    str,
    Field(pattern=r"^(\*|(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?(:[0-9]{1,5})?)$", max_length=300),
    pattern_rule("Must be `host`, `host:port`, `*.domain` or `*`"),
]
NetworkHosts = Annotated[
    list[Host], Field(max_length=100, description="With `STDIO`: hosts that the program may connect to; `*` for all.")
]
Workspace = Annotated[
    WorkspaceAccess,
    Field(description="With `STDIO`: access of the program to the workspace of the session that uses it."),
]
AllowedTools = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=200)]] | None,
    Field(max_length=MAX_TOOLS, description="Names of the tools that sessions may use; null for all."),
]
IsGlobal = Annotated[
    StrictBool, Field(description="Whether all users may use the server; only administrators may set it.")
]
IsEnabled = Annotated[StrictBool, Field(description="Whether sessions may use the server.")]
Secret = Annotated[str, Field(max_length=32 * 1024)]
Environment = Annotated[
    dict[Identifier, Secret],
    Field(max_length=100, repr=False, description="With `STDIO`: environment variables of the program; secret."),
]
HeaderName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", max_length=200), pattern_rule("Must be the name of a header")
]
Headers = Annotated[
    dict[HeaderName, Secret],
    Field(max_length=100, repr=False, description="With `HTTP` and `SSE`: headers of requests to the URL; secret."),
    AfterValidator(_header_fields),
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
    """An MCP server to register."""

    model_config = example(_BODY)

    name: Name
    description: Description = ""
    server_type: Annotated[
        ServerType, Field(description="`STDIO`: a program, started in a sandbox. `HTTP`, `SSE`: a remote server.")
    ]
    program: Annotated[Program | None, PROGRAM] = None
    args: Arguments = []
    url: Annotated[Url | None, Field(description=URL)] = None
    network_hosts: NetworkHosts = []
    workspace: Workspace = "none"
    allowed_tools: AllowedTools = None
    is_global: IsGlobal = False
    is_enabled: IsEnabled = True
    env: Environment = {}
    headers: Headers = {}

    @model_validator(mode="after")
    def _fits_its_type(self) -> Self:
        values = self.values()
        needed, others = ("command", OF_URLS) if self.server_type == "STDIO" else ("url", OF_PROGRAMS)
        if values[needed] is None:
            raise ValueError(f"a server of the type {self.server_type} needs `{needed}`")
        if foreign := [name for name in others if values[name] not in (None, [], {}, "none")]:
            raise ValueError(f"a server of the type {self.server_type} has no `{foreign[0]}`")
        return self

    def values(self, *, sent: bool = False) -> dict[str, Any]:
        """Return the fields by their names in JSON: all, or those that were sent."""
        return self.model_dump(by_alias=True, exclude_unset=sent)

    def command(self) -> CreateServer:
        """Return the command."""
        values = self.values()
        return CreateServer(
            server_id=clock.new_id(),
            definition=ServerDefinition(**{name: values[name] for name in ServerDefinition.model_fields}),
            secrets=ServerSecrets(env=self.env, headers=self.headers),
            is_enabled=self.is_enabled,
        )


class McpServerChange(RequestBody):
    """The fields of an MCP server to change; omitted fields stay as they are. Its type cannot change.

    `env` and `headers` are replaced as a whole; a value `***` keeps the stored one. A new `command` or `url` needs them
    again, since the old values were meant for another program or host.
    """

    model_config = example({"description": "Cluster management", "allowed_tools": ["list_pods"]})

    name: Name = UNCHANGED
    description: Description = UNCHANGED
    program: Annotated[Program, PROGRAM] = UNCHANGED
    args: Arguments = UNCHANGED
    url: Annotated[Url, Field(description=URL)] = UNCHANGED
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


_LISTED: dict[str, Any] = _BODY | {
    "id": MCP_SERVER,
    "user_id": USER,
    "url": None,
    "env": {"KUBECONFIG": "***"},
    "headers": {},
    "network_hosts": ["kubernetes.example.com:6443"],
    "workspace": "none",
    "allowed_tools": None,
    "is_authorized": False,
    "health": "healthy",
    "error_code": None,
    "error_detail": None,
    "latency_ms": 41.5,
    "server_version": "1.4.2",
    "tool_count": 1,
    "checked_at": TIME,
    "created_at": TIME,
    "updated_at": TIME,
}
_TOOL: dict[str, Any] = {
    "name": "list_pods",
    "title": None,
    "description": "Lists the pods.",
    "input_schema": {"type": "object"},
    "output_schema": None,
    "annotations": {"readOnlyHint": True},
}


class McpServer(ServerView, ResponseModel):
    """An MCP server with its tools. Values of `env` and `headers` are masked.

    For users who may use but not change it, `command`, `args`, `url`, `env` and `headers` are null.
    """

    model_config = example(_LISTED | {"tools": [_TOOL], "difference": {"added": [], "removed": [], "changed": []}})


class McpServerListed(ServerSummary, ResponseModel):
    """An MCP server in a list, without its tools."""

    model_config = example(_LISTED)


class McpServerPage(ListPage[McpServerListed]):
    """MCP servers, newest first."""


def server_path(server_id: UUID) -> str:
    """Return the path of an MCP server."""
    return f"/api/v1/mcp-servers/{server_id}"
