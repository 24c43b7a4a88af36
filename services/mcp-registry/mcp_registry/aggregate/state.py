"""The state of an McpServer, on which the classes of its subjects are based."""

from abc import ABC, abstractmethod
from datetime import datetime
from uuid import UUID

from contracts.mcp_registry import ServerEvent
from contracts.mcp_registry.oauth import OAuthSecrets
from contracts.mcp_registry.values import Fingerprint, ServerDefinition, ServerSecrets
from contracts.messages import Message


class Attempt(Message):
    """An attempt to authorize the server. `state_hash` is set while a user may return with that state."""

    id: UUID
    expires_at: datetime
    state_hash: str | None = None
    returned: bool = False


class State(ABC):
    """The state shared by the subjects of an McpServer, which combines them."""

    id: UUID
    user_id: UUID
    definition: ServerDefinition
    credentials: ServerSecrets
    is_enabled: bool
    checking: UUID | None
    """The check in progress; the results of others are outdated."""
    failures: int
    """Of checks, since the last that succeeded."""
    listed: dict[str, Fingerprint]
    """The tools that the server listed last."""
    accepted: dict[str, Fingerprint] | None
    """The tools that the owner accepted; None until the first list."""
    unaccepted_lists: int
    """The number of lists recorded since the owner last accepted one."""

    oauth: OAuthSecrets
    attempt: Attempt | None
    """The attempt to authorize the server that is in progress."""
    refreshing: UUID | None
    """The refresh of the tokens that is in progress."""

    @abstractmethod
    def record(self, event: ServerEvent) -> None:
        """Fold an event, and keep it to be stored."""
