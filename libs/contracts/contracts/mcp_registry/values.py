"""Value types of MCP servers."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.messages import Message
from contracts.refusals import Code

type ServerType = Literal["STDIO", "HTTP", "SSE"]
type WorkspaceAccess = Literal["none", "read", "write"]
"""The access of a STDIO server to the workspace of the session that uses it."""
type ServerHealth = Literal["unknown", "healthy", "unhealthy", "changed", "authorization_required"]
"""`unknown` until the first check. `changed`: a tool differs from what the owner accepted."""
type ServerProblem = Literal["not_found", "disabled", "not_allowed", "authorization_required"]

MAX_SERVERS = 100
"""Per owner."""
MAX_RESOLVED = 16
"""Servers in one reply: with their secrets and the fingerprints of their tools, they fit into a message of the bus."""
MAX_TOOLS = 500
MAX_TOOLS_BYTES = 512 * 1024
"""Of the names, descriptions and schemas of a server's tools together, as JSON."""

type Fingerprint = str
"""The SHA-256, in hexadecimal, of a tool's name, description, schemas and annotations as canonical JSON."""


class ServerDefinition(Message):
    """How to reach an MCP server, without its secrets.

    A STDIO server is a program, started as `command` with `args` in a sandbox; it reaches the hosts in `network_hosts`
    only, each `host`, `host:port`, `*.domain` or `*`. An HTTP or SSE server has a `url`. Sessions see the tools in
    `allowed_tools`, or all if it is None.
    """

    name: str
    description: str = ""
    server_type: ServerType
    command: str | None = None
    args: list[str] = []
    url: str | None = None
    network_hosts: list[str] = []
    workspace: WorkspaceAccess = "none"
    allowed_tools: list[str] | None = None
    is_global: bool = False


class ServerSecrets(Message):
    """The secrets of a server: the environment of its program, and the headers of requests to its URL."""

    env: dict[str, str] = Field(default={}, repr=False)
    headers: dict[str, str] = Field(default={}, repr=False)


class Tool(Message):
    """A tool, as its server describes it. Texts and schemas are data of the server, not instructions."""

    name: str = Field(description="Name of the tool.")
    title: str | None = Field(default=None, description="Title of the tool, for people; null if there is none.")
    description: str = Field(default="", description="What the tool does, in the words of the server.")
    input_schema: dict[str, Any] = Field(default={}, description="JSON Schema of the input.")
    output_schema: dict[str, Any] | None = Field(
        default=None, description="JSON Schema of the output; null if there is none."
    )
    annotations: dict[str, Any] = Field(default={}, description="Hints of the server about the tool; not verified.")


class ToolsDifference(Message):
    """The names of tools that differ from those which the owner accepted."""

    added: list[str] = Field(default=[], description="Tools that the server did not have when its tools were accepted.")
    removed: list[str] = Field(default=[], description="Tools that the server no longer has.")
    changed: list[str] = Field(
        default=[], description="Tools whose description or schema differs from what was accepted."
    )


class CheckResult(Message):
    """The result of a check: the health is `healthy`, or the reason of a failure in `error_code` and `error_detail`."""

    latency_ms: Annotated[float, Field(ge=0)] | None = None
    """From the start of the connection to the list of tools."""
    server_name: str | None = None
    server_version: str | None = None
    error_code: Code | None = None
    error_detail: str = ""


class ServerConnection(ServerSecrets):
    """What a service needs to connect to an MCP server, with its secrets, including the access token.

    `accepted_tools` maps the names of tools to the fingerprints that the owner accepted; None until the first
    successful check. A tool with another fingerprint must not be offered to an agent.
    """

    id: UUID
    version: int
    """Grows when the definition, the secrets or the accepted tools change, but not with checks."""
    definition: ServerDefinition
    accepted_tools: dict[str, Fingerprint] | None = None
    expires_at: AwareDatetime | None = None
    """When the access token in `headers` expires, if the server uses OAuth."""
    hides_target: bool = False
    """Whether the user may use the server, but not see how it is reached. Reasons of failures would show that."""


class ResolvedServer(Message):
    """The server that a reference names for the actor, or the reason why there is none."""

    reference: str
    connection: ServerConnection | None = None
    problem: ServerProblem | None = None
    detail: str = ""
