"""All messages about MCP servers."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, PlainSerializer

from contracts.mcp_registry.server_view import ServerSummary, ServerView
from contracts.mcp_registry.values import (
    MAX_RESOLVED,
    ResolvedServer,
    ServerDefinition,
    ServerHealth,
    ServerSecrets,
    ServerType,
    WorkspaceAccess,
)
from contracts.messages import Command, Event, KeysetWindow, Message, Page, Query
from contracts.samples import MCP_SERVER, USER

_DEFINITION = {"name": "kubernetes", "server_type": "STDIO", "command": "kubectl-mcp-server", "args": ["--read-only"]}
_SECRETS = {"env": {"KUBECONFIG": "/path/to/kubeconfig"}, "headers": {}}


class ServerExport(ServerDefinition, ServerSecrets):
    """A server in an export; its secrets are empty unless its owner asked for them."""

    id: UUID
    is_enabled: bool


class GetServer(Query[ServerView]):
    """Return one MCP server: an own or a global one, or any for an admin."""

    subject = "qry.mcp_registry.get"
    sample = {"server_id": MCP_SERVER}

    server_id: UUID


class ListServers(KeysetWindow, Query[Page[ServerSummary]]):
    """Return the actor's own and the global MCP servers (for an admin, all), newest first."""

    subject = "qry.mcp_registry.list"
    sample = {"health": "healthy"}

    q: str | None = Field(default=None, max_length=200)
    server_type: ServerType | None = None
    is_enabled: bool | None = None
    is_global: bool | None = None
    health: ServerHealth | None = None


class ExportServers(Query[list[ServerExport]]):
    """Return the actor's own servers, by name, as a file can hold them."""

    subject = "qry.mcp_registry.export"
    sample = {"include_secrets": False}

    include_secrets: bool = False


class ResolveServers(Query[list[ResolvedServer]]):
    """Return the servers that these names or ids mean for the actor, with their secrets, in the same order.

    Only services may send this query. A name means an own server before a global one.
    """

    subject = "qry.mcp_registry.resolve"
    senders = ("session",)
    sample = {"references": ["kubernetes", MCP_SERVER]}

    references: list[str] = Field(max_length=MAX_RESOLVED)


class CheckReferences(Query[None]):
    """Check that these names or ids mean servers that the actor may use; they may be disabled.

    Refused with MCP_SERVER_NOT_FOUND, which names the first that does not exist.
    """

    subject = "qry.mcp_registry.check_references"
    sample = {"references": ["kubernetes"]}

    references: list[str] = Field(max_length=100)


class ServerChanges(Message):
    """The fields of a server to change: those that are set. One that is set to None is cleared. The type is final."""

    name: str | None = None
    description: str | None = None
    command: str | None = None
    args: list[str] | None = None
    url: str | None = None
    network_hosts: list[str] | None = None
    workspace: WorkspaceAccess | None = None
    allowed_tools: list[str] | None = None
    is_global: bool | None = None
    env: dict[str, str] | None = Field(default=None, repr=False)
    headers: dict[str, str] | None = Field(default=None, repr=False)

    def applied_to(self, definition: ServerDefinition) -> ServerDefinition:
        """Return the definition with these changes. A cleared field has its default value; a name stays."""
        fields = ServerDefinition.model_fields
        update: dict[str, Any] = {
            name: fields[name].get_default() if getattr(self, name) is None else getattr(self, name)
            for name in self.model_fields_set & fields.keys()
            if getattr(self, name) is not None or not fields[name].is_required()
        }
        return definition.model_copy(update=update)


def _only_set_fields(changes: ServerChanges) -> dict[str, Any]:
    return changes.model_dump(mode="json", exclude_unset=True)


PartialServer = Annotated[ServerChanges, PlainSerializer(_only_set_fields)]
"""Changes of which only those that are set are serialized, so that the receiver knows which ones they are."""


class CreateServer(Command[ServerView]):
    """Register an MCP server; it is checked in the background."""

    subject = "cmd.mcp_registry.create"
    outcome_query = GetServer
    sample = {"server_id": MCP_SERVER, "definition": _DEFINITION, "secrets": _SECRETS}

    server_id: UUID
    definition: ServerDefinition
    secrets: ServerSecrets = ServerSecrets()
    is_enabled: bool = True


class UpdateServer(Command[ServerView]):
    """Change the fields of a server that are set, among them its secrets.

    A value `***` keeps the stored value of that name, so that a definition which was read can be sent back. If the
    program or the URL changes, all secrets have to be sent again, so that they do not reach another server unnoticed.
    """

    subject = "cmd.mcp_registry.update"
    outcome_query = GetServer
    sample = {"server_id": MCP_SERVER, "changes": {"description": "Cluster management"}}

    server_id: UUID
    changes: PartialServer


class SetServerEnabled(Command[ServerView]):
    """Enable or disable a server; sessions cannot use a disabled one."""

    subject = "cmd.mcp_registry.set_enabled"
    outcome_query = GetServer
    sample = {"server_id": MCP_SERVER, "is_enabled": False}

    server_id: UUID
    is_enabled: bool


class DeleteServer(Command[None]):
    """Delete a server with its secrets and tokens."""

    subject = "cmd.mcp_registry.delete"
    sample = {"server_id": MCP_SERVER}

    server_id: UUID


class ServerCreated(Event):
    """An MCP server was registered."""

    subject = "evt.mcp_registry.created"
    sample = {"user_id": USER, "definition": _DEFINITION, "is_enabled": True}

    user_id: UUID
    definition: ServerDefinition
    is_enabled: bool


class ServerUpdated(Event):
    """The definition of a server was changed. With another target it is another server, whose tools are not known."""

    subject = "evt.mcp_registry.updated"
    sample = {"definition": _DEFINITION, "is_other_target": False}

    definition: ServerDefinition
    is_other_target: bool


class ServerSecretsSet(ServerSecrets, Event):
    """The secrets of a server were set."""

    secret = True
    subject = "evt.mcp_registry.secrets_set"
    sample = _SECRETS


class ServerEnabled(Event):
    """A server was enabled."""

    subject = "evt.mcp_registry.enabled"
    sample = {}


class ServerDisabled(Event):
    """A server was disabled."""

    subject = "evt.mcp_registry.disabled"
    sample = {}


class ServerDeleted(Event):
    """A server was deleted."""

    subject = "evt.mcp_registry.deleted"
    sample = {"user_id": USER}

    user_id: UUID


LifecycleEvent = ServerCreated | ServerUpdated | ServerSecretsSet | ServerEnabled | ServerDisabled | ServerDeleted
