"""McpServer: how to reach an MCP server, its secrets, and which of its tools its owner accepted."""

from typing import assert_never
from uuid import UUID

from contracts.mcp_registry import ServerEvent
from contracts.mcp_registry.authorization import OAuthSecretsSet
from contracts.mcp_registry.oauth import OAuthSecrets
from contracts.mcp_registry.server import (
    LifecycleEvent,
    ServerChanges,
    ServerCreated,
    ServerDeleted,
    ServerDisabled,
    ServerEnabled,
    ServerSecretsSet,
    ServerUpdated,
)
from contracts.mcp_registry.values import ServerDefinition, ServerSecrets
from contracts.messages import Actor
from contracts.refusals import Code, Refusal
from contracts.secrets import unmasked
from eventing.aggregate import Aggregate

from mcp_registry.aggregate.authorization import Authorizing
from mcp_registry.aggregate.check import Checking
from mcp_registry.aggregate.definition import check_definition, check_secrets

OTHER_TARGET = "The server has another URL now, which must not get the tokens. Authorize it again."

SECRET_FIELDS = ("env", "headers")


class McpServer(Aggregate[ServerEvent], Authorizing, Checking):
    """An MCP server: its life cycle.

    The base classes decide about its authorization, the refresh of its tokens, and its checks.
    """

    missing = Code.MCP_SERVER_NOT_FOUND
    secrets = {"credentials": ServerSecretsSet, "oauth": OAuthSecretsSet}

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.credentials, self.is_enabled = ServerSecrets(), False
        self.checking, self.failures = None, 0
        self.listed, self.accepted, self.unaccepted_lists = {}, None, 0
        self.oauth, self.attempt, self.refreshing = OAuthSecrets(), None, None

    @property
    def owner(self) -> UUID:
        """The user who created the server."""
        return self.user_id

    def visible_to(self, actor: Actor) -> bool:
        """Return whether the server exists for an actor: for its owner and for admins; for all if it is global."""
        return self.definition.is_global or super().visible_to(actor)

    def authorizable_by(self, actor: Actor | None) -> bool:
        """Return whether an actor may authorize the server: its owner unless it is global, and admins."""
        if actor is None or (self.definition.is_global and actor.role != "admin"):
            return False
        return super().visible_to(actor)

    def create(
        self, user_id: UUID, definition: ServerDefinition, secrets: ServerSecrets, check_id: UUID, *, is_enabled: bool
    ) -> None:
        """Create the server, and request its first check if it is enabled.

        Raises:
            Refusal: INVALID_SERVER, VARIABLE_NOT_SET.
        """
        credentials = self._unmasked(secrets)
        check_definition(definition)
        check_secrets(definition, credentials)
        self.record(ServerCreated(user_id=user_id, definition=definition, is_enabled=is_enabled))
        self._set_secrets(credentials)
        self.request_check_if_enabled(check_id)

    def update(self, changes: ServerChanges, check_id: UUID) -> None:
        """Change the fields that are set, and request a check. Records nothing if nothing changes.

        A change of nothing but secrets, which are not part of the event, is an event, too.

        Raises:
            Refusal: INVALID_SERVER, VARIABLE_NOT_SET.
        """
        definition = changes.applied_to(self.definition)
        credentials = self._changed_secrets(definition, changes)
        check_definition(definition)
        check_secrets(definition, credentials)
        before = len(self.pending)
        if _target(definition) != _target(self.definition):
            self.end_authorization("server_changed", OTHER_TARGET)
        if definition != self.definition or credentials != self.credentials:
            other = _target(definition) != _target(self.definition)
            self.record(ServerUpdated(definition=definition, is_other_target=other))
        self._set_secrets(credentials)
        if len(self.pending) > before:
            self.request_check_if_enabled(check_id)

    def revoke_authorization(self, detail: str, check_id: UUID) -> None:
        """End the authorization. Replaces a check in progress, which may have used the tokens."""
        before = len(self.pending)
        self.end_authorization("revoked", detail)
        if self.checking and len(self.pending) > before:
            self.request_check_if_enabled(check_id)

    def enable(self, check_id: UUID) -> None:
        """Enable the server, and request a check. Records nothing if it is enabled."""
        if not self.is_enabled:
            self.record(ServerEnabled())
            self.request_check_if_enabled(check_id)

    def disable(self) -> None:
        """Disable the server. Records nothing if it is disabled."""
        if self.is_enabled:
            self.record(ServerDisabled())

    def delete(self) -> None:
        """Delete the server with its secrets."""
        self.record(ServerDeleted(user_id=self.user_id))

    def _changed_secrets(self, definition: ServerDefinition, changes: ServerChanges) -> ServerSecrets:
        """Return the secrets after a change.

        Raises:
            Refusal: VARIABLE_NOT_SET; the target changes, and stored secrets would be sent to the new one.
        """
        sent = {name: getattr(changes, name) for name in SECRET_FIELDS if getattr(changes, name) is not None}
        if _target(definition) == _target(self.definition):
            return self._unmasked(self.credentials.model_copy(update=sent))
        if omitted := [name for name in SECRET_FIELDS if getattr(self.credentials, name) and name not in sent]:
            detail = f"{omitted[0]}: the server would be another program or URL, so send the values again, or {{}}."
            raise Refusal(Code.VARIABLE_NOT_SET, detail)
        return _unmasked(ServerSecrets(**sent), ServerSecrets())

    def _unmasked(self, secrets: ServerSecrets) -> ServerSecrets:
        return _unmasked(secrets, self.credentials)

    def _set_secrets(self, secrets: ServerSecrets) -> None:
        if secrets != self.credentials:
            self.record(ServerSecretsSet(env=secrets.env, headers=secrets.headers))

    def apply_lifecycle(self, event: LifecycleEvent) -> None:
        """Fold one event of the server's life cycle."""
        match event:
            case ServerCreated():
                self.user_id, self.definition, self.is_enabled = event.user_id, event.definition, event.is_enabled
            case ServerUpdated():
                if event.is_other_target:
                    self.listed, self.accepted, self.unaccepted_lists = {}, None, 0
                self.definition = event.definition
            case ServerSecretsSet():
                self.credentials = ServerSecrets(env=event.env, headers=event.headers)
            case ServerEnabled():
                self.is_enabled, self.failures = True, 0
            case ServerDisabled():
                self.is_enabled, self.checking = False, None
            case ServerDeleted():
                self.deleted, self.is_enabled, self.checking = True, False, None
                self.oauth, self.attempt, self.refreshing = OAuthSecrets(), None, None
            case _:
                assert_never(event)


def _target(definition: ServerDefinition) -> tuple[str | None, str | None, list[str]]:
    """Return what determines who gets the secrets. Arguments are part of it: `npx` runs the program that they name."""
    return definition.url, definition.command, definition.args


def _unmasked(secrets: ServerSecrets, stored: ServerSecrets) -> ServerSecrets:
    env = unmasked(secrets.env, stored.env, Code.VARIABLE_NOT_SET, "env")
    return ServerSecrets(env=env, headers=unmasked(secrets.headers, stored.headers, Code.VARIABLE_NOT_SET, "headers"))
