"""The state of an McpServer, on which the classes of its subjects are based."""

from abc import ABC, abstractmethod
from uuid import UUID

from contracts.mcp_registry import ServerEvent
from contracts.mcp_registry.values import Fingerprint, ServerDefinition, ServerSecrets


class State(ABC):
    """The state shared by the subjects of an McpServer, which combines and folds them."""

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

    @abstractmethod
    def record(self, event: ServerEvent) -> None:
        """Fold an event, and keep it to be stored."""
