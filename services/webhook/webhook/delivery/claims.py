"""Claims of deliveries, and their outcomes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from contracts.webhook.values import Attempt, DeliveryStatus, DisabledReason


@dataclass(frozen=True)
class Claimed:
    """A lane that this process has claimed, and its first delivery, if it has one; `body` is None if it has expired."""

    webhook_id: UUID
    resource_id: UUID
    id: UUID | None
    type: str | None
    attempt_count: int | None
    created_at: datetime | None
    body: str | None
    is_first: bool | None
    """Whether no attempt was made before."""
    claim: UUID

    @property
    def lane(self) -> tuple[UUID, UUID]:
        """The key of the lane."""
        return self.webhook_id, self.resource_id


@dataclass(frozen=True)
class Ended:
    """The outcome of a claim: the `attempt`, if one was made, and after which pause the lane is due again."""

    claimed: Claimed
    pause: float = 0.0
    status: DeliveryStatus = "pending"
    attempt: Attempt | None = None
    counts: bool = True
    """Whether the attempt says something about the receiver; one of a test, or without a request, does not."""
    disable: DisabledReason | None = None


@dataclass(frozen=True)
class Claims:
    """How many lanes may be claimed: `free` in total, and of each webhook `per_webhook`, less those in progress."""

    free: int
    per_webhook: int
    in_progress: Mapping[UUID, int]
