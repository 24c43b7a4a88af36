"""The state of a Task, on which the classes of its subjects are based."""

from abc import ABC, abstractmethod
from datetime import datetime
from uuid import UUID

from contracts.task_scheduler import TaskEvent
from contracts.task_scheduler.values import PauseReason, TaskDefinition


class State(ABC):
    """The state shared by the subjects of a Task, which combines them."""

    id: UUID
    user_id: UUID
    definition: TaskDefinition
    """The definition with the values of `env` masked; the values are in `environment`."""
    environment: dict[str, str]
    paused: PauseReason | None
    last_tick: datetime | None
    """The latest tick that was ever processed: no tick up to it is processed again."""
    next_tick: datetime | None
    active: list[UUID]
    """The executions that count for the overlap policy, in the order of their admission."""
    waiting: list[UUID]
    """The executions that wait for their turn, in order."""

    @abstractmethod
    def record(self, event: TaskEvent) -> None:
        """Fold an event, and keep it to be stored."""
